//! What the Secrets that a pipeline refers to hold for the operator's own clients: the security of
//! its Kafka, and who asks a Prometheus. Read by name when it is asked for, since Secrets may not
//! be listed or watched, and kept for seconds, so that pipelines which share a Secret, and samples
//! in between, cost no read each.

use std::{
    collections::{BTreeMap, HashMap},
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use k8s_openapi::ByteString;
use kube::Client;
use tokio::time::Instant;

use super::unknown_kube;
use crate::{
    api::{
        common::Reason,
        kafka::{CaRef, Kafka, SaslMechanism, Tls},
        metrics::PrometheusAuthentication,
        pods::{KeyRef, LocalRef},
    },
    class::Class,
    k8s::read,
    kafka::{
        Security,
        security::{self, ClientCredentials, KeyPair, Sasl, Sensitive, Unusable},
    },
    plan::{
        Known, Unknown,
        connectors::{
            kafka_client::{self, CERTIFICATE, CLIENT_ID, CLIENT_SECRET, KEY, PASSWORD, USERNAME},
            references::{self, Data, Reference},
        },
        scaling::metrics::prometheus_references,
    },
    prometheus::{Login, Proof},
};

/// After this long nobody's credentials are kept.
const KEEP: Duration = Duration::from_secs(30);

/// What was read a moment ago, and when, by namespace and by what refers to it.
type Kept<R, V> = Arc<Mutex<HashMap<(String, R), (Instant, Known<V>)>>>;

/// Credentials that were read a moment ago. Clones share them.
#[derive(Clone, Default)]
pub struct Credentials {
    kafka: Kept<Kafka, Security>,
    prometheus: Kept<PrometheusAuthentication, Login>,
}

impl Credentials {
    /// The security of a pipeline's Kafka clients, read again when that was last done longer ago
    /// than `age`.
    pub async fn security(
        &self,
        kube: &Client,
        namespace: &str,
        kafka: &Kafka,
        age: Duration,
        now: Timestamp,
    ) -> Known<Security> {
        let references = kafka_client::references(kafka);
        if references.is_empty() {
            return Known::Value(plain(kafka));
        }
        let read = async || {
            let secrets = secrets(kube, namespace, &references).await?;
            compose(kafka, &secrets, now)
        };
        let known = kept(&self.kafka, namespace, kafka, age, read).await;
        below(kafka_client::BLOCK, known)
    }

    /// Who asks a Prometheus; likewise. `block` is the field that says so.
    pub async fn login(
        &self,
        kube: &Client,
        namespace: &str,
        authentication: &PrometheusAuthentication,
        block: &str,
        age: Duration,
        now: Timestamp,
    ) -> Known<Login> {
        let read = async || {
            let references = prometheus_references(authentication);
            let secrets = secrets(kube, namespace, &references).await?;
            compose_login(authentication, &secrets, now)
        };
        let known = kept(&self.prometheus, namespace, authentication, age, read).await;
        below(block, known)
    }
}

/// Completes the message of a gap, which begins where the path of the block ends.
fn below<T>(block: &str, known: Known<T>) -> Known<T> {
    match known {
        Known::Value(value) => Known::Value(value),
        Known::Unknown(unknown) => Known::Unknown(Unknown {
            message: format!("{block}{}", unknown.message),
            ..unknown
        }),
    }
}

/// What was read at most `age` ago, else what is read now.
async fn kept<R: Clone + Eq + Hash, V: Clone>(
    kept: &Kept<R, V>,
    namespace: &str,
    referrer: &R,
    age: Duration,
    read: impl AsyncFnOnce() -> Result<V, Unknown>,
) -> Known<V> {
    let lock = || kept.lock().unwrap_or_else(PoisonError::into_inner);
    let key = (namespace.to_owned(), referrer.clone());
    if let Some((at, known)) = lock().get(&key)
        && at.elapsed() <= age
    {
        return known.clone();
    }
    let known = read().await.map_or_else(Known::Unknown, Known::Value);
    let mut kept = lock();
    kept.retain(|_, (at, _)| at.elapsed() < KEEP);
    kept.insert(key, (Instant::now(), known.clone()));
    known
}

/// Nothing secret: at most TLS with the system's authorities.
fn plain(kafka: &Kafka) -> Security {
    Security {
        tls: kafka.tls.as_ref().map(|_| security::Tls::default()),
        sasl: None,
    }
}

/// The data of Secrets by name.
type Secrets = BTreeMap<String, BTreeMap<String, ByteString>>;

async fn secrets(
    kube: &Client,
    namespace: &str,
    references: &[Reference],
) -> Result<Secrets, Unknown> {
    let mut secrets = Secrets::new();
    let mut keys = Data::new();
    for Reference { source, .. } in references {
        if keys.contains_key(source) {
            continue;
        }
        let data = read::secret(kube, namespace, &source.name).await;
        let data = data.map_err(|error| {
            let unknown = unknown_kube(&error);
            let message = format!(": {}", unknown.message);
            Unknown { message, ..unknown }
        })?;
        let names = |data: &BTreeMap<String, ByteString>| {
            data.keys()
                .map(|key| (key.clone(), String::new()))
                .collect()
        };
        keys.insert(source.clone(), data.as_ref().map(names));
        secrets.insert(source.name.clone(), data.unwrap_or_default());
    }
    let missing = references::missing("", references, &keys);
    match missing.into_iter().next() {
        None => Ok(secrets),
        Some(finding) => Err(Unknown {
            class: Class::Waiting,
            reason: finding.reason,
            message: finding.message,
        }),
    }
}

/// One value of a Secret, and where it is referred to from.
#[derive(Clone, Copy)]
struct Value<'a> {
    secrets: &'a Secrets,
    secret: &'a str,
    key: &'a str,
    field: &'static str,
}

