//! What Kafka says: clusters, topics and their settings, groups and offsets. It changes nothing,
//! asks for everything about one question in one call, and keeps what failed beside what did not:
//! a topic that cannot be read is its own error and spoils no other.

mod offsets;

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::{Offset, TopicPartitionList};
use rdkafka_sys::rd_kafka_ResourceType_t as Resource;
use rdkafka_sys::rd_kafka_consumer_group_state_t as State;
use tokio::time::Instant;

pub use offsets::{Isolation, OffsetSpec, offsets, offsets_each};

use super::admin_ffi::{Call, Entry, GroupInfo, Outcome, TopicInfo};
use super::{Client, Error};

/// A partition of a topic, by the topic's name and the partition's number.
pub type Partition = (String, i32);

/// A result for each topic asked for.
pub type ByTopic<T> = BTreeMap<String, Result<T, Error>>;

/// A result for each partition asked for.
pub type ByPartition<T> = BTreeMap<Partition, Result<T, Error>>;

/// A Kafka cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// The id that the cluster keeps for life; another id under the same address is another
    /// cluster.
    pub id: String,
    /// How many brokers are alive.
    pub brokers: usize,
    /// `auto.create.topics.enable` of one broker; `None` when it may not be read.
    pub auto_create_topics: Option<bool>,
    /// `offsets.retention.minutes` of one broker: how long the commits of an empty group are
    /// kept. `None` when it may not be read.
    pub offsets_retention: Option<Duration>,
}

/// A topic that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Changes when the topic is deleted and created again; base64 as Kafka's tools print it.
    /// Brokers before 2.8 have no ids: all zero there.
    pub id: String,
    /// How many partitions there are.
    pub partitions: i32,
    /// Replicas of each partition; `None` when partitions differ, as during a reassignment.
    pub replication_factor: Option<i16>,
    /// How many partitions have a replica that is not in sync.
    pub under_replicated: i32,
    /// It is one of Kafka's own, such as `__consumer_offsets`.
    pub is_internal: bool,
}

/// One key of a topic's configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigEntry {
    /// The value in force; `None` when it is sensitive or unset.
    pub value: Option<String>,
    /// It is not set on the topic itself, so the broker's value or Kafka's default is in force.
    pub default: bool,
    /// It cannot be changed.
    pub read_only: bool,
    /// Its value is secret and not told.
    pub sensitive: bool,
}

/// A consumer group's members and what they are doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The group's state.
    pub state: GroupState,
    /// How many consumers are in it.
    pub members: usize,
}

/// The states of a consumer group, of both protocols, in Kafka's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupState {
    /// All members have their partitions.
    Stable,
    /// Members are being told to join again (classic protocol).
    PreparingRebalance,
    /// The leader hands out partitions (classic protocol).
    CompletingRebalance,
    /// No members, but commits are kept.
    Empty,
    /// No such group.
    Dead,
    /// A state that librdkafka has no name for: `Assigning` or `Reconciling` of the new protocol,
    /// that is, a rebalance.
    Unknown,
}

/// The cluster's identity and the broker settings that matter here. Two calls.
///
/// # Errors
/// When the cluster cannot be described; broker settings that cannot be read are `None`.
pub async fn cluster(client: &Client) -> Result<Cluster, Error> {
    const CALL: &str = "DescribeCluster";
    let start = Instant::now();
    let seen = client.call(CALL, Call::describe_cluster).await?;
    let id = seen.id.ok_or(Error::Incomplete { call: CALL })?;
    let settings = match seen.brokers.first() {
        Some(broker) => broker_settings(&client.since(start), *broker).await,
        None => BTreeMap::new(),
    };
    let minutes = settings
        .get("offsets.retention.minutes")
        .and_then(|text| text.parse().ok());
    Ok(Cluster {
        id,
        brokers: seen.brokers.len(),
        auto_create_topics: settings
            .get("auto.create.topics.enable")
            .and_then(|text| text.parse().ok()),
        offsets_retention: minutes.map(|minutes: u64| Duration::from_secs(minutes * 60)),
    })
}

/// A broker's settings; empty when they cannot be read, which needs rights that few are given.
async fn broker_settings(client: &Client, broker: i32) -> BTreeMap<String, String> {
    let names = vec![broker.to_string()];
    let described = client.call("DescribeConfigs", move |call| {
        call.describe_configs(Resource::RD_KAFKA_RESOURCE_BROKER, &names)
    });
    let resources = described.await.unwrap_or_default();
    let entries = resources
        .into_iter()
        .filter_map(|(_, entries)| entries.ok())
        .flatten();
    entries
        .filter_map(|entry| Some((entry.name, entry.value?)))
        .collect()
}

/// The topics of these names; `None` for those that do not exist. One call.
///
/// # Errors
/// When the call as a whole fails.
pub async fn topics(client: &Client, names: &[String]) -> Result<ByTopic<Option<Topic>>, Error> {
    const CALL: &str = "DescribeTopics";
    if names.is_empty() {
        return Ok(BTreeMap::new());
    }
    let names = names.to_vec();
    let seen = client
        .call(CALL, move |call| call.describe_topics(&names))
        .await?;
    let of = |(name, outcome): (String, Outcome<TopicInfo>)| match client.part(CALL, outcome) {
        Ok(info) => (name, Ok(Some(topic(&info)))),
        Err(Error::UnknownTopic) => (name, Ok(None)),
        Err(error) => (name, Err(error)),
    };
    Ok(seen.into_iter().map(of).collect())
}

