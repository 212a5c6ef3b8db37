//! The Kafka adapter's writes against a real broker.

use std::collections::BTreeMap;

use sluice::class::Class;
use sluice::kafka::read::{self, ConfigEntry, Topic};
use sluice::kafka::write::{self, ConfigChange, NewTopic};
use sluice::kafka::{Client, Error};

use crate::support::{eventually, kafka};

fn topic(name: &str, partitions: i32, replication_factor: i16) -> NewTopic {
    NewTopic {
        name: name.to_owned(),
        partitions: Some(partitions),
        replication_factor: Some(replication_factor),
        config: BTreeMap::new(),
    }
}

/// The keys set on the topic itself, once they are as expected: that takes a moment.
async fn own_config(client: &Client, name: &str, expected: &BTreeMap<String, String>) {
    let own = |(key, entry): (String, ConfigEntry)| (!entry.default).then_some((key, entry.value?));
    eventually("a topic's configuration", async || {
        let seen = read::topic_configs(client, &[name.to_owned()])
            .await
            .unwrap();
        let seen = seen[name].clone().ok()?.into_iter().filter_map(own);
        (seen.collect::<BTreeMap<_, _>>() == *expected).then_some(())
    })
    .await;
}

/// The topic, once the broker tells that it is as it should be: that takes a moment after a change.
async fn topic_where(client: &Client, name: &str, is: impl Fn(&Topic) -> bool) -> Topic {
    eventually("a topic's change", async || {
        let seen = read::topics(client, &[name.to_owned()]).await.unwrap();
        seen[name].clone().unwrap().filter(&is)
    })
    .await
}

fn pairs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

#[tokio::test]
async fn a_batch_creates_what_it_can_and_quotes_the_broker_on_the_rest() {
    let client = kafka::shared().client().await;
    let mut good = topic("write-good", 2, 1);
    good.config = pairs(&[("retention.ms", "60000")]);
    let mut typo = topic("write-typo", 1, 1);
    typo.config = pairs(&[("retention.millis", "60000")]);
    let wide = topic("write-wide", 1, 3);
    let done = write::create_topics(&client, &[good.clone(), typo, wide])
        .await
        .unwrap();
    assert_eq!(done["write-good"], Ok(()));
    own_config(&client, "write-good", &good.config).await;
    let error = done["write-wide"].clone().unwrap_err();
    assert_eq!(error.class(), Class::Invalid);
    let words = error.to_string();
    assert!(
        words.starts_with("Kafka refused CreateTopics: INVALID_REPLICATION_FACTOR: "),
        "{words}"
    );
    assert!(words.contains("only 1 broker(s) are registered"), "{words}");
    let error = done["write-typo"].clone().unwrap_err();
    assert_eq!(error.class(), Class::Invalid);
    assert!(error.to_string().contains("retention.millis"), "{error}");
    let again = write::create_topics(&client, &[good]).await.unwrap();
    let error = again["write-good"].clone().unwrap_err();
    assert!(error.is_already_there(), "{error}");
    assert_eq!(error.class(), Class::Conflict);
}

#[tokio::test]
async fn sizes_left_out_are_the_brokers_defaults() {
    let client = kafka::shared().client().await;
    let new = NewTopic {
        name: "write-defaults".to_owned(),
        ..NewTopic::default()
    };
    write::create_topics(&client, &[new]).await.unwrap()["write-defaults"]
        .clone()
        .unwrap();
    let seen = topic_where(&client, "write-defaults", |_| true).await;
    assert_eq!((seen.partitions, seen.replication_factor), (1, Some(1)));
}

#[tokio::test]
async fn validation_changes_nothing() {
    let client = kafka::shared().client().await;
    let asked = [topic("write-asked", 1, 1), topic("write-asked-wide", 1, 2)];
    let answer = write::validate_topics(&client, &asked).await.unwrap();
    assert_eq!(answer["write-asked"], Ok(()));
    assert_eq!(
        answer["write-asked-wide"].clone().unwrap_err().class(),
        Class::Invalid
    );
    let names = ["write-asked".to_owned()];
    assert_eq!(
        read::topics(&client, &names).await.unwrap()["write-asked"],
        Ok(None)
    );
}

#[tokio::test]
async fn incremental_changes_keep_the_keys_they_do_not_name() {
    let client = kafka::shared().client().await;
    let mut new = topic("write-config", 1, 1);
    new.config = pairs(&[("retention.ms", "60000"), ("max.message.bytes", "2000000")]);
    write::create_topics(&client, &[new]).await.unwrap();
    let change: ConfigChange = [
        ("retention.ms".to_owned(), None),
        ("cleanup.policy".to_owned(), Some("compact".to_owned())),
    ]
    .into();
    let broken = [("cleanup.policy".to_owned(), Some("shred".to_owned()))].into();
    let changes = [
        ("write-config".to_owned(), change.clone()),
        ("write-missing".to_owned(), change),
        ("write-good-name".to_owned(), broken),
    ];
    let done = write::set_configs(&client, &changes).await.unwrap();
    assert_eq!(done["write-config"], Ok(()));
    assert_eq!(done["write-missing"], Err(Error::UnknownTopic));
    assert!(done["write-good-name"].is_err());
    let expected = pairs(&[
        ("cleanup.policy", "compact"),
        ("max.message.bytes", "2000000"),
    ]);
    own_config(&client, "write-config", &expected).await;
    let broken = [("cleanup.policy".to_owned(), Some("shred".to_owned()))].into();
    let done = write::set_configs(&client, &[("write-config".to_owned(), broken)])
        .await
        .unwrap();
    let error = done["write-config"].clone().unwrap_err();
    assert_eq!(error.class(), Class::Invalid);
    assert!(error.to_string().contains("INVALID_CONFIG"), "{error}");
    own_config(&client, "write-config", &expected).await;
}

#[tokio::test]
async fn partitions_grow_and_never_shrink() {
    let broker = kafka::shared();
    let client = broker.client().await;
    broker.create_topic("write-grow", 2).await;
    broker.create_topic("write-shrink", 3).await;
    let totals = [("write-grow", 4), ("write-shrink", 1), ("write-none", 2)];
    let totals = totals.map(|(name, total)| (name.to_owned(), total));
    let done = write::create_partitions(&client, &totals).await.unwrap();
    assert_eq!(done["write-grow"], Ok(()));
    assert_eq!(done["write-none"], Err(Error::UnknownTopic));
    let error = done["write-shrink"].clone().unwrap_err();
    assert_eq!(error.class(), Class::Invalid);
    assert!(error.to_string().contains("INVALID_PARTITIONS"), "{error}");
    topic_where(&client, "write-grow", |seen| seen.partitions == 4).await;
    topic_where(&client, "write-shrink", |seen| seen.partitions == 3).await;
}

#[tokio::test]
async fn deleting_answers_for_each_name() {
    let broker = kafka::shared();
    let client = broker.client().await;
    broker.create_topic("write-gone", 1).await;
    let names = ["write-gone", "write-never"].map(String::from);
    let done = write::delete_topics(&client, &names).await.unwrap();
    assert_eq!(done["write-gone"], Ok(()));
    assert_eq!(done["write-never"], Err(Error::UnknownTopic));
    assert!(write::delete_topics(&client, &[]).await.unwrap().is_empty());
}
