//! The operator against a real apiserver and a real broker: topics, claims, deletion, and a Kafka
//! that is away.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};
use sluice::{
    api::{IngestionPipelineStatus, topics::TopicPhase},
    kafka::{
        Client,
        read::{self, Topic},
        write,
    },
};
use tokio::time::sleep;

use crate::support::{
    eventually,
    kafka::{self, Broker},
    operator::{self, Tenant, condition},
};

fn spec(topics: &Value) -> Value {
    spec_at(kafka::shared(), topics)
}

fn spec_at(broker: &Broker, topics: &Value) -> Value {
    json!({"kafka": {"bootstrapServers": broker.bootstrap()}, "topics": topics})
}

async fn topic(client: &Client, name: &str) -> Option<Topic> {
    let mut found = read::topics(client, &[name.to_owned()]).await.unwrap();
    found.remove(name).unwrap().unwrap()
}

async fn config(client: &Client, name: &str, key: &str) -> Option<String> {
    let mut found = read::topic_configs(client, &[name.to_owned()])
        .await
        .unwrap();
    found
        .remove(name)
        .unwrap()
        .unwrap()
        .remove(key)
        .and_then(|entry| entry.value)
}

async fn set(client: &Client, name: &str, key: &str, value: &str) {
    let change = BTreeMap::from([(key.to_owned(), Some(value.to_owned()))]);
    let done = write::set_configs(client, &[(name.to_owned(), change)])
        .await
        .unwrap();
    done[name].clone().unwrap();
}

#[tokio::test]
async fn topics_are_created_as_declared_and_drift_is_repaired() {
    let (tenant, client) = (Tenant::new().await, kafka::shared().client().await);
    let name = format!("{}.readings", tenant.namespace);
    let topics = json!([{
        "name": name, "partitions": 3, "replicationFactor": 1, "minInSyncReplicas": 1,
        "config": {"retention.ms": "86400000"},
    }]);
    tenant.apply("p", spec(&topics)).await;
    let status = tenant.ready("p").await;
    let seen = topic(&client, &name).await.unwrap();
    assert_eq!((seen.partitions, seen.replication_factor), (3, Some(1)));
    assert_eq!(status.topics[0].id.as_deref(), Some(seen.id.as_str()));
    assert_eq!(status.topics[0].min_in_sync_replicas, Some(1));
    assert_eq!(status.summary.unwrap().topics, "1/1");
    assert!(status.cluster_id.is_some());

    set(&client, &name, "retention.ms", "1000").await;
    set(&client, &name, "segment.ms", "70000").await;
    tenant.annotate("p", "look", "now").await;
    eventually("the declared key is back", async || {
        (config(&client, &name, "retention.ms").await.as_deref() == Some("86400000")).then_some(())
    })
    .await;
    let foreign = config(&client, &name, "segment.ms").await;
    assert_eq!(foreign.as_deref(), Some("70000"), "keys of others stay");
}

#[tokio::test]
async fn partitions_grow_and_what_cannot_be_done_is_refused_as_a_whole() {
    let (tenant, client) = (Tenant::new().await, kafka::shared().client().await);
    let name = format!("{}.grows", tenant.namespace);
    let sized = |partitions: i32, factor: i32, retention: &str| {
        spec(&json!([{
            "name": name, "partitions": partitions, "replicationFactor": factor,
            "config": {"retention.ms": retention},
        }]))
    };
    tenant.apply("p", sized(2, 1, "1000000")).await;
    tenant.ready("p").await;
    tenant.apply("p", sized(4, 1, "1000000")).await;
    tenant.ready("p").await;
    assert_eq!(topic(&client, &name).await.unwrap().partitions, 4);

    tenant.apply("p", sized(4, 3, "2000000")).await;
    let message = tenant.refused("p", "ReplicationFactorDiffers").await;
    assert!(
        message.contains("replicationFactor is 3 and Kafka has 1"),
        "{message}"
    );
    let retention = config(&client, &name, "retention.ms").await;
    assert_eq!(
        retention.as_deref(),
        Some("1000000"),
        "nothing is half-done"
    );
}

#[tokio::test]
async fn more_replicas_than_brokers_is_told_in_the_brokers_words_without_a_tight_loop() {
    let tenant = Tenant::new().await;
    let name = format!("{}.wide", tenant.namespace);
    tenant
        .apply("p", spec(&json!([{"name": name, "replicationFactor": 3}])))
        .await;
    let message = tenant.refused("p", "TopicRefused").await;
    assert!(message.contains("INVALID_REPLICATION_FACTOR"), "{message}");
    assert!(message.contains("broker"), "{message}");
    let status = tenant.status("p").await;
    assert_eq!(condition(&status, "Stalled").0, "True");
    let version = tenant.versions().await;
    sleep(Duration::from_secs(6)).await;
    assert_eq!(
        tenant.versions().await,
        version,
        "the same refusal is written once"
    );
}

