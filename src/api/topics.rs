//! `spec.topics`: what a topic should be, how an existing one is taken over, and what was seen.
//! Wire types and admission rules only.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One Kafka topic of the pipeline.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.management == 'Managed' || !(has(self.partitions) || has(self.replicationFactor) || has(self.minInSyncReplicas) || has(self.config))")
        .message("management Observed only reads the topic: remove partitions, replicationFactor, minInSyncReplicas and config, or set management: Managed"),
    validation = Rule::new("!has(self.minInSyncReplicas) || !has(self.replicationFactor) || self.minInSyncReplicas <= self.replicationFactor")
        .message("minInSyncReplicas must not exceed replicationFactor: lower minInSyncReplicas or raise replicationFactor"),
    validation = Rule::new("!has(self.partitions) || !has(oldSelf.partitions) || self.partitions >= oldSelf.partitions")
        .message("partitions cannot shrink, Kafka has no way to merge them: keep the old value or raise it"),
    validation = Rule::new("!has(self.config) || !('min.insync.replicas' in self.config)")
        .message("set min.insync.replicas by the field minInSyncReplicas, not in config"),
    validation = Rule::new("self.name != '.' && self.name != '..' && !self.name.startsWith('__')")
        .message("name is reserved by Kafka: '.', '..' and names that begin with '__' cannot be used, choose another"),
    validation = Rule::new("self.management == 'Managed' || self.deletionPolicy == 'Retain'")
        .message("deletionPolicy Delete is not allowed for management Observed: the topic belongs to somebody else")
)]
pub struct Topic {
    /// The topic's name in Kafka: 1 to 249 letters, digits, `.`, `_` and `-`.
    #[schemars(length(min = 1, max = 249), regex(pattern = r"^[a-zA-Z0-9._-]+$"))]
    pub name: String,
    /// Whether Sluice creates and changes the topic, or only reads it.
    #[serde(default)]
    pub management: Management,
    /// Number of partitions, 1 to 10,000; grows, never shrinks. Left out: the broker's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000))]
    pub partitions: Option<i32>,
    /// Replicas of each partition, 1 to 32; fixed once the topic exists. Left out: the broker's
    /// default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 32))]
    pub replication_factor: Option<i16>,
    /// `min.insync.replicas`, 1 to 32, at most `replicationFactor`. Left out: the broker's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 32))]
    pub min_in_sync_replicas: Option<i16>,
    /// Topic configuration by Kafka's own keys; at most 64.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 64, "additionalProperties" = {"type": "string", "maxLength": 4096}))]
    pub config: BTreeMap<String, String>,
    /// What happens to configuration keys that are set on the topic but not listed in `config`.
    #[serde(default)]
    pub config_policy: ConfigPolicy,
    /// What happens when a topic of this name is already there.
    #[serde(default)]
    pub adopt: Adopt,
    /// What happens to the topic when the pipeline is deleted.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
}

/// Who owns a topic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Management {
    /// Sluice creates, changes and (when asked) deletes the topic.
    #[default]
    Managed,
    /// Somebody else owns the topic: it is read, never created, changed, claimed or deleted.
    Observed,
}

/// Which configuration keys of a topic belong to the pipeline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ConfigPolicy {
    /// Only the listed keys are ours.
    #[default]
    Declared,
    /// Every key is ours: one that is not listed goes back to the broker's default.
    Exclusive,
}

/// Whether a topic that is already there may be taken over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Adopt {
    /// Never: an existing topic is refused.
    Never,
    /// Only when partitions, replication factor and listed configuration are as declared.
    #[default]
    IfEqual,
    /// Always, as far as the differences can be mended.
    Always,
}

/// What happens to something outside the cluster when its pipeline is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DeletionPolicy {
    /// It stays.
    #[default]
    Retain,
    /// It is deleted with the pipeline.
    Delete,
}

/// A topic as it was seen in Kafka, not as it was asked for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TopicStatus {
    /// The topic's name.
    #[schemars(length(max = 249))]
    pub name: String,
    /// `Ready`, `Waiting` or `Releasing`.
    pub phase: TopicPhase,
    /// Kafka's topic id, as base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub id: Option<String>,
    /// Number of partitions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partitions: Option<i32>,
    /// Replicas of each partition; absent while partitions differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replication_factor: Option<i16>,
    /// The effective `min.insync.replicas`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_in_sync_replicas: Option<i16>,
    /// Partitions with fewer in-sync replicas than replicas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub under_replicated: Option<i32>,
    /// The deletion policy in force.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
    /// Why the topic is not ready: one of the stable reasons.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub reason: Option<String>,
    /// What is wrong and what to do; empty when ready.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 1024))]
    pub message: String,
}

/// Where a topic stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TopicPhase {
    /// As declared.
    Ready,
    /// Not as declared yet; the message says why.
    #[default]
    Waiting,
    /// No longer in the spec: kept in Kafka, let go here.
    Releasing,
}
