//! What Kafka is told to do with topics: create, grow, configure, delete. Every order is absolute,
//! so a repeat does no harm, and each topic has its own outcome. Nothing is read or decided here;
//! above all, whether the topic to delete is still the one that was meant is the caller's to check.

use std::collections::BTreeMap;

use super::admin_ffi::{ByName, Call, Changes, Outcome, TopicSpec};
use super::{Client, Error};

/// A result for each topic of a batch; the broker's own words are in the error.
pub type ByTopic = BTreeMap<String, Result<(), Error>>;

/// A topic to create.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewTopic {
    /// The topic's name.
    pub name: String,
    /// How many partitions; `None` for the broker's `num.partitions`.
    pub partitions: Option<i32>,
    /// Replicas of each; `None` for the broker's `default.replication.factor`.
    pub replication_factor: Option<i16>,
    /// Keys to set on the topic itself.
    pub config: BTreeMap<String, String>,
}

/// A change of a topic's configuration by key: `Some` sets, `None` unsets, so that the broker's
/// value is in force again. A key that is absent stays as it is.
pub type ConfigChange = BTreeMap<String, Option<String>>;

/// Creates topics, in one call.
///
/// # Errors
/// When the call as a whole fails; it may have taken effect if it timed out.
pub async fn create_topics(client: &Client, topics: &[NewTopic]) -> Result<ByTopic, Error> {
    create(client, topics, false).await
}

/// Asks whether [`create_topics`] would be accepted, and changes nothing.
///
/// # Errors
/// When the call as a whole fails.
pub async fn validate_topics(client: &Client, topics: &[NewTopic]) -> Result<ByTopic, Error> {
    create(client, topics, true).await
}

async fn create(client: &Client, topics: &[NewTopic], only_ask: bool) -> Result<ByTopic, Error> {
    let topics = topics.to_vec();
    batch(client, "CreateTopics", topics, move |call, topics| {
        let specs = topics.iter().map(spec).collect::<Vec<_>>();
        call.create_topics(&specs, only_ask)
    })
    .await
}

fn spec(topic: &NewTopic) -> TopicSpec<'_> {
    TopicSpec {
        name: &topic.name,
        partitions: topic.partitions,
        replication_factor: topic.replication_factor,
        config: topic
            .config
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect(),
    }
}

/// Grows topics to these totals of partitions, in one call. Fewer than there are is refused by the
/// broker.
///
/// # Errors
/// When the call as a whole fails; it may have taken effect if it timed out.
pub async fn create_partitions(
    client: &Client,
    totals: &[(String, i32)],
) -> Result<ByTopic, Error> {
    batch(
        client,
        "CreatePartitions",
        totals.to_vec(),
        Call::create_partitions,
    )
    .await
}

/// Changes keys of topics, in one call; all keys of one topic change together or not at all.
///
/// # Errors
/// When the call as a whole fails; it may have taken effect if it timed out.
pub async fn set_configs(
    client: &Client,
    changes: &[(String, ConfigChange)],
) -> Result<ByTopic, Error> {
    let native = |(topic, keys): &(String, ConfigChange)| -> (String, Changes) {
        (topic.clone(), keys.clone().into_iter().collect())
    };
    let changes = changes.iter().map(native).collect::<Vec<_>>();
    batch(
        client,
        "IncrementalAlterConfigs",
        changes,
        Call::set_configs,
    )
    .await
}

/// Deletes topics by name, in one call. Kafka is asked by name, not by id: the caller checks the
/// id in the same pass, and a topic that was created again in between is lost.
///
/// # Errors
/// When the call as a whole fails; it may have taken effect if it timed out.
pub async fn delete_topics(client: &Client, names: &[String]) -> Result<ByTopic, Error> {
    batch(client, "DeleteTopics", names.to_vec(), |call, names| {
        call.delete_topics(names)
    })
    .await
}

/// Sends one batch; an empty one is no call.
async fn batch<T: Send + 'static>(
    client: &Client,
    name: &'static str,
    orders: Vec<T>,
    send: impl FnOnce(&Call, &[T]) -> Outcome<ByName<()>> + Send + 'static,
) -> Result<ByTopic, Error> {
    if orders.is_empty() {
        return Ok(ByTopic::new());
    }
    let outcomes = client.call(name, move |call| send(call, &orders)).await?;
    let of = |(topic, outcome): (String, Outcome<()>)| (topic, client.part(name, outcome));
    Ok(outcomes.into_iter().map(of).collect())
}
