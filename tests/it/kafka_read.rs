//! The Kafka adapter's reads against a real broker.

use std::time::Duration;

use rdkafka::producer::Producer;

use sluice::class::Class;
use sluice::kafka::read::{self, GroupState, Isolation, OffsetSpec, Partition};
use sluice::kafka::{Client, Error, write};

use crate::support::eventually;
use crate::support::kafka::{self, Broker};

fn partitions(topic: &str, count: i32) -> Vec<Partition> {
    (0..count)
        .map(|number| (topic.to_owned(), number))
        .collect()
}

async fn ends(client: &Client, partitions: &[Partition]) -> Vec<Result<i64, Error>> {
    let at = (OffsetSpec::Latest, Isolation::ReadCommitted);
    let seen = read::offsets(client, partitions, at.0, at.1).await.unwrap();
    partitions
        .iter()
        .map(|partition| seen[partition].clone())
        .collect()
}

/// What the group committed, once its coordinator is ready: a new broker's first needs a moment.
async fn committed(client: &Client, group: &str, asked: &[Partition]) -> Vec<Option<i64>> {
    let seen = eventually("a group's coordinator", async || {
        let seen = read::committed(client, group, asked).await;
        if let Err(error) = &seen {
            assert_eq!(error.class(), Class::Waiting, "{error}");
        }
        seen.ok()
    })
    .await;
    asked
        .iter()
        .map(|partition| seen[partition].clone().unwrap())
        .collect()
}

async fn id(client: &Client, name: &str) -> Option<String> {
    let seen = read::topics(client, &[name.to_owned()]).await.unwrap();
    seen[name].clone().unwrap().map(|topic| topic.id)
}

#[tokio::test]
async fn a_cluster_tells_its_id_its_brokers_and_its_settings() {
    let client = kafka::shared().client().await;
    let cluster = read::cluster(&client).await.unwrap();
    assert!(cluster.id.starts_with("sluice-test-"), "{}", cluster.id);
    assert_eq!(cluster.brokers, 1);
    assert_eq!(cluster.auto_create_topics, Some(false));
    assert_eq!(
        cluster.offsets_retention,
        Some(Duration::from_secs(7 * 24 * 3600))
    );
}