fn topic(info: &TopicInfo) -> Topic {
    let first = info.partitions.first().map(|partition| partition.replicas);
    let same = first.filter(|&count| info.partitions.iter().all(|other| other.replicas == count));
    let lacking = info
        .partitions
        .iter()
        .filter(|partition| partition.in_sync < partition.replicas);
    Topic {
        // Kafka's tools print ids in the URL-safe alphabet, librdkafka in the ordinary one.
        id: info.id.replace('+', "-").replace('/', "_"),
        partitions: i32::try_from(info.partitions.len()).unwrap_or(i32::MAX),
        replication_factor: same.and_then(|count| i16::try_from(count).ok()),
        under_replicated: i32::try_from(lacking.count()).unwrap_or(i32::MAX),
        is_internal: info.internal,
    }
}

/// The whole configuration of these topics; a key that is absent is one that this Kafka does not
/// know. One call.
///
/// # Errors
/// When the call as a whole fails.
pub async fn topic_configs(
    client: &Client,
    names: &[String],
) -> Result<ByTopic<BTreeMap<String, ConfigEntry>>, Error> {
    const CALL: &str = "DescribeConfigs";
    if names.is_empty() {
        return Ok(BTreeMap::new());
    }
    let names = names.to_vec();
    let described = client.call(CALL, move |call| {
        call.describe_configs(Resource::RD_KAFKA_RESOURCE_TOPIC, &names)
    });
    let of = |(name, outcome): (String, Outcome<Vec<Entry>>)| {
        let entries = client.part(CALL, outcome);
        (
            name,
            entries.map(|entries| entries.into_iter().map(config_entry).collect()),
        )
    };
    Ok(described.await?.into_iter().map(of).collect())
}

fn config_entry(entry: Entry) -> (String, ConfigEntry) {
    let Entry {
        name,
        value,
        own,
        read_only,
        sensitive,
    } = entry;
    (
        name,
        ConfigEntry {
            value,
            default: !own,
            read_only,
            sensitive,
        },
    )
}

/// A group's committed offsets for these partitions, `None` where it has not committed. One call,
/// once the group's coordinator is known.
///
/// # Errors
/// When the call as a whole fails, as when the group may not be read.
pub async fn committed(
    client: &Client,
    group: &str,
    partitions: &[Partition],
) -> Result<ByPartition<Option<i64>>, Error> {
    const CALL: &str = "OffsetFetch";
    if partitions.is_empty() {
        return Ok(BTreeMap::new());
    }
    let asked = group.to_owned();
    let list = partition_list(
        partitions
            .iter()
            .map(|partition| (partition, Offset::Invalid)),
    )?;
    let seen = client
        .call_for_group(CALL, group, move |call| call.committed(&asked, &list))
        .await?;
    let of = |(partition, outcome): (Partition, Outcome<i64>)| {
        (
            partition,
            client
                .part(CALL, outcome)
                .map(|offset| (offset >= 0).then_some(offset)),
        )
    };
    Ok(seen.into_iter().map(of).collect())
}

/// A group's state and members, of either protocol. One call, once its coordinator is known; a
/// second one for a group that is not of the new protocol (KIP-848).
///
/// # Errors
/// When the group cannot be described.
pub async fn group(client: &Client, group: &str) -> Result<Group, Error> {
    const NONE: Group = Group {
        state: GroupState::Dead,
        members: 0,
    };
    let name = group.to_owned();
    let described = client
        .call("DescribeGroups", move |call| call.describe_group(&name))
        .await;
    match described {
        Err(Error::Refused { code, .. }) if code == "GROUP_ID_NOT_FOUND" => Ok(NONE),
        other => other.map(|info| state(&info)),
    }
}

fn state(info: &GroupInfo) -> Group {
    let state = match info.state {
        State::RD_KAFKA_CONSUMER_GROUP_STATE_STABLE => GroupState::Stable,
        State::RD_KAFKA_CONSUMER_GROUP_STATE_PREPARING_REBALANCE => GroupState::PreparingRebalance,
        State::RD_KAFKA_CONSUMER_GROUP_STATE_COMPLETING_REBALANCE => {
            GroupState::CompletingRebalance
        }
        State::RD_KAFKA_CONSUMER_GROUP_STATE_EMPTY => GroupState::Empty,
        State::RD_KAFKA_CONSUMER_GROUP_STATE_DEAD => GroupState::Dead,
        State::RD_KAFKA_CONSUMER_GROUP_STATE_UNKNOWN
        | State::RD_KAFKA_CONSUMER_GROUP_STATE__CNT => GroupState::Unknown,
    };
    Group {
        state,
        members: info.members,
    }
}

fn partition_list<'a>(
    partitions: impl Iterator<Item = (&'a Partition, Offset)>,
) -> Result<TopicPartitionList, Error> {
    let mut list = TopicPartitionList::new();
    for ((topic, number), offset) in partitions {
        // rdkafka panics on a name with a NUL byte, which is no topic's name.
        if topic.contains('\0') || list.add_partition_offset(topic, *number, offset).is_err() {
            return Err(Error::UnknownTopic);
        }
    }
    Ok(list)
}