impl Value<'_> {
    fn text(self) -> Result<String, Unknown> {
        let bytes = self
            .secrets
            .get(self.secret)
            .and_then(|data| data.get(self.key));
        let text = bytes.and_then(|ByteString(bytes)| String::from_utf8(bytes.clone()).ok());
        text.ok_or_else(|| self.invalid("is not text: store it as UTF-8"))
    }

    /// A name or a password: a line break comes with a file and belongs to none of them.
    fn word(self) -> Result<String, Unknown> {
        let text = self.text()?;
        if text.is_empty() {
            return Err(self.invalid("is empty"));
        }
        if text.contains(char::is_control) {
            return Err(
                self.invalid("holds a line break or another control character: store it without")
            );
        }
        Ok(text)
    }

    /// A text that a check has nothing against.
    fn checked(self, check: impl Fn(&str) -> Result<(), Unusable>) -> Result<String, Unknown> {
        let text = self.text()?;
        match check(&text) {
            Ok(()) => Ok(text),
            Err(unusable) => Err(self.unusable(unusable)),
        }
    }

    fn unusable(self, unusable: Unusable) -> Unknown {
        let reason = match unusable {
            Unusable::Expired | Unusable::NotYetValid => Reason::CertificateExpired,
            Unusable::NoCertificate | Unusable::NoKey => Reason::CredentialsInvalid,
        };
        Unknown {
            reason,
            ..self.invalid(&unusable.to_string())
        }
    }

    fn invalid(self, what: &str) -> Unknown {
        let Self {
            secret, key, field, ..
        } = self;
        Unknown {
            class: Class::Denied,
            reason: Reason::CredentialsInvalid,
            message: format!(".{field}: key `{key}` of Secret `{secret}` {what}"),
        }
    }
}

fn compose(kafka: &Kafka, secrets: &Secrets, now: Timestamp) -> Result<Security, Unknown> {
    let tls = kafka.tls.as_ref().map(|tls| compose_tls(tls, secrets, now));
    Ok(Security {
        tls: tls.transpose()?,
        sasl: compose_sasl(kafka, secrets, now)?,
    })
}

fn compose_tls(tls: &Tls, secrets: &Secrets, now: Timestamp) -> Result<security::Tls, Unknown> {
    let client = tls.client_secret_ref.as_ref().map(|client| {
        let value = |key| Value {
            secrets,
            secret: &client.name,
            key,
            field: "tls.clientSecretRef",
        };
        Ok(KeyPair {
            certificate: value(CERTIFICATE).checked(|pem| security::check_certificate(pem, now))?,
            key: Sensitive::new(value(KEY).checked(security::check_key)?),
        })
    });
    Ok(security::Tls {
        ca: authorities(tls.ca_secret_ref.as_ref(), "tls.caSecretRef", secrets, now)?,
        client: client.transpose()?,
    })
}

fn authorities(
    reference: Option<&CaRef>,
    field: &'static str,
    secrets: &Secrets,
    now: Timestamp,
) -> Result<Option<String>, Unknown> {
    let read = |CaRef { name, key }: &CaRef| {
        let value = Value {
            secrets,
            secret: name,
            key,
            field,
        };
        value.checked(|pem| security::check_authorities(pem, now))
    };
    reference.map(read).transpose()
}

fn compose_sasl(kafka: &Kafka, secrets: &Secrets, now: Timestamp) -> Result<Option<Sasl>, Unknown> {
    let Some(sasl) = &kafka.sasl else {
        return Ok(None);
    };
    let value = |key| Value {
        secrets,
        secret: &sasl.secret_ref.name,
        key,
        field: "sasl.secretRef",
    };
    let login = match (sasl.mechanism, &sasl.oauthbearer) {
        (SaslMechanism::OauthBearer, Some(oauthbearer)) => {
            let ca = oauthbearer.ca_secret_ref.as_ref();
            Sasl::OauthBearer(ClientCredentials {
                token_endpoint_url: oauthbearer.token_endpoint_url.clone(),
                scope: oauthbearer.scope.clone(),
                client_id: value(CLIENT_ID).word()?,
                client_secret: Sensitive::new(value(CLIENT_SECRET).word()?),
                ca: authorities(ca, "sasl.oauthbearer.caSecretRef", secrets, now)?,
            })
        }
        (mechanism, _) => Sasl::Password {
            mechanism: mechanism.as_str(),
            username: value(USERNAME).word()?,
            password: Sensitive::new(value(PASSWORD).word()?),
        },
    };
    Ok(Some(login))
}

fn compose_login(
    authentication: &PrometheusAuthentication,
    secrets: &Secrets,
    now: Timestamp,
) -> Result<Login, Unknown> {
    let PrometheusAuthentication {
        bearer_token_secret_ref: bearer,
        basic_auth_secret_ref: basic,
        ca_secret_ref: ca,
    } = authentication;
    let proof = match (bearer, basic) {
        (Some(KeyRef { name, key }), _) => {
            let value = Value {
                secrets,
                secret: name,
                key,
                field: "bearerTokenSecretRef",
            };
            Some(Proof::Bearer(Sensitive::new(value.word()?)))
        }
        (None, Some(LocalRef { name })) => {
            let value = |key| Value {
                secrets,
                secret: name,
                key,
                field: "basicAuthSecretRef",
            };
            Some(Proof::Basic {
                username: value(USERNAME).word()?,
                password: Sensitive::new(value(PASSWORD).word()?),
            })
        }
        (None, None) => None,
    };
    Ok(Login {
        proof,
        ca: authorities(ca.as_ref(), "caSecretRef", secrets, now)?,
    })
}
