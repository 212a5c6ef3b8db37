//! What the autoscaler remembers, on a real apiserver: an operator that is killed and the next one,
//! and who may write after whom.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, ResourceExt,
    api::{ListParams, Patch, PatchParams},
};
use serde_json::{Value, json};
use sluice::{
    api::{IngestionPipelineStatus, connectors::ConnectorStatus, decisions::ScalingMemory},
    class::Class,
    k8s::events::Events,
    report::{Reporter, Written},
    telemetry::{live::Live, metrics::Metrics},
};
use tokio::time::{Instant, sleep};

use crate::support::{
    apiserver::{self, OPERATORS},
    eventually, kafka,
    operator::Tenant,
    process::Process,
};

const PARTITIONS: i32 = 6;
/// Records of each partition at the start.
const RECORDS: u16 = 20_000;

/// An operator for the tenant's namespace alone, which leads at once.
fn operator(tenant: &Tenant) -> Process {
    let flags = [
        format!("--operator-namespace={}", tenant.namespace),
        format!("--watch-namespaces={}", tenant.namespace),
    ];
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    Process::start(apiserver::without_operator(), OPERATORS[0], &flags)
}

/// A topic of six partitions, and pods for 100 unread records each, which wait ten minutes from one
/// scale-in to the next.
async fn apply(tenant: &Tenant) -> String {
    let topic = format!("{}.in", tenant.namespace);
    let connector = json!({
        "name": "work", "role": "Processor",
        "container": {"image": "example/none:1"},
        "consumes": {"group": topic, "topics": [topic]},
        "autoscaling": {
            "minReplicas": 1, "maxReplicas": 6, "interval": "1s", "warmup": "0s",
            "cooldown": {"scaleIn": "10m"},
            "behavior": {"scaleIn": {"stabilizationWindow": "1s"}},
            "policies": [{"name": "lag", "targetTracking": {"metric": "lag", "target": 100}}],
        },
    });
    let spec = json!({
        "kafka": {"bootstrapServers": kafka::shared().bootstrap()},
        "topics": [{"name": topic, "partitions": PARTITIONS}],
        "connectors": [connector],
    });
    tenant.apply("p", spec).await;
    topic
}

async fn until_replicas(tenant: &Tenant, wanted: i32) {
    eventually(&format!("{wanted} pods are asked for"), async || {
        let deployment = tenant.deployments().get_opt("p-work").await.unwrap()?;
        (deployment.spec?.replicas == Some(wanted)).then_some(())
    })
    .await;
}

/// There is no kubelet here: the test says that pods are ready, until the Deployment knows.
async fn pods_are_ready(tenant: &Tenant, count: i32) {
    let pods: Api<Pod> = Api::namespaced(tenant.client.clone(), &tenant.namespace);
    let conditions = json!([{"type": "Ready", "status": "True"}]);
    let ready = Patch::Merge(json!({"status": {"phase": "Running", "conditions": conditions}}));
    eventually(&format!("{count} pods are ready"), async || {
        let params = PatchParams::default();
        for pod in pods.list(&ListParams::default()).await.unwrap() {
            // A pod may go meanwhile.
            let _ = pods.patch_status(&pod.name_any(), &params, &ready).await;
        }
        let deployment = tenant.deployments().get("p-work").await.unwrap();
        (deployment.status?.ready_replicas == Some(count)).then_some(())
    })
    .await;
}

fn commit(topic: &str, offset: i64) {
    let all: Vec<(&str, i32, i64)> = (0..PARTITIONS).map(|p| (topic, p, offset)).collect();
    kafka::shared().commit(topic, &all);
}

async fn decision(process: &Process, tenant: &Tenant, more: &str) -> Option<Value> {
    let path = format!("/v1/pipelines/{}/p{more}", tenant.namespace);
    let (code, text) = process.get(&path).await?;
    let view: Value = serde_json::from_str(&text).ok()?;
    (code == 200).then(|| view["connectors"]["work"]["decision"].clone())
}

/// Commits go on until the operator has learnt what a pod can process.
async fn learn(process: &Process, tenant: &Tenant, topic: &str) -> f64 {
    let began = Instant::now();
    let mut offset = 0;
    loop {
        offset += 50;
        commit(topic, offset);
        sleep(Duration::from_millis(500)).await;
        let capacity = decision(process, tenant, "").await.unwrap()["inputs"]["capacity"].clone();
        if capacity["samples"].as_i64() >= Some(1) {
            return capacity["perReplica"].as_f64().unwrap();
        }
        assert!(began.elapsed() < Duration::from_secs(60), "{capacity}");
    }
}

/// The pods keep up: each commit leaves the newest 50 records of each partition, until so many pods
/// are asked for. Returns how many records each partition has.
async fn keep_up_until_replicas(tenant: &Tenant, topic: &str, wanted: i32) -> i64 {
    let began = Instant::now();
    let mut end = i64::from(RECORDS);
    loop {
        for partition in 0..PARTITIONS {
            kafka::shared().produce(topic, partition, 50);
        }
        commit(topic, end);
        end += 50;
        let deployment = tenant.deployments().get("p-work").await.unwrap();
        if deployment.spec.unwrap().replicas == Some(wanted) {
            return end;
        }
        let status = tenant.status("p").await;
        assert!(began.elapsed() < Duration::from_secs(60), "{status:#?}");
        sleep(Duration::from_millis(1500)).await;
    }
}

