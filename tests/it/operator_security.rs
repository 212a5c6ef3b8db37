//! Security of a pipeline's Kafka through the operator, on a real apiserver and a real broker:
//! what pods are given, the rotation of a Secret, and how each way to be kept out is told.

use std::collections::BTreeMap;

use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{
    Api,
    api::{ObjectMeta, PostParams},
};
use serde_json::{Value, json};
use tokio::time::{Duration, Instant};

use crate::support::{
    operator::{Tenant, condition},
    secure::{self, PASSWORD, USER},
};

async fn store(tenant: &Tenant, name: &str, data: &[(&str, &str)]) {
    let api: Api<Secret> = Api::namespaced(tenant.client.clone(), &tenant.namespace);
    let data: BTreeMap<_, _> = data
        .iter()
        .map(|(key, value)| ((*key).to_owned(), ByteString((*value).into())))
        .collect();
    let secret = Secret {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            ..ObjectMeta::default()
        },
        data: Some(data),
        ..Secret::default()
    };
    if api.get_opt(name).await.unwrap().is_some() {
        api.replace(name, &PostParams::default(), &secret)
            .await
            .unwrap();
    } else {
        api.create(&PostParams::default(), &secret).await.unwrap();
    }
}

fn spec(kafka: &Value, topic: &str) -> Value {
    json!({
        "kafka": kafka,
        "topics": [{"name": topic, "partitions": 2, "replicationFactor": 1}],
        "connectors": [{
            "name": "sink", "role": "Sink", "replicas": 0,
            "container": {"image": "example.org/sink:1"},
            "consumes": {"group": topic, "topics": [topic]},
        }],
    })
}

fn scram(listener: &str) -> Value {
    json!({
        "bootstrapServers": secure::shared().bootstrap(listener),
        "tls": {"caSecretRef": {"name": "kafka-ca"}},
        "sasl": {"mechanism": "SCRAM-SHA-512", "secretRef": {"name": "plant-kafka"}},
    })
}

async fn secured_tenant(password: &str) -> Tenant {
    let tenant = Tenant::new().await;
    store(&tenant, "kafka-ca", &[("ca.crt", &secure::shared().ca)]).await;
    let login = [("username", USER), ("password", password)];
    store(&tenant, "plant-kafka", &login).await;
    tenant
}

async fn template(tenant: &Tenant, name: &str) -> (i64, Value) {
    let deployment = tenant.deployments().get(name).await.unwrap();
    let template = serde_json::to_value(deployment.spec.unwrap().template).unwrap();
    (deployment.metadata.generation.unwrap(), template)
}

#[tokio::test]
async fn a_secured_pipeline_works_and_its_pods_get_what_they_need() {
    let tenant = secured_tenant(PASSWORD).await;
    tenant
        .apply("readings", spec(&scram("SASL"), "secured-readings"))
        .await;
    tenant.ready("readings").await;
    let (_, template) = template(&tenant, "readings-sink").await;
    let container = &template["spec"]["containers"][0];
    let env = container["env"].as_array().unwrap();
    let variable = |name: &str| {
        let found = env.iter().find(|e| e["name"] == name);
        found.map_or("", |e| e["value"].as_str().unwrap())
    };
    assert_eq!(variable("KAFKA_SECURITY_PROTOCOL"), "SASL_SSL");
    assert_eq!(variable("KAFKA_SASL_MECHANISM"), "SCRAM-SHA-512");
    assert_eq!(
        variable("KAFKA_SASL_PASSWORD_FILE"),
        "/etc/sluice/kafka/password"
    );
    assert_eq!(variable("KAFKA_SSL_CA_FILE"), "/etc/sluice/kafka/ca.crt");
    assert_eq!(
        container["volumeMounts"][0]["mountPath"],
        "/etc/sluice/kafka"
    );
    assert!(!template.to_string().contains(PASSWORD));
}

