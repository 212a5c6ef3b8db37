//! The operator against a real apiserver and a real broker: what persons set over the policies,
//! and zero pods. There is no kubelet here: pods stay pending, and counts are what is asked for.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use sluice::api::IngestionPipelineStatus;
use tokio::time::{Instant, sleep};

use crate::support::{
    kafka,
    operator::{Tenant, condition},
};

const PARTITIONS: i32 = 6;

/// A pipeline whose connector follows 100 unread records a pod, at once; `block` goes on top.
fn spec(tenant: &Tenant, bootstrap: &str, block: &Value) -> Value {
    let topic = format!("{}.in", tenant.namespace);
    let mut scaling = json!({
        "minReplicas": 1, "maxReplicas": 6, "interval": "1s", "warmup": "0s",
        "cooldown": {"scaleIn": "0s"},
        "behavior": {"scaleIn": {"stabilizationWindow": "0s"}},
        "policies": [{"name": "lag", "targetTracking": {"metric": "lag", "target": 100}}],
    });
    let block = block.as_object().unwrap().clone();
    scaling.as_object_mut().unwrap().extend(block);
    json!({
        "kafka": {"bootstrapServers": bootstrap},
        "topics": [{"name": topic, "partitions": PARTITIONS}],
        "connectors": [{
            "name": "work", "role": "Processor", "container": {"image": "example/none:1"},
            "consumes": {"group": format!("{}.work", tenant.namespace), "topics": [topic]},
            "autoscaling": scaling,
        }],
    })
}

async fn apply(tenant: &Tenant, block: &Value) {
    let bootstrap = kafka::shared().bootstrap();
    tenant.apply("p", spec(tenant, &bootstrap, block)).await;
}

/// Says that the group has read so many records of each partition.
fn commit(tenant: &Tenant, offset: i64) {
    let topic = format!("{}.in", tenant.namespace);
    let all: Vec<(&str, i32, i64)> = (0..PARTITIONS)
        .map(|partition| (topic.as_str(), partition, offset))
        .collect();
    let group = format!("{}.work", tenant.namespace);
    kafka::shared().commit(&group, &all);
}

async fn replicas(tenant: &Tenant) -> Option<i32> {
    let deployment = tenant.deployments().get_opt("p-work").await.unwrap();
    deployment?.spec?.replicas
}

async fn until_replicas(tenant: &Tenant, wanted: i32) {
    let start = Instant::now();
    while replicas(tenant).await != Some(wanted) {
        if start.elapsed() > Duration::from_secs(40) {
            let status = serde_json::to_string_pretty(&tenant.status("p").await).unwrap();
            panic!(
                "{:?} pods and not {wanted}:\n{status}",
                replicas(tenant).await
            );
        }
        sleep(Duration::from_millis(100)).await;
    }
}

/// For so many seconds the count stays what it is.
async fn stays(tenant: &Tenant, wanted: i32, seconds: u64) {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(seconds) {
        assert_eq!(replicas(tenant).await, Some(wanted));
        sleep(Duration::from_millis(200)).await;
    }
}

fn scaling_reason(status: &IngestionPipelineStatus) -> &str {
    let connector = status.connectors.first();
    let reason = connector.and_then(|connector| connector.scaling_reason.as_deref());
    reason.unwrap_or_default()
}

#[expect(clippy::disallowed_methods, reason = "a schedule of the real clock")]
fn in_seconds(seconds: i64) -> String {
    let at = Timestamp::now() + SignedDuration::from_secs(seconds);
    Timestamp::from_second(at.as_second()).unwrap().to_string()
}

/// As `kubectl scale` does it.
async fn scale_by_hand(tenant: &Tenant, count: i32) {
    let params = PatchParams {
        field_manager: Some("kubectl".to_owned()),
        ..PatchParams::default()
    };
    let patch = Patch::Merge(json!({"spec": {"replicas": count}}));
    let deployments = tenant.deployments();
    let scaled = deployments.patch_scale("p-work", &params, &patch);
    scaled.await.unwrap();
}

