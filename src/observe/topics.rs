//! What Kafka and the claims say about the pipeline's topics: a few batched calls for all of them.

use std::collections::BTreeMap;

use super::unknown_kafka;
use crate::{
    kafka::{self, Client, read},
    plan::{
        Known, Unknown,
        topics::{ConfigSeen, TopicSeen},
    },
};

/// The topics and their configuration; two calls, the second only for those that exist.
pub async fn topics(
    client: &Client,
    names: &[String],
) -> BTreeMap<String, Known<Option<TopicSeen>>> {
    let found = match read::topics(client, names).await {
        Ok(found) => found,
        Err(error) => return all(names, &unknown_kafka(&error)),
    };
    let existing: Vec<String> = found
        .iter()
        .filter(|(_, topic)| matches!(topic, Ok(Some(_))))
        .map(|(name, _)| name.clone())
        .collect();
    let mut configs = match read::topic_configs(client, &existing).await {
        Ok(configs) => configs,
        Err(error) => return all(names, &unknown_kafka(&error)),
    };
    let known = |(name, topic): (String, Result<Option<read::Topic>, kafka::Error>)| {
        let seen = match (topic, configs.remove(&name)) {
            (Ok(Some(topic)), Some(Ok(config))) => Known::Value(Some(seen(topic, config))),
            (Err(error), _) | (_, Some(Err(error))) => Known::Unknown(unknown_kafka(&error)),
            // Not there, or deleted between the two calls: the next pass sees it missing.
            (Ok(_), _) => Known::Value(None),
        };
        (name, seen)
    };
    found.into_iter().map(known).collect()
}

/// The same gap for each of these names.
pub fn all<T>(names: &[String], unknown: &Unknown) -> BTreeMap<String, Known<T>> {
    names
        .iter()
        .map(|name| (name.clone(), Known::Unknown(unknown.clone())))
        .collect()
}

fn seen(topic: read::Topic, config: BTreeMap<String, read::ConfigEntry>) -> TopicSeen {
    let entry = |(key, entry): (String, read::ConfigEntry)| {
        (
            key,
            ConfigSeen {
                value: entry.value,
                default: entry.default,
            },
        )
    };
    TopicSeen {
        id: topic.id,
        partitions: topic.partitions,
        replication_factor: topic.replication_factor,
        under_replicated: topic.under_replicated,
        config: config.into_iter().map(entry).collect(),
    }
}
