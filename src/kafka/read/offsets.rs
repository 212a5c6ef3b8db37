//! Where partitions start and end, and where a time falls: one question a partition, all in one
//! call. librdkafka remembers leaders for minutes; here is what it takes to notice that they moved.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;
use rdkafka::Offset;
use rdkafka_sys::rd_kafka_IsolationLevel_t as Level;
use rdkafka_sys::rd_kafka_resp_err_t as Code;
use tokio::time::Instant;

use super::{ByPartition, Partition, partition_list, topics};
use crate::kafka::admin_ffi::{Failure, NO_OFFSET, Outcome};
use crate::kafka::{Client, Error};

/// Which offset of a partition to look up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffsetSpec {
    /// The log's start: the first offset that can still be read.
    Earliest,
    /// The log's end: the offset that the next record gets.
    Latest,
    /// The first record of this time or later, in milliseconds since 1970 (not negative). A
    /// partition without such a record answers -1.
    Timestamp(i64),
}

/// Which records count for [`OffsetSpec::Latest`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// All: the end is the high watermark.
    ReadUncommitted,
    /// Those before the first open transaction: the end is the last stable offset.
    ReadCommitted,
}

/// One offset of each of these partitions. One call to each broker that leads some of them, and a
/// few more within the same deadline after leaders have moved.
///
/// # Errors
/// When the call as a whole fails.
pub async fn offsets(
    client: &Client,
    partitions: &[Partition],
    at: OffsetSpec,
    isolation: Isolation,
) -> Result<ByPartition<i64>, Error> {
    let each = partitions
        .iter()
        .map(|partition| (partition.clone(), at))
        .collect::<Vec<_>>();
    offsets_each(client, &each, isolation).await
}

/// As [`offsets`], with a question of its own for each partition (no partition twice).
///
/// # Errors
/// When the call as a whole fails.
pub async fn offsets_each(
    client: &Client,
    partitions: &[(Partition, OffsetSpec)],
    isolation: Isolation,
) -> Result<ByPartition<i64>, Error> {
    if partitions.is_empty() {
        return Ok(BTreeMap::new());
    }
    let start = Instant::now();
    let first = list_offsets(client, partitions, isolation).await;
    let stale = outdated_topics(partitions, &first);
    if stale.is_empty() {
        return Ok(by_partition(client, first?));
    }
    let left = client.since(start);
    join_all(stale.into_iter().map(|topic| left.refresh(topic))).await;
    match list_offsets(&client.since(start), partitions, isolation).await {
        Err(error) if is_leaderless(&error) => leaderless(&client.since(start), partitions).await,
        second => Ok(by_partition(client, second?)),
    }
}

const LIST_OFFSETS: &str = "ListOffsets";

type Listed = Vec<(Partition, Outcome<i64>)>;

async fn list_offsets(
    client: &Client,
    partitions: &[(Partition, OffsetSpec)],
    isolation: Isolation,
) -> Result<Listed, Error> {
    let list = partition_list(
        partitions
            .iter()
            .map(|(partition, at)| (partition, at.native())),
    )?;
    let isolation = match isolation {
        Isolation::ReadUncommitted => Level::RD_KAFKA_ISOLATION_LEVEL_READ_UNCOMMITTED,
        Isolation::ReadCommitted => Level::RD_KAFKA_ISOLATION_LEVEL_READ_COMMITTED,
    };
    client
        .call(LIST_OFFSETS, move |call| {
            answered(call.list_offsets(&list, isolation)?)
        })
        .await
}

/// Turns the offsets that never came into failures, of the whole call when no broker answered.
fn answered(mut listed: Listed) -> Outcome<Listed> {
    for (_, outcome) in &mut listed {
        if *outcome == Ok(NO_OFFSET) {
            *outcome = Err(Failure::unanswered());
        }
    }
    let silence = Err(Failure::unanswered());
    if listed.iter().all(|(_, outcome)| *outcome == silence) {
        return Err(Failure::unanswered());
    }
    Ok(listed)
}

impl OffsetSpec {
    fn native(self) -> Offset {
        match self {
            Self::Earliest => Offset::Beginning,
            Self::Latest => Offset::End,
            Self::Timestamp(millis) => Offset::Offset(millis.max(0)),
        }
    }
}

/// Topics of which librdkafka's own picture is too old to answer. It takes partitions that were
/// added since for missing, fails the call when it knows no leader at all, and after a new
/// election goes on asking in the old leader's name.
fn outdated_topics(
    partitions: &[(Partition, OffsetSpec)],
    listed: &Result<Listed, Error>,
) -> BTreeSet<String> {
    match listed {
        Err(error) if is_leaderless(error) => partitions
            .iter()
            .map(|((topic, _), _)| topic.clone())
            .collect(),
        Err(_) => BTreeSet::new(),
        Ok(listed) => {
            let failed = listed
                .iter()
                .filter(|(_, found)| found.as_ref().is_err_and(is_outdated));
            failed.map(|((topic, _), _)| topic.clone()).collect()
        }
    }
}

fn is_outdated(failure: &Failure) -> bool {
    const SIGNS: [Code; 4] = [
        Code::RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION,
        Code::RD_KAFKA_RESP_ERR_FENCED_LEADER_EPOCH,
        Code::RD_KAFKA_RESP_ERR_UNKNOWN_LEADER_EPOCH,
        Code::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
    ];
    SIGNS.iter().any(|sign| failure.is(*sign))
}

fn is_leaderless(error: &Error) -> bool {
    matches!(error, Error::Refused { code, .. } if code == "_NOENT")
}

/// Says for each partition why it has no leader: it is not there, or it is down.
async fn leaderless(
    client: &Client,
    partitions: &[(Partition, OffsetSpec)],
) -> Result<ByPartition<i64>, Error> {
    let names = partitions
        .iter()
        .map(|((topic, _), _)| topic.clone())
        .collect::<BTreeSet<_>>();
    let topics = topics(client, &names.into_iter().collect::<Vec<_>>()).await?;
    let why = |(topic, number): &Partition| match topics.get(topic) {
        Some(Err(error)) => error.clone(),
        Some(Ok(Some(topic))) if *number < topic.partitions => Error::Refused {
            call: LIST_OFFSETS,
            code: "LEADER_NOT_AVAILABLE".to_owned(),
            message: None,
        },
        _ => Error::UnknownTopic,
    };
    Ok(partitions
        .iter()
        .map(|(partition, _)| (partition.clone(), Err(why(partition))))
        .collect())
}

fn by_partition(client: &Client, listed: Listed) -> ByPartition<i64> {
    listed
        .into_iter()
        .map(|(partition, outcome)| (partition, client.part(LIST_OFFSETS, outcome)))
        .collect()
}
