//! How the pods of a pipeline reach its Kafka: the files with what proves who asks, the container
//! contract's variables, and the same for Java in a Connect worker. All of it from
//! [`spec.kafka`](Kafka), so that container connectors, workers and the operator itself are one
//! client to Kafka. Names files; never sees what is in them.

use k8s_openapi::api::core::v1 as core;

use super::references::{Reference, Source, SourceKind};
use crate::api::kafka::{CaRef, Kafka, OauthBearer, Sasl, SaslMechanism};

/// The field of the spec that all of it stands in.
pub const BLOCK: &str = "spec.kafka";
/// Where the files are in every pod.
pub const FOLDER: &str = "/etc/sluice/kafka";

/// Keys of the Secrets.
pub const CERTIFICATE: &str = "tls.crt";
/// The private key that belongs to [`CERTIFICATE`].
pub const KEY: &str = "tls.key";
/// Who logs in by password.
pub const USERNAME: &str = "username";
/// The password.
pub const PASSWORD: &str = "password";
/// Who asks for tokens.
pub const CLIENT_ID: &str = "client-id";
/// What the asking is proven by.
pub const CLIENT_SECRET: &str = "client-secret";

const CA_FILE: &str = "ca.crt";
const TOKEN_CA_FILE: &str = "token-ca.crt";

/// A key of a Secret, and the file that it is in a pod.
struct Item<'a> {
    secret: &'a str,
    key: &'a str,
    file: &'static str,
    field: &'static str,
}

/// What is read of Secrets; also what the operator itself reads.
#[must_use]
pub fn references(kafka: &Kafka) -> Vec<Reference> {
    let reference = |item: Item<'_>| Reference {
        source: Source {
            kind: SourceKind::Secret,
            name: item.secret.to_owned(),
        },
        key: Some(item.key.to_owned()),
        field: item.field.to_owned(),
    };
    items(kafka).into_iter().map(reference).collect()
}

fn items(kafka: &Kafka) -> Vec<Item<'_>> {
    let mut items = Vec::new();
    if let Some(tls) = &kafka.tls {
        if let Some(CaRef { name, key }) = &tls.ca_secret_ref {
            items.push(item(name, key, CA_FILE, "tls.caSecretRef"));
        }
        if let Some(client) = &tls.client_secret_ref {
            for file in [CERTIFICATE, KEY] {
                items.push(item(&client.name, file, file, "tls.clientSecretRef"));
            }
        }
    }
    if let Some(sasl) = &kafka.sasl {
        let files = match sasl.mechanism {
            SaslMechanism::OauthBearer => [CLIENT_ID, CLIENT_SECRET],
            _ => [USERNAME, PASSWORD],
        };
        for file in files {
            items.push(item(&sasl.secret_ref.name, file, file, "sasl.secretRef"));
        }
        if let Some(CaRef { name, key }) = token_ca(sasl) {
            let field = "sasl.oauthbearer.caSecretRef";
            items.push(item(name, key, TOKEN_CA_FILE, field));
        }
    }
    items
}

fn item<'a>(secret: &'a str, key: &'a str, file: &'static str, field: &'static str) -> Item<'a> {
    Item {
        secret,
        key,
        file,
        field,
    }
}

fn token_ca(sasl: &Sasl) -> Option<&CaRef> {
    sasl.oauthbearer.as_ref()?.ca_secret_ref.as_ref()
}

/// The volume with the files, and where the pod sees it; `None` where there is nothing secret.
/// `name` is one that no other volume of the pod has.
#[must_use]
pub fn volume(kafka: &Kafka, name: String) -> Option<(core::Volume, core::VolumeMount)> {
    const GROUP_READS: i32 = 0o440;
    let sources: Vec<_> = items(kafka).into_iter().map(projection).collect();
    if sources.is_empty() {
        return None;
    }
    let volume = core::Volume {
        name: name.clone(),
        projected: Some(core::ProjectedVolumeSource {
            sources: Some(sources),
            default_mode: Some(GROUP_READS),
        }),
        ..Default::default()
    };
    let mount = core::VolumeMount {
        name,
        mount_path: FOLDER.to_owned(),
        read_only: Some(true),
        ..Default::default()
    };
    Some((volume, mount))
}