#[tokio::test]
async fn a_group_sleeps_when_it_is_idle_and_wakes_for_a_record() {
    let tenant = Tenant::new().await;
    let zero = json!({"minReplicas": 0, "activation": {"idleFor": "5s"}});
    apply(&tenant, &zero).await;
    until_replicas(&tenant, 0).await;
    let status = tenant.ready("p").await;
    assert!(
        status.connectors[0].message.contains("scaled to zero"),
        "{:?}",
        status.connectors[0]
    );
    // Nobody has committed, so the first records wake the group, and it must not sleep again.
    let topic = format!("{}.in", tenant.namespace);
    for partition in 0..PARTITIONS {
        kafka::shared().produce(&topic, partition, 50);
    }
    until_replicas(&tenant, 3).await;
    commit(&tenant, 50);
    until_replicas(&tenant, 0).await;
    let status = tenant
        .until("p", 10, |s| s.connectors[0].desired_replicas == Some(0))
        .await;
    let decision = &status.connectors[0].decisions[0];
    assert_eq!((decision.to, decision.by.as_str()), (0, "activation"));
    // A look at everything is no reason to start it again.
    tenant.annotate("p", "look", "now").await;
    stays(&tenant, 0, 4).await;

    let woken = Instant::now();
    kafka::shared().produce(&topic, 0, 1);
    until_replicas(&tenant, 1).await;
    assert!(
        woken.elapsed() < Duration::from_secs(5),
        "{:?}",
        woken.elapsed()
    );
}

#[tokio::test]
async fn a_stopped_pipeline_is_not_woken_by_records() {
    let tenant = Tenant::new().await;
    let zero = json!({"minReplicas": 0, "activation": {"idleFor": "168h"}});
    apply(&tenant, &zero).await;
    until_replicas(&tenant, 0).await;
    let topic = format!("{}.in", tenant.namespace);
    commit(&tenant, 0);
    for partition in 0..PARTITIONS {
        kafka::shared().produce(&topic, partition, 50);
    }
    until_replicas(&tenant, 3).await;
    let bootstrap = kafka::shared().bootstrap();
    let mut stopped = spec(&tenant, &bootstrap, &zero);
    stopped["suspend"] = json!(true);
    tenant.apply("p", stopped).await;
    until_replicas(&tenant, 0).await;
    stays(&tenant, 0, 4).await;
    apply(&tenant, &zero).await;
    until_replicas(&tenant, 3).await;
}

#[tokio::test]
async fn a_count_set_by_hand_is_left_alone_for_a_time_and_then_taken_back() {
    let tenant = Tenant::new().await;
    apply(&tenant, &json!({"overrideFor": "10s"})).await;
    until_replicas(&tenant, 1).await;
    commit(&tenant, 0);
    tenant
        .until("p", 20, |s| scaling_reason(s) == "Scaling")
        .await;
    scale_by_hand(&tenant, 3).await;
    tenant
        .until("p", 20, |s| scaling_reason(s) == "Overridden")
        .await;
    tenant.annotate("p", "look", "now").await;
    stays(&tenant, 3, 5).await;
    until_replicas(&tenant, 1).await;
    // The field is Sluice's again, also where the count is what it would be anyway.
    scale_by_hand(&tenant, 2).await;
    until_replicas(&tenant, 1).await;
    // Beyond the bounds it is pulled to the nearest at once, and left alone there.
    scale_by_hand(&tenant, 9).await;
    until_replicas(&tenant, 6).await;
    stays(&tenant, 6, 4).await;
    until_replicas(&tenant, 1).await;
}

#[tokio::test]
async fn a_suspended_direction_is_held_and_the_other_is_not() {
    let tenant = Tenant::new().await;
    let suspended = json!({"suspend": {"scaleIn": true, "reason": "migration"}});
    apply(&tenant, &suspended).await;
    until_replicas(&tenant, 1).await;
    commit(&tenant, 0);
    let topic = format!("{}.in", tenant.namespace);
    for partition in 0..PARTITIONS {
        kafka::shared().produce(&topic, partition, 50);
    }
    until_replicas(&tenant, 3).await;
    commit(&tenant, 50);
    let held = |status: &IngestionPipelineStatus| {
        let decision = status.connectors[0].decisions.first();
        decision.is_some_and(|d| d.by == "suspension" && d.why.contains("migration"))
    };
    let status = tenant.until("p", 30, held).await;
    assert_eq!(scaling_reason(&status), "ScalingSuspended");
    let told = ("True", "ScalingSuspended");
    tenant
        .until("p", 20, |s| condition(s, "ScalingActive") == told)
        .await;
    stays(&tenant, 3, 3).await;
    apply(&tenant, &json!({})).await;
    until_replicas(&tenant, 1).await;
}