#[tokio::test]
async fn a_rotated_password_is_picked_up_and_rolls_the_pods_once() {
    let secure = secure::shared();
    secure.set_password("rotating", "first-password");
    let tenant = Tenant::new().await;
    store(&tenant, "kafka-ca", &[("ca.crt", &secure.ca)]).await;
    let login = |password| [("username", "rotating"), ("password", password)];
    store(&tenant, "plant-kafka", &login("first-password")).await;
    tenant
        .apply("rotated", spec(&scram("SASL"), "rotated-readings"))
        .await;
    tenant.ready("rotated").await;
    let (before, _) = template(&tenant, "rotated-sink").await;
    secure.set_password("rotating", "second-password");
    store(&tenant, "plant-kafka", &login("second-password")).await;
    let start = Instant::now();
    while template(&tenant, "rotated-sink").await.0 == before {
        assert!(
            start.elapsed() < Duration::from_secs(30),
            "not rolled within 30 s"
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    // Two looks more: the new password serves, and nothing rolls a second time.
    tokio::time::sleep(Duration::from_secs(35)).await;
    assert_eq!(template(&tenant, "rotated-sink").await.0, before + 1);
    let status = tenant.status("rotated").await;
    assert_eq!(
        condition(&status, "Ready").0,
        "True",
        "{:?}",
        status.conditions
    );
}

#[tokio::test]
async fn each_way_to_be_kept_out_has_a_reason_of_its_own() {
    let secure = secure::shared();
    let tenant = secured_tenant("a-wrong-password").await;
    store(&tenant, "other-ca", &[("ca.crt", &secure.other_ca)]).await;
    store(&tenant, "no-pem", &[("ca.crt", "nonsense")]).await;
    let expired = [
        ("tls.crt", secure.expired_certificate.as_str()),
        ("tls.key", secure.expired_key.as_str()),
    ];
    store(&tenant, "expired", &expired).await;
    store(
        &tenant,
        "with-newline",
        &[("username", USER), ("password", "x\n")],
    )
    .await;
    let tls = |listener: &str, tls: Value| json!({"bootstrapServers": secure.bootstrap(listener), "tls": tls});
    let mut with_newline = scram("SASL");
    with_newline["sasl"]["secretRef"]["name"] = "with-newline".into();
    let mut absent = scram("SASL");
    absent["sasl"]["secretRef"]["name"] = "absent".into();
    let trusting = |name: &str| json!({"caSecretRef": {"name": name}});
    let cases = [
        ("login", scram("SASL"), "AuthenticationFailed"),
        (
            "authority",
            tls("TLS", trusting("other-ca")),
            "CertificateUntrusted",
        ),
        (
            "expired",
            tls("EXPIRED", trusting("kafka-ca")),
            "CertificateExpired",
        ),
        (
            "host",
            tls("STRANGE", trusting("kafka-ca")),
            "CertificateHostMismatch",
        ),
        (
            "client",
            tls("MUTUAL", trusting("kafka-ca")),
            "ClientCertificateRefused",
        ),
        (
            "own",
            tls(
                "MUTUAL",
                json!({"caSecretRef": {"name": "kafka-ca"}, "clientSecretRef": {"name": "expired"}}),
            ),
            "CertificateExpired",
        ),
        ("pem", tls("TLS", trusting("no-pem")), "CredentialsInvalid"),
        ("newline", with_newline, "CredentialsInvalid"),
        ("absent", absent, "ReferenceMissing"),
    ];
    for (name, kafka, _) in &cases {
        let spec = json!({"kafka": kafka, "topics": [{"name": format!("kept-out-{name}")}]});
        tenant.apply(name, spec).await;
    }
    for (name, _, reason) in cases {
        let message = tenant.refused(name, reason).await;
        assert!(!message.contains("a-wrong-password"), "{message}");
        assert!(!message.is_empty(), "{name}");
    }
    let message = tenant.refused("login", "AuthenticationFailed").await;
    assert!(message.contains("User:plant"), "{message}");
}

#[tokio::test]
async fn a_missing_right_names_the_principal() {
    let secure = secure::shared();
    secure.broker.create_topic("denied-readings", 1).await;
    secure.broker.deny("denied-readings");
    let tenant = secured_tenant(PASSWORD).await;
    let spec = json!({
        "kafka": scram("SASL"), "topics": [{"name": "denied-readings", "management": "Observed"}],
    });
    tenant.apply("denied", spec).await;
    let message = tenant.refused("denied", "AuthorizationFailed").await;
    assert!(message.contains("User:plant"), "{message}");
}