fn projection(item: Item<'_>) -> core::VolumeProjection {
    core::VolumeProjection {
        secret: Some(core::SecretProjection {
            name: item.secret.to_owned(),
            items: Some(vec![core::KeyToPath {
                key: item.key.to_owned(),
                path: item.file.to_owned(),
                mode: None,
            }]),
            optional: None,
        }),
        ..Default::default()
    }
}

/// Kafka's word for the combination of TLS and SASL, as in `security.protocol`.
#[must_use]
pub const fn protocol(kafka: &Kafka) -> &'static str {
    match (&kafka.tls, &kafka.sasl) {
        (None, None) => "PLAINTEXT",
        (Some(_), None) => "SSL",
        (None, Some(_)) => "SASL_PLAINTEXT",
        (Some(_), Some(_)) => "SASL_SSL",
    }
}

/// The part of the container contract that is about security, as names and values.
#[must_use]
pub fn environment(kafka: &Kafka) -> Vec<(&'static str, String)> {
    let mut env = vec![("KAFKA_SECURITY_PROTOCOL", protocol(kafka).to_owned())];
    if let Some(sasl) = &kafka.sasl {
        env.push(("KAFKA_SASL_MECHANISM", sasl.mechanism.as_str().to_owned()));
        if let Some(OauthBearer {
            token_endpoint_url,
            scope,
            ..
        }) = &sasl.oauthbearer
        {
            let url = "KAFKA_SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL";
            env.push((url, token_endpoint_url.clone()));
            let scope = scope.clone();
            env.extend(scope.map(|scope| ("KAFKA_SASL_OAUTHBEARER_SCOPE", scope)));
        }
    }
    let file = |item: Item<'_>| (variable(item.file), path(item.file));
    env.extend(items(kafka).into_iter().map(file));
    env
}