#[tokio::test]
async fn topics_that_exist_and_those_that_do_not_come_in_one_answer() {
    let broker = kafka::shared();
    let client = broker.client().await;
    broker.create_topic("read-topics", 3).await;
    let names = ["read-topics", "read-nothing", "not/valid"].map(String::from);
    let seen = read::topics(&client, &names).await.unwrap();
    let topic = seen["read-topics"].clone().unwrap().unwrap();
    assert_eq!((topic.partitions, topic.replication_factor), (3, Some(1)));
    assert_eq!((topic.under_replicated, topic.is_internal), (0, false));
    assert_eq!(topic.id.len(), 22, "{}", topic.id);
    assert_eq!(seen["read-nothing"], Ok(None));
    let error = seen["not/valid"].clone().unwrap_err();
    assert_eq!(error.class(), Class::Invalid, "{error}");
    assert!(read::topics(&client, &[]).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_topic_that_was_created_again_has_another_id() {
    let broker = kafka::shared();
    let client = broker.client().await;
    let name = "read-again";
    broker.create_topic(name, 1).await;
    let first = id(&client, name).await.unwrap();
    write::delete_topics(&client, &[name.to_owned()])
        .await
        .unwrap()[name]
        .clone()
        .unwrap();
    eventually("the topic is gone", async || {
        id(&client, name).await.is_none().then_some(())
    })
    .await;
    broker.create_topic(name, 1).await;
    assert_ne!(id(&client, name).await.unwrap(), first);
}

#[tokio::test]
async fn configuration_tells_own_keys_from_inherited_ones() {
    let broker = kafka::shared();
    let client = broker.client().await;
    broker.create_topic("read-configs", 1).await;
    let change = [("retention.ms".to_owned(), Some("3600000".to_owned()))].into();
    write::set_configs(&client, &[("read-configs".to_owned(), change)])
        .await
        .unwrap();
    let names = ["read-configs", "read-no-configs"].map(String::from);
    let seen = read::topic_configs(&client, &names).await.unwrap();
    let config = seen["read-configs"].clone().unwrap();
    assert_eq!(config["retention.ms"].value.as_deref(), Some("3600000"));
    assert!(!config["retention.ms"].default);
    assert_eq!(config["cleanup.policy"].value.as_deref(), Some("delete"));
    assert!(config["cleanup.policy"].default);
    assert!(!config["cleanup.policy"].read_only && !config["cleanup.policy"].sensitive);
    assert!(
        !config.contains_key("retention.millis"),
        "an unknown key is absent"
    );
    assert_eq!(seen["read-no-configs"], Err(Error::UnknownTopic));
}

#[tokio::test]
async fn commits_are_some_or_none_by_partition() {
    let broker = kafka::shared();
    let client = broker.client().await;
    broker.create_topic("read-commits", 3).await;
    broker.produce("read-commits", 0, 10);
    broker.commit(
        "read-commits",
        &[("read-commits", 0, 7), ("read-commits", 2, 0)],
    );
    let asked = partitions("read-commits", 3);
    let seen = committed(&client, "read-commits", &asked).await;
    assert_eq!(seen, [Some(7), None, Some(0)], "zero is a commit");
    assert_eq!(committed(&client, "read-nobody", &asked).await, [None; 3]);
    let nobody = read::group(&client, "read-nobody").await.unwrap();
    assert_eq!(
        (nobody.state, nobody.members),
        (GroupState::Dead, 0),
        "asking joins nothing"
    );
    let missing = partitions("read-commits-missing", 1);
    assert_eq!(committed(&client, "read-commits", &missing).await, [None]);
}

#[tokio::test]
async fn a_truncated_log_starts_after_the_commit() {
    let broker = kafka::shared();
    let client = broker.client().await;
    broker.create_topic("read-cut", 1).await;
    broker.produce("read-cut", 0, 20);
    broker.commit("read-cut", &[("read-cut", 0, 5)]);
    broker.delete_records("read-cut", 0, 12).await;
    let asked = partitions("read-cut", 1);
    assert_eq!(committed(&client, "read-cut", &asked).await, [Some(5)]);
    let at = (OffsetSpec::Earliest, Isolation::ReadUncommitted);
    let starts = read::offsets(&client, &asked, at.0, at.1).await.unwrap();
    assert_eq!(starts[&asked[0]], Ok(12));
    assert_eq!(ends(&client, &asked).await, [Ok(20)]);
}

#[tokio::test]
async fn offsets_are_found_by_time_and_by_a_question_for_each_partition() {
    let broker = kafka::shared();
    let client = broker.client().await;
    broker.create_topic("read-times", 2).await;
    broker.produce_at("read-times", 0, &[1_000_000, 2_000_000, 3_000_000]);
    broker.produce_at("read-times", 1, &[1_000_000]);
    let asked = partitions("read-times", 2);
    let at = OffsetSpec::Timestamp(1_500_000);
    let seen = read::offsets(&client, &asked, at, Isolation::ReadUncommitted)
        .await
        .unwrap();
    assert_eq!(seen[&asked[0]], Ok(1));
    assert_eq!(seen[&asked[1]], Ok(-1), "no record of that time or later");
    let each = [
        (asked[0].clone(), OffsetSpec::Timestamp(2_500_000)),
        (asked[1].clone(), OffsetSpec::Latest),
    ];
    let seen = read::offsets_each(&client, &each, Isolation::ReadUncommitted)
        .await
        .unwrap();
    assert_eq!((&seen[&asked[0]], &seen[&asked[1]]), (&Ok(2), &Ok(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_stops_at_an_open_transaction_unless_all_records_count() {
    let broker = kafka::shared();
    let client = broker.client().await;
    broker.create_topic("read-transaction", 1).await;
    broker.produce("read-transaction", 0, 4);
    let open = broker.open_transaction("read-transaction", 0, 3);
    let asked = partitions("read-transaction", 1);
    let at = (OffsetSpec::Latest, Isolation::ReadUncommitted);
    assert_eq!(ends(&client, &asked).await, [Ok(4)]);
    assert_eq!(
        read::offsets(&client, &asked, at.0, at.1).await.unwrap()[&asked[0]],
        Ok(7)
    );
    open.commit_transaction(Duration::from_secs(30)).unwrap();
    eventually("the transaction's end, with its marker", async || {
        (ends(&client, &asked).await == [Ok(8)]).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_missing_topic_spoils_no_other() {
    let broker = kafka::shared();
    let client = broker.client().await;
    broker.create_topic("read-present", 1).await;
    broker.produce("read-present", 0, 3);
    let asked = [partitions("read-present", 2), partitions("read-absent", 1)].concat();
    let unknown = Err(Error::UnknownTopic);
    assert_eq!(
        ends(&client, &asked).await,
        [Ok(3), unknown.clone(), unknown.clone()]
    );
    assert_eq!(
        ends(&client, &asked[2..]).await,
        [unknown],
        "also when none of them exists"
    );
}

#[tokio::test]
async fn a_client_sees_topics_and_partitions_that_came_after_it_looked() {
    let broker = kafka::shared();
    let client = broker.client().await;
    let asked = partitions("read-late", 3);
    assert_eq!(ends(&client, &asked[..1]).await, [Err(Error::UnknownTopic)]);
    broker.create_topic("read-late", 1).await;
    assert_eq!(ends(&client, &asked[..1]).await, [Ok(0)]);
    let grown = write::create_partitions(&client, &[("read-late".to_owned(), 3)])
        .await
        .unwrap();
    assert_eq!(grown["read-late"], Ok(()));
    eventually("leaders of the new partitions", async || {
        (ends(&client, &asked).await == [Ok(0), Ok(0), Ok(0)]).then_some(())
    })
    .await;
}

#[tokio::test]
async fn groups_of_both_protocols_tell_their_state() {
    let broker = kafka::shared();
    let client = broker.client().await;
    broker.create_topic("read-groups", 2).await;
    let dead = read::group(&client, "read-no-group").await.unwrap();
    assert_eq!((dead.state, dead.members), (GroupState::Dead, 0));
    broker.commit("read-empty", &[("read-groups", 0, 0)]);
    let empty = read::group(&client, "read-empty").await.unwrap();
    assert_eq!((empty.state, empty.members), (GroupState::Empty, 0));
    let (classic, new) = tokio::task::spawn_blocking(|| {
        let join = |group, protocol| kafka::shared().join(group, "read-groups", protocol);
        (
            join("read-classic", "classic"),
            join("read-new", "consumer"),
        )
    })
    .await
    .unwrap();
    let stable = read::group(&client, "read-classic").await.unwrap();
    assert_eq!((stable.state, stable.members), (GroupState::Stable, 1));
    let stable = read::group(&client, "read-new").await.unwrap();
    assert_eq!((stable.state, stable.members), (GroupState::Stable, 1));
    tokio::task::spawn_blocking(|| drop((classic, new)))
        .await
        .unwrap();
}

#[tokio::test]
async fn asking_creates_no_topic_where_the_broker_would() {
    let broker = Broker::start(&[("auto.create.topics.enable", "true")]);
    let client = broker.client().await;
    assert_eq!(
        read::cluster(&client).await.unwrap().auto_create_topics,
        Some(true)
    );
    let names = ["ghost".to_owned()];
    let asked = partitions("ghost", 1);
    for _ in 0..2 {
        assert_eq!(
            read::topics(&client, &names).await.unwrap()["ghost"],
            Ok(None)
        );
        assert_eq!(ends(&client, &asked).await, [Err(Error::UnknownTopic)]);
        assert_eq!(committed(&client, "ghosts", &asked).await, [None]);
        read::topic_configs(&client, &names).await.unwrap()["ghost"]
            .clone()
            .unwrap_err();
    }
    assert_eq!(
        read::topics(&client, &names).await.unwrap()["ghost"],
        Ok(None)
    );
}
