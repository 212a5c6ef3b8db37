//! What one look at a consumer group and its Deployment brings: the autoscaler's whole input. The
//! field names are those of a line of a simulation trace. Plain values; nothing here judges them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One look at a consumer group and its Deployment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Observation {
    /// When the offsets were read.
    pub at: Timestamp,
    /// `spec.replicas` of the Deployment: how many pods are asked for now.
    pub replicas: i32,
    /// How many pods are ready.
    pub ready: i32,
    /// The pod template's hash; what a pod can process is learnt per revision. Left out: the
    /// revision is taken to be the same as before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Every partition of the topics that the group reads, also those that could not be read.
    /// Empty: no partition is known, and the count holds.
    #[serde(default)]
    pub partitions: Vec<PartitionSample>,
    /// Partitions of each topic where only their number is known: then nothing is unreadable, and
    /// the series come from `metrics`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub partition_counts: BTreeMap<String, i32>,
    /// How long, in seconds, each topic keeps records; a topic that keeps them for ever is left out.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub retention_seconds: BTreeMap<String, i64>,
    /// Values of further series, or in place of the usual ones; null: could not be read.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metrics: BTreeMap<String, Option<f64>>,
    /// The state of the group.
    #[serde(default)]
    pub group: GroupState,
    /// How long, in seconds, the broker keeps the commits of a group without members.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offsets_retention_seconds: Option<i64>,
    /// That somebody else has set `replicas`. A count that only differs from the last decision is
    /// none: it is what was seen.
    #[serde(default, rename = "override", skip_serializing_if = "Option::is_none")]
    pub overridden: Option<Override>,
}

/// A count that somebody else has set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Override {
    /// Who: the field manager, such as `kubectl`.
    pub by: String,
    /// When, where Kubernetes says: it does not for the scale subresource. Left out: when it was
    /// first seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
}

/// The offsets of one partition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PartitionSample {
    /// The topic.
    pub topic: String,
    /// The partition's number.
    pub partition: i32,
    /// The first offset that the log still holds, where it was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<i64>,
    /// The offset that the group reads next; none: it has not committed yet.
    #[serde(default)]
    pub committed: Option<i64>,
    /// The offset that the next record gets. Left out: the partition could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<i64>,
    /// When the oldest unread record arrived, where somebody looked it up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unread_since: Option<Timestamp>,
    /// Whether the oldest unread record may have arrived even before `unread_since`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unread_since_or_earlier: bool,
    /// Why the partition could not be read, in the broker's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl PartitionSample {
    /// A partition that could not be read, and why.
    #[must_use]
    pub fn unreadable(topic: &str, partition: i32, error: &str) -> Self {
        Self {
            topic: topic.to_owned(),
            partition,
            error: Some(error.to_owned()),
            ..Self::default()
        }
    }
}

/// The state of a consumer group, in Kafka's words, of the classic protocol and of KIP-848.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum GroupState {
    /// It could not be read, or Kafka does not know it.
    #[default]
    Unknown,
    /// Every member has its partitions.
    Stable,
    /// Members are being asked to join again (classic).
    PreparingRebalance,
    /// Members wait for their partitions (classic).
    CompletingRebalance,
    /// The coordinator computes an assignment (KIP-848).
    Assigning,
    /// Members give up and take over partitions (KIP-848).
    Reconciling,
    /// It has no members.
    Empty,
    /// It has been removed.
    Dead,
}

impl GroupState {
    /// Whether partitions are on the move, so that the group stands still, wholly or in part.
    #[must_use]
    pub const fn is_rebalancing(self) -> bool {
        matches!(
            self,
            Self::PreparingRebalance
                | Self::CompletingRebalance
                | Self::Assigning
                | Self::Reconciling
        )
    }
}