/// The variable that says where a file is.
fn variable(file: &'static str) -> &'static str {
    match file {
        CERTIFICATE => "KAFKA_SSL_CERT_FILE",
        KEY => "KAFKA_SSL_KEY_FILE",
        USERNAME => "KAFKA_SASL_USERNAME_FILE",
        PASSWORD => "KAFKA_SASL_PASSWORD_FILE",
        CLIENT_ID => "KAFKA_SASL_OAUTHBEARER_CLIENT_ID_FILE",
        CLIENT_SECRET => "KAFKA_SASL_OAUTHBEARER_CLIENT_SECRET_FILE",
        TOKEN_CA_FILE => "KAFKA_SASL_OAUTHBEARER_CA_FILE",
        _ => "KAFKA_SSL_CA_FILE",
    }
}

fn path(file: &str) -> String {
    format!("{FOLDER}/{file}")
}

/// The properties of a Java client. Secrets are `${kafka:...}`, which a provider of that name for
/// [`FOLDER`] reads when the client starts.
#[must_use]
pub fn properties(kafka: &Kafka) -> Vec<(&'static str, String)> {
    let mut properties = vec![("security.protocol", protocol(kafka).to_owned())];
    if let Some(tls) = &kafka.tls {
        if tls.ca_secret_ref.is_some() {
            properties.push(("ssl.truststore.type", "PEM".to_owned()));
            properties.push(("ssl.truststore.location", path(CA_FILE)));
        }
        if tls.client_secret_ref.is_some() {
            properties.push(("ssl.keystore.type", "PEM".to_owned()));
            properties.push(("ssl.keystore.certificate.chain", provided(CERTIFICATE)));
            properties.push(("ssl.keystore.key", provided(KEY)));
        }
    }
    if let Some(sasl) = &kafka.sasl {
        properties.push(("sasl.mechanism", sasl.mechanism.as_str().to_owned()));
        match &sasl.oauthbearer {
            Some(oauthbearer) => properties.extend(token_properties(oauthbearer)),
            None => properties.push(("sasl.jaas.config", password_login(sasl.mechanism))),
        }
    }
    properties
}

fn password_login(mechanism: SaslMechanism) -> String {
    let module = match mechanism {
        SaslMechanism::Plain => "plain.PlainLoginModule",
        _ => "scram.ScramLoginModule",
    };
    format!(
        "org.apache.kafka.common.security.{module} required username=\"{}\" password=\"{}\";",
        provided(USERNAME),
        provided(PASSWORD)
    )
}

fn token_properties(oauthbearer: &OauthBearer) -> Vec<(&'static str, String)> {
    const PACKAGE: &str = "org.apache.kafka.common.security.oauthbearer";
    let trusted = match &oauthbearer.ca_secret_ref {
        Some(_) => format!(
            " ssl.truststore.type=\"PEM\" ssl.truststore.location=\"{}\"",
            path(TOKEN_CA_FILE)
        ),
        None => String::new(),
    };
    let mut properties = vec![
        (
            "sasl.jaas.config",
            format!("{PACKAGE}.OAuthBearerLoginModule required{trusted};"),
        ),
        (
            "sasl.login.callback.handler.class",
            format!("{PACKAGE}.OAuthBearerLoginCallbackHandler"),
        ),
        (
            "sasl.oauthbearer.jwt.retriever.class",
            format!("{PACKAGE}.ClientCredentialsJwtRetriever"),
        ),
        (
            "sasl.oauthbearer.token.endpoint.url",
            oauthbearer.token_endpoint_url.clone(),
        ),
        (
            "sasl.oauthbearer.client.credentials.client.id",
            provided(CLIENT_ID),
        ),
        (
            "sasl.oauthbearer.client.credentials.client.secret",
            provided(CLIENT_SECRET),
        ),
    ];
    let scope = oauthbearer.scope.clone();
    properties.extend(scope.map(|scope| ("sasl.oauthbearer.scope", scope)));
    properties
}

fn provided(file: &str) -> String {
    format!("${{kafka:{FOLDER}:{file}}}")
}

/// What Java must be told when it starts: it asks no token endpoint that this does not list.
#[must_use]
pub fn java_options(kafka: &Kafka) -> Option<String> {
    let oauthbearer = kafka.sasl.as_ref()?.oauthbearer.as_ref()?;
    let url = &oauthbearer.token_endpoint_url;
    Some(format!(
        "-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={url}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kafka(yaml: &str) -> Kafka {
        serde_yaml::from_str(yaml).unwrap()
    }

    fn oauth() -> Kafka {
        kafka(
            "bootstrapServers: kafka:9093
tls: {caSecretRef: {name: kafka-ca}}
sasl:
  mechanism: OAUTHBEARER
  secretRef: {name: plant-client}
  oauthbearer:
    tokenEndpointUrl: https://id.example/token
    scope: kafka
    caSecretRef: {name: id-ca, key: root.pem}",
        )
    }

    fn mutual_scram() -> Kafka {
        kafka(
            "bootstrapServers: kafka:9093
tls: {caSecretRef: {name: kafka-ca}, clientSecretRef: {name: plant-cert}}
sasl: {mechanism: SCRAM-SHA-512, secretRef: {name: plant-kafka}}",
        )
    }

    #[test]
    fn the_contract_of_each_kind_is_this_one() {
        insta::assert_json_snapshot!([
            environment(&kafka("bootstrapServers: kafka:9092")),
            environment(&mutual_scram()),
            environment(&oauth()),
        ]);
    }

    #[test]
    fn the_properties_of_each_kind_are_these() {
        insta::assert_json_snapshot!([
            properties(&kafka("bootstrapServers: kafka:9092")),
            properties(&mutual_scram()),
            properties(&oauth()),
        ]);
    }

    #[test]
    fn every_file_that_is_named_is_in_the_volume() {
        for kafka in [mutual_scram(), oauth()] {
            let (volume, mount) = volume(&kafka, "v".into()).unwrap();
            let sources = volume.projected.unwrap().sources.unwrap();
            let files: Vec<_> = sources
                .into_iter()
                .flat_map(|source| source.secret.unwrap().items.unwrap())
                .map(|item| format!("{}/{}", mount.mount_path, item.path))
                .collect();
            let named: Vec<_> = environment(&kafka)
                .into_iter()
                .filter(|(name, _)| name.ends_with("_FILE"))
                .map(|(_, path)| path)
                .collect();
            assert_eq!(files, named);
        }
    }

    #[test]
    fn nothing_secret_is_no_volume() {
        assert!(volume(&kafka("bootstrapServers: kafka:9092\ntls: {}"), "v".into()).is_none());
    }
}
