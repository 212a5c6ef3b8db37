//! The operator against a real apiserver and a real broker: container connectors, the count of
//! their pods, and that nothing is written while nothing changes. There is no kubelet here: pods
//! stay pending, and counts are what is asked for.

use std::time::Duration;

use k8s_openapi::api::{
    apps::v1::Deployment, autoscaling::v2::HorizontalPodAutoscaler, core::v1::Secret,
};
use kube::{
    Api,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::support::{
    kafka,
    operator::{Tenant, condition},
};

/// A pipeline with one topic of six partitions and one connector that reads it.
fn spec(tenant: &Tenant, connector: &Value) -> Value {
    let topic = format!("{}.in", tenant.namespace);
    let mut whole = json!({
        "name": "work", "role": "Processor",
        "container": {"image": "example/none:1"},
        "consumes": {"group": format!("{}.work", tenant.namespace), "topics": [topic]},
    });
    for (key, value) in connector.as_object().unwrap() {
        whole[key] = value.clone();
    }
    json!({
        "kafka": {"bootstrapServers": kafka::shared().bootstrap()},
        "topics": [{"name": topic, "partitions": 6}],
        "connectors": [whole],
    })
}

/// Follows 100 unread records a pod, without waiting.
fn by_lag(max: i32) -> Value {
    json!({"autoscaling": {
        "minReplicas": 1, "maxReplicas": max, "interval": "1s", "warmup": "0s",
        "cooldown": {"scaleIn": "1s"},
        "behavior": {"scaleIn": {"stabilizationWindow": "1s"}},
        "policies": [{"name": "lag", "targetTracking": {"metric": "lag", "target": 100}}],
    }})
}

async fn deployment(tenant: &Tenant) -> Option<Deployment> {
    tenant.deployments().get_opt("p-work").await.unwrap()
}

async fn replicas(tenant: &Tenant) -> Option<i32> {
    deployment(tenant).await?.spec?.replicas
}

async fn until_replicas(tenant: &Tenant, wanted: i32) {
    let start = Instant::now();
    while replicas(tenant).await != Some(wanted) {
        if start.elapsed() > Duration::from_secs(30) {
            let status = serde_json::to_string_pretty(&tenant.status("p").await).unwrap();
            panic!(
                "{:?} pods and not {wanted}:\n{status}",
                replicas(tenant).await
            );
        }
        sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn the_count_follows_the_lag_out_and_in_by_the_scale_subresource() {
    let tenant = Tenant::new().await;
    tenant.apply("p", spec(&tenant, &by_lag(6))).await;
    until_replicas(&tenant, 1).await;
    let (topic, group) = (
        format!("{}.in", tenant.namespace),
        format!("{}.work", tenant.namespace),
    );
    let empty: Vec<(&str, i32, i64)> = (0..6)
        .map(|partition| (topic.as_str(), partition, 0))
        .collect();
    kafka::shared().commit(&group, &empty);
    // All records at once: a sample between two of them would decide on a part, and status would
    // show that part until numbers are due again.
    tenant.annotate("p", "sluice.dev/paused", "true").await;
    tenant
        .until("p", 10, |s| condition(s, "ScalingActive").1 == "Paused")
        .await;
    for partition in 0..6 {
        kafka::shared().produce(&topic, partition, 50);
    }
    tenant.annotate("p", "sluice.dev/paused", "false").await;
    until_replicas(&tenant, 3).await;
    let status = tenant
        .until("p", 10, |s| s.connectors[0].lag == Some(300))
        .await;
    assert_eq!(status.connectors[0].decisions[0].to, 3);
    assert_eq!(condition(&status, "ScalingActive"), ("True", "Scaling"));
    tenant.told("ScaledOut").await;
    let managed = deployment(&tenant)
        .await
        .unwrap()
        .metadata
        .managed_fields
        .unwrap();
    let owners: Vec<_> = managed
        .iter()
        .filter(|entry| {
            let fields = serde_json::to_string(&entry.fields_v1).unwrap();
            fields.contains("f:replicas") && entry.subresource.as_deref() != Some("status")
        })
        .map(|entry| entry.manager.as_deref().unwrap_or_default())
        .collect();
    assert_eq!(owners, ["sluice-scaler"]);

    let read: Vec<(&str, i32, i64)> = (0..6)
        .map(|partition| (topic.as_str(), partition, 50))
        .collect();
    kafka::shared().commit(&group, &read);
    until_replicas(&tenant, 1).await;
}

#[tokio::test]
async fn an_unreadable_group_never_scales_in() {
    let mut broker = kafka::Broker::start(&[]);
    let tenant = Tenant::new().await;
    let mut asked = spec(&tenant, &by_lag(6));
    asked["kafka"]["bootstrapServers"] = json!(broker.bootstrap());
    tenant.apply("p", asked).await;
    until_replicas(&tenant, 1).await;
    let topic = format!("{}.in", tenant.namespace);
    for partition in 0..6 {
        broker.produce(&topic, partition, 100);
    }
    until_replicas(&tenant, 6).await;
    broker.kill();
    tenant
        .until("p", 30, |s| {
            condition(s, "ScalingActive") == ("False", "LagUnknown")
        })
        .await;
    sleep(Duration::from_secs(5)).await;
    assert_eq!(replicas(&tenant).await, Some(6));
}

#[tokio::test]
async fn another_scaler_of_the_same_deployment_gets_the_count() {
    let tenant = Tenant::new().await;
    tenant.apply("p", spec(&tenant, &by_lag(6))).await;
    until_replicas(&tenant, 1).await;
    let hpas: Api<HorizontalPodAutoscaler> =
        Api::namespaced(tenant.client.clone(), &tenant.namespace);
    let hpa = serde_json::from_value(json!({
        "metadata": {"name": "other"},
        "spec": {
            "maxReplicas": 3,
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "p-work"},
        },
    }));
    hpas.create(&PostParams::default(), &hpa.unwrap())
        .await
        .unwrap();
    tenant.annotate("p", "look", "now").await;
    let conflict = ("False", "ConflictingScaler");
    tenant
        .until("p", 20, |status| {
            condition(status, "ScalingActive") == conflict
        })
        .await;
    for partition in 0..6 {
        kafka::shared().produce(&format!("{}.in", tenant.namespace), partition, 100);
    }
    tenant
        .until("p", 40, |status| status.connectors[0].lag == Some(600))
        .await;
    assert_eq!(replicas(&tenant).await, Some(1));
}

#[tokio::test]
async fn suspend_and_resume_come_back_to_the_count_before() {
    let tenant = Tenant::new().await;
    tenant
        .apply("p", spec(&tenant, &json!({"replicas": 4})))
        .await;
    until_replicas(&tenant, 4).await;
    let mut suspended = spec(&tenant, &json!({"replicas": 4}));
    suspended["suspend"] = json!(true);
    tenant.apply("p", suspended).await;
    until_replicas(&tenant, 0).await;
    tenant
        .until("p", 20, |status| condition(status, "Suspended").0 == "True")
        .await;
    tenant
        .apply("p", spec(&tenant, &json!({"replicas": 4})))
        .await;
    until_replicas(&tenant, 4).await;
    tenant
        .until("p", 20, |status| {
            condition(status, "Suspended").0.is_empty()
        })
        .await;
}

#[tokio::test]
async fn a_missing_secret_is_named_with_its_field_and_its_arrival_starts_the_pods() {
    let tenant = Tenant::new().await;
    let env =
        json!([{"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "one"}}}]);
    let container = json!({"container": {"image": "example/none:1", "env": env}});
    tenant.apply("p", spec(&tenant, &container)).await;
    let message = tenant.refused("p", "ReferenceMissing").await;
    assert!(
        message.contains("secretKeyRef") && message.contains("keys"),
        "{message}"
    );
    assert!(deployment(&tenant).await.is_none());
    let secrets: Api<Secret> = Api::namespaced(tenant.client.clone(), &tenant.namespace);
    let secret = |value: &str| {
        json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "keys"}, "stringData": {"one": value},
        })
    };
    let params = PatchParams::apply("person").force();
    secrets
        .patch("keys", &params, &Patch::Apply(&secret("a")))
        .await
        .unwrap();
    until_replicas(&tenant, 1).await;
    let digest = || async {
        let template = deployment(&tenant).await?.spec?.template.metadata?;
        template
            .annotations?
            .get("sluice.dev/config-digest")
            .cloned()
    };
    let before = digest().await.unwrap();
    secrets
        .patch("keys", &params, &Patch::Apply(&secret("b")))
        .await
        .unwrap();
    tenant.annotate("p", "look", "now").await;
    let start = Instant::now();
    while digest().await.as_ref() == Some(&before) {
        assert!(
            start.elapsed() < Duration::from_secs(40),
            "a changed secret rolls the pods"
        );
        sleep(Duration::from_millis(200)).await;
    }
    let generation = deployment(&tenant).await.unwrap().metadata.generation;
    tenant.annotate("p", "look", "again").await;
    sleep(Duration::from_secs(3)).await;
    assert_eq!(
        deployment(&tenant).await.unwrap().metadata.generation,
        generation,
        "exactly once"
    );
}

#[tokio::test]
async fn ten_settled_pipelines_write_nothing_for_a_minute() {
    let tenant = Tenant::new().await;
    for number in 0..10 {
        let topic = format!("{}.t{number}", tenant.namespace);
        let group = format!("{}.g{number}", tenant.namespace);
        let mut scaled = by_lag(6);
        scaled["name"] = json!("work");
        scaled["role"] = json!("Sink");
        scaled["container"] = json!({"image": "example/none:1"});
        scaled["consumes"] = json!({"group": group, "topics": [topic]});
        let spec = json!({
            "kafka": {"bootstrapServers": kafka::shared().bootstrap()},
            "topics": [{"name": topic, "partitions": 3}],
            "connectors": [scaled],
        });
        tenant.apply(&format!("p{number}"), spec).await;
    }
    for number in 0..10 {
        let started = |s: &sluice::api::IngestionPipelineStatus| {
            condition(s, "ScalingActive").0 == "True"
                && s.connectors
                    .iter()
                    .all(|c| c.replicas == Some(1) && c.lag == Some(0))
        };
        tenant.until(&format!("p{number}"), 60, started).await;
    }
    // Numbers that were measured while it started may still be due, at most every 30 s.
    sleep(Duration::from_secs(35)).await;
    let before = tenant.versions().await;
    sleep(Duration::from_secs(60)).await;
    assert_eq!(
        tenant.versions().await,
        before,
        "a write changes a resource version"
    );
}