#[tokio::test]
async fn the_first_pipeline_holds_a_topic_and_the_other_says_which() {
    let (first, second) = (Tenant::new().await, Tenant::new().await);
    let name = format!("{}.shared", first.namespace);
    let topics = json!([{"name": name, "partitions": 1}]);
    first.apply("p", spec(&topics)).await;
    first.ready("p").await;
    second.apply("q", spec(&topics)).await;
    let message = second.refused("q", "Claimed").await;
    assert!(
        message.contains(&format!("{}/p", first.namespace)),
        "{message}"
    );
    first.delete("p", 20).await;
    assert_eq!(first.claims("p").await, 0);
    second.annotate("q", "look", "now").await;
    second.ready("q").await;
    assert_eq!(second.claims("q").await, 1);
}

#[tokio::test]
async fn deletion_keeps_topics_unless_told_otherwise() {
    let (tenant, client) = (Tenant::new().await, kafka::shared().client().await);
    let (kept, gone) = (
        format!("{}.kept", tenant.namespace),
        format!("{}.gone", tenant.namespace),
    );
    let topics = json!([{"name": kept}, {"name": gone, "deletionPolicy": "Delete"}]);
    tenant.apply("p", spec(&topics)).await;
    tenant.ready("p").await;
    tenant.delete("p", 20).await;
    assert!(topic(&client, &kept).await.is_some());
    assert!(topic(&client, &gone).await.is_none());
}

#[tokio::test]
async fn a_topic_taken_out_of_the_list_is_released_and_stays() {
    let (tenant, client) = (Tenant::new().await, kafka::shared().client().await);
    let (one, two) = (
        format!("{}.one", tenant.namespace),
        format!("{}.two", tenant.namespace),
    );
    tenant
        .apply(
            "p",
            spec(&json!([{"name": one}, {"name": two, "deletionPolicy": "Delete"}])),
        )
        .await;
    tenant.ready("p").await;
    tenant.apply("p", spec(&json!([{"name": one}]))).await;
    tenant
        .until("p", 20, |status| status.topics.len() == 1)
        .await;
    assert!(topic(&client, &two).await.is_some());
    assert_eq!(tenant.claims("p").await, 1);
    assert_eq!(tenant.told("TopicReleased").await.len(), 1);
}