#[tokio::test]
async fn an_operator_that_is_killed_has_forgotten_no_cooldown_and_no_capacity() {
    let tenant = Tenant::on(apiserver::without_operator()).await;
    let mut first = operator(&tenant);
    first.until_ready().await;
    let topic = apply(&tenant).await;
    until_replicas(&tenant, 1).await;
    for partition in 0..PARTITIONS {
        kafka::shared().produce(&topic, partition, RECORDS.into());
    }
    until_replicas(&tenant, 6).await;
    pods_are_ready(&tenant, 6).await;
    learn(&first, &tenant, &topic).await;
    let end = keep_up_until_replicas(&tenant, &topic, 3).await;
    // No moment to write anything more: what must be remembered was written before.
    first.signal("KILL");
    first.ended().await;
    pods_are_ready(&tenant, 3).await;
    commit(&topic, end);

    let memory = || async {
        tenant.status("p").await.connectors[0]
            .memory
            .clone()
            .unwrap()
    };
    let kept = memory().await;
    let change = kept.last_scale_in.clone().unwrap();
    assert_eq!((change.from, change.to), (6, 3));
    let capacity = kept.capacity.clone().unwrap();
    assert!(
        capacity.samples > 0 && capacity.per_replica > 10.0,
        "{capacity:?}"
    );

    let second = operator(&tenant);
    second.until_ready().await;
    let seen_first = eventually("the second operator decides", async || {
        decision(&second, &tenant, "")
            .await
            .filter(Value::is_object)
    })
    .await;
    let remembered = &seen_first["inputs"]["capacity"];
    assert!(
        remembered["samples"].as_i64() >= Some(capacity.samples.into()),
        "{seen_first}"
    );
    // It is wanted, and it would be safe: nothing but the cooldown holds it.
    let began = Instant::now();
    let held = loop {
        let seen = decision(&second, &tenant, "/why").await.unwrap();
        if seen["by"] == "cooldown" {
            break seen;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "{seen:#}");
        assert_eq!(seen["to"], 3, "{seen:#}");
        sleep(Duration::from_millis(500)).await;
    };
    let ends: Timestamp = change.at.0 + jiff::SignedDuration::from_mins(10);
    let told = held["outlook"][0].as_str().unwrap();
    let (words, time) = told.split_once(" at ").unwrap();
    let (time, reason) = time.split_once(' ').unwrap();
    assert_eq!(words, "3 -> 1");
    assert_eq!(reason, "when the cooldown ends, if nothing else changes");
    let late = time_of_day(time) - time_of_day(&ends.strftime("%TZ").to_string());
    assert!(
        (0..=5).contains(&late),
        "{told}, and the cooldown ends at {ends}"
    );
    assert_eq!(memory().await.last_scale_in, Some(change));
}

/// Seconds since midnight of `10:05:00Z`, of which a date may stand before.
fn time_of_day(text: &str) -> i64 {
    let time = text.rsplit('T').next().unwrap().trim_end_matches('Z');
    let parts = time.split(':').map(|part| part.parse::<i64>().unwrap());
    parts.fold(0, |seconds, part| seconds * 60 + part)
}

#[tokio::test]
async fn what_is_remembered_is_not_written_over_somebody_elses_change() {
    let tenant = Tenant::on(apiserver::without_operator()).await;
    tenant
        .apply("p", json!({"kafka": {"bootstrapServers": "nowhere:9092"}}))
        .await;
    let reporter = Reporter {
        kube: tenant.client.clone(),
        events: Events::new(tenant.client.clone(), None),
        metrics: Metrics::default(),
        live: Live::default(),
        status_interval: Duration::from_secs(30),
    };
    let read = tenant.pipelines().get("p").await.unwrap();
    let status = |memory: Option<ScalingMemory>, lag| IngestionPipelineStatus {
        connectors: vec![ConnectorStatus {
            name: "work".into(),
            lag: Some(lag),
            memory,
            ..ConnectorStatus::default()
        }],
        ..IngestionPipelineStatus::default()
    };
    let remembering = |lag| status(Some(ScalingMemory::default()), lag);
    let mut written = Written::default();
    let now: Timestamp = "2026-01-05T10:00:00Z".parse().unwrap();
    // The second is meant for what the first made of the object, though that was not read again.
    for lag in [1, 2] {
        let wrote = reporter
            .status(&read, &remembering(lag), &mut written, now)
            .await;
        wrote.unwrap();
    }
    tenant.annotate("p", "somebody", "was here").await;
    let refused = reporter
        .status(&read, &remembering(3), &mut written, now)
        .await;
    assert_eq!(refused.unwrap_err().class(), Class::Conflict);
    assert_eq!(tenant.status("p").await.connectors[0].lag, Some(2));
    // What needs no memory is nobody else's to decide.
    let wrote = reporter
        .status(&read, &status(None, 4), &mut written, now)
        .await;
    wrote.unwrap();
    assert_eq!(tenant.status("p").await.connectors[0].lag, Some(4));
}