#[tokio::test]
async fn a_schedules_bounds_hold_for_their_time() {
    let tenant = Tenant::new().await;
    apply(&tenant, &json!({})).await;
    until_replicas(&tenant, 1).await;
    commit(&tenant, 0);
    tenant
        .until("p", 20, |s| scaling_reason(s) == "Scaling")
        .await;
    let schedules = json!([
        {"name": "more", "at": in_seconds(4), "duration": "8s", "minReplicas": 4},
        {"name": "lift", "at": in_seconds(50), "replicas": 2},
    ]);
    apply(&tenant, &json!({"schedules": schedules})).await;
    until_replicas(&tenant, 4).await;
    // A look at everything keeps to the bounds that hold now.
    tenant.annotate("p", "look", "now").await;
    stays(&tenant, 4, 4).await;
    until_replicas(&tenant, 1).await;
    let lifted = |status: &IngestionPipelineStatus| {
        let mut decisions = status.connectors[0].decisions.iter();
        decisions.any(|d| d.to == 2 && d.why.contains("schedule lift sets 2"))
    };
    tenant.until("p", 60, lifted).await;
    until_replicas(&tenant, 1).await;
}

#[tokio::test]
async fn a_block_that_cannot_be_used_stops_nothing_but_scaling() {
    let tenant = Tenant::new().await;
    apply(&tenant, &json!({})).await;
    until_replicas(&tenant, 1).await;
    commit(&tenant, 0);
    let never =
        json!([{"name": "never", "schedule": "0 8 31 2 *", "duration": "1h", "minReplicas": 2}]);
    let close = json!([{"name": "azure", "rules": [
        {"metric": "lag", "operator": "GreaterThan", "threshold": 100, "direction": "Increase"},
        {"metric": "lag", "operator": "LessThan", "threshold": 200, "direction": "Decrease"},
    ]}]);
    apply(&tenant, &json!({"schedules": never, "policies": close})).await;
    let refused = ("False", "InvalidSpec");
    let status = tenant
        .until("p", 20, |s| condition(s, "ScalingActive") == refused)
        .await;
    let message = status
        .conditions
        .iter()
        .find(|c| c.type_ == "ScalingActive");
    let message = &message.unwrap().message;
    let place = "spec.connectors[work].autoscaling.schedules[0].schedule: it never occurs";
    assert!(message.contains(place), "{message}");
    assert_eq!(condition(&tenant.ready("p").await, "Ready").0, "True");
    let warned = tenant.told("SpecWarning").await;
    assert!(
        warned[0].contains("policies[0].rules[1].threshold: every scale-in at 200"),
        "{warned:?}"
    );
    let topic = format!("{}.in", tenant.namespace);
    kafka::shared().produce(&topic, 0, 300);
    tenant
        .until("p", 40, |s| s.connectors[0].lag == Some(300))
        .await;
    assert_eq!(replicas(&tenant).await, Some(1));
    apply(&tenant, &json!({})).await;
    until_replicas(&tenant, 3).await;
}

#[tokio::test]
async fn a_floor_holds_while_kafka_is_away() {
    let mut broker = kafka::Broker::start(&[]);
    let tenant = Tenant::new().await;
    let bootstrap = broker.bootstrap();
    tenant
        .apply("p", spec(&tenant, &bootstrap, &json!({})))
        .await;
    until_replicas(&tenant, 1).await;
    tenant
        .until("p", 20, |s| scaling_reason(s) == "Scaling")
        .await;
    broker.kill();
    let block = json!({"minReplicas": 0, "defaultReplicas": 4});
    tenant.apply("p", spec(&tenant, &bootstrap, &block)).await;
    until_replicas(&tenant, 4).await;
    let status = tenant
        .until("p", 30, |s| {
            condition(s, "ScalingActive") == ("False", "LagUnknown")
        })
        .await;
    let decisions = &status.connectors[0].decisions;
    assert!(
        decisions
            .iter()
            .any(|d| d.why.contains("defaultReplicas is 4")),
        "{decisions:?}"
    );
    // Bounds are a person's: they hold although nothing can be read.
    let block = json!({"maxReplicas": 3, "defaultReplicas": 2});
    tenant.apply("p", spec(&tenant, &bootstrap, &block)).await;
    until_replicas(&tenant, 3).await;
}