#[tokio::test]
async fn a_topic_is_deleted_by_request_only_with_its_very_id() {
    let (tenant, client) = (Tenant::new().await, kafka::shared().client().await);
    let (one, two) = (
        format!("{}.one", tenant.namespace),
        format!("{}.two", tenant.namespace),
    );
    kafka::shared().create_topic(&two, 1).await;
    let id = topic(&client, &two).await.unwrap().id;
    tenant.apply("p", spec(&json!([{"name": one}]))).await;
    tenant.ready("p").await;
    tenant
        .annotate("p", "sluice.dev/delete-topic", &format!("{two}@other"))
        .await;
    sleep(Duration::from_secs(2)).await;
    assert!(topic(&client, &two).await.is_some());
    tenant
        .annotate("p", "sluice.dev/delete-topic", &format!("{two}@{id}"))
        .await;
    eventually("the topic is gone", async || {
        topic(&client, &two).await.is_none().then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_topic_that_is_already_there_is_taken_over_by_its_rule() {
    let tenant = Tenant::new().await;
    let name = format!("{}.before", tenant.namespace);
    kafka::shared().create_topic(&name, 2).await;
    let adopting = |adopt: &str, partitions: i32| {
        spec(&json!([{"name": name, "partitions": partitions, "adopt": adopt}]))
    };
    tenant.apply("p", adopting("Never", 2)).await;
    tenant.refused("p", "TopicExists").await;
    tenant.apply("p", adopting("IfEqual", 3)).await;
    let differs = "partitions (2 in Kafka, 3 in the spec)";
    let told = |status: &IngestionPipelineStatus| status.topics[0].message.contains(differs);
    tenant.until("p", 20, told).await;
    assert_eq!(
        tenant.claims("p").await,
        0,
        "nothing is claimed before it can be taken over"
    );
    tenant.apply("p", adopting("Always", 3)).await;
    tenant.ready("p").await;
}

#[tokio::test]
async fn an_observed_topic_is_only_read() {
    let (tenant, client) = (Tenant::new().await, kafka::shared().client().await);
    let name = format!("{}.theirs", tenant.namespace);
    let topics = json!([{"name": name, "management": "Observed"}]);
    tenant.apply("p", spec(&topics)).await;
    tenant.refused("p", "TopicMissing").await;
    assert!(topic(&client, &name).await.is_none());
    kafka::shared().create_topic(&name, 5).await;
    let status = tenant
        .until("p", 40, |s| condition(s, "Ready").0 == "True")
        .await;
    assert_eq!(status.topics[0].partitions, Some(5));
    assert_eq!(tenant.claims("p").await, 0);
}

#[tokio::test]
async fn a_kafka_that_is_away_is_told_once_and_recovered_from() {
    let mut broker = Broker::start(&[]);
    let tenant = Tenant::new().await;
    tenant
        .apply("p", spec_at(&broker, &json!([{"name": "t"}])))
        .await;
    let before = tenant.ready("p").await;
    broker.kill();
    tenant.annotate("p", "look", "now").await;
    let message = tenant.refused("p", "KafkaUnreachable").await;
    assert!(message.contains(&broker.bootstrap()), "{message}");
    let away = tenant.status("p").await;
    assert_eq!(
        away.topics[0].id, before.topics[0].id,
        "the last observation stays"
    );
    let version = tenant.versions().await;
    sleep(Duration::from_secs(8)).await;
    assert_eq!(
        tenant.versions().await,
        version,
        "nothing new is written while nothing changes"
    );
    assert_eq!(tenant.told("KafkaUnreachable").await.len(), 1);
    broker.restart();
    tenant
        .until("p", 60, |status| condition(status, "Ready").0 == "True")
        .await;
}

#[tokio::test]
async fn a_pipeline_whose_kafka_is_gone_can_be_deleted_and_says_what_is_left() {
    let mut broker = Broker::start(&[]);
    let tenant = Tenant::new().await;
    let topics = json!([{"name": "left", "deletionPolicy": "Delete"}]);
    tenant.apply("p", spec_at(&broker, &topics)).await;
    tenant.ready("p").await;
    broker.kill();
    tenant
        .delete("p", operator::DELETION_DEADLINE.as_secs() + 30)
        .await;
    let told = tenant.told("LeftBehind").await;
    assert!(told.len() == 1 && told[0].contains("left"), "{told:?}");
    assert_eq!(tenant.claims("p").await, 0);
}

#[tokio::test]
async fn brokers_that_create_topics_by_themselves_are_warned_of() {
    let broker = Broker::start(&[("auto.create.topics.enable", "true")]);
    let tenant = Tenant::new().await;
    tenant
        .apply("p", spec_at(&broker, &json!([{"name": "t"}])))
        .await;
    tenant.ready("p").await;
    let told = tenant.told("AutoCreateEnabled").await;
    assert!(
        told.len() == 1 && told[0].contains("auto.create.topics.enable"),
        "{told:?}"
    );
}

#[tokio::test]
async fn another_cluster_behind_the_same_address_is_refused_until_accepted() {
    let tenant = Tenant::new().await;
    let name = format!("{}.moved", tenant.namespace);
    tenant.apply("p", spec(&json!([{"name": name}]))).await;
    let first = tenant.ready("p").await;
    let other = Broker::start(&[]);
    tenant
        .apply("p", spec_at(&other, &json!([{"name": name}])))
        .await;
    tenant.refused("p", "ClusterChanged").await;
    let other_client = other.client().await;
    assert!(
        topic(&other_client, &name).await.is_none(),
        "nothing is made there"
    );
    let id = read::cluster(&other_client).await.unwrap().id;
    assert_ne!(first.cluster_id.as_deref(), Some(id.as_str()));
    tenant.annotate("p", "sluice.dev/accept-cluster", &id).await;
    let status = tenant
        .until("p", 30, |s| condition(s, "Ready").0 == "True")
        .await;
    assert_eq!(status.cluster_id, Some(id));
    assert_eq!(status.topics[0].phase, TopicPhase::Ready);
}

#[tokio::test]
async fn a_paused_pipeline_is_not_touched_and_can_be_deleted() {
    let (tenant, client) = (Tenant::new().await, kafka::shared().client().await);
    let (one, two) = (
        format!("{}.one", tenant.namespace),
        format!("{}.two", tenant.namespace),
    );
    tenant.apply("p", spec(&json!([{"name": one}]))).await;
    tenant.ready("p").await;
    tenant.annotate("p", "sluice.dev/paused", "true").await;
    tenant
        .apply("p", spec(&json!([{"name": one}, {"name": two}])))
        .await;
    tenant.refused("p", "Paused").await;
    assert!(topic(&client, &two).await.is_none());
    tenant.delete("p", 20).await;
}
