//! The resource itself: spec, status, columns, and the rules over the whole object. Wire types
//! and admission rules only.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    connectors::{ConnectWorkers, Connector, ConnectorStatus},
    kafka::Kafka,
    topics::{Topic, TopicStatus},
};

/// Streams into Kafka, through processors, and out again: topics, connectors and scaling.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "sluice.dev",
    version = "v1alpha1",
    kind = "IngestionPipeline",
    namespaced,
    shortname = "ipl",
    category = "sluice",
    status = "IngestionPipelineStatus",
    derive = "PartialEq",
    doc = "Streams into Kafka, through processors, and out again: topics, connectors and scaling.",
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].status"),
    printcolumn(name = "Topics", type_ = "string", json_path = ".status.summary.topics", description = "ready/all"),
    printcolumn(name = "Replicas", type_ = "integer", json_path = ".status.summary.replicas", description = "observed pods of container connectors"),
    printcolumn(name = "Lag", type_ = "integer", json_path = ".status.summary.lag", description = "unread records"),
    printcolumn(name = "Behind", type_ = "integer", json_path = ".status.summary.timeLagSeconds", description = "seconds since the oldest unread record arrived", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].message", priority = 1),
    validation = Rule::new("self.metadata.name.size() <= 63").message("metadata.name must have at most 63 characters: it becomes part of other names")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.topics) || !has(self.connectors) || self.connectors.all(c, !has(c.consumes) || c.consumes.topics.all(t, self.topics.exists(x, x.name == t)))")
        .message("connectors[].consumes.topics names a topic that spec.topics does not list: add it there, with management: Observed when somebody else owns it"),
    validation = Rule::new("has(self.topics) || !has(self.connectors) || self.connectors.all(c, !has(c.consumes))")
        .message("connectors[].consumes.topics names a topic, but spec.topics is empty: list the topic there"),
    validation = Rule::new("!has(self.topics) || self.topics.all(a, self.topics.exists_one(b, a.name.replace('.', '_') == b.name.replace('.', '_')))")
        .message("topics: two names differ only in '.' and '_', which collide in Kafka's metrics and are refused by the broker: rename one"),
    validation = Rule::new("has(self.connect) || !has(self.connectors) || !self.connectors.exists(c, has(c.connect))")
        .message("a connector with runtime connect needs workers: add spec.connect, {} takes the defaults")
)]
pub struct IngestionPipelineSpec {
    /// The Kafka cluster.
    pub kafka: Kafka,
    /// Topics; at most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub topics: Vec<Topic>,
    /// The Kafka Connect worker group of this pipeline, for connectors with runtime `connect`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect: Option<ConnectWorkers>,
    /// Connectors; at most 32.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub connectors: Vec<Connector>,
    /// Stops the pipeline: container connectors go to 0 pods, connectors in Connect are stopped,
    /// topics stay. The counts are remembered.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspend: bool,
}

/// What was seen and done, never what is asked.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IngestionPipelineStatus {
    /// The generation of the spec that this status is about; -1 before the first look.
    #[serde(default)]
    pub observed_generation: i64,
    /// Conditions: Ready, Reconciling, Stalled, TopicsReady, ConnectorsReady, ScalingActive,
    /// Suspended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// What the columns show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<Summary>,
    /// Id of the Kafka cluster, pinned at the first contact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub cluster_id: Option<String>,
    /// Topics as observed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 128))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub topics: Vec<TopicStatus>,
    /// Connectors as observed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub connectors: Vec<ConnectorStatus>,
}

/// Sums over the pipeline for printed columns, which cannot add up themselves.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Ready topics and all topics, `2/3`.
    #[schemars(length(max = 16))]
    pub topics: String,
    /// Observed pods of container connectors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
    /// Unread records over all connectors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag: Option<i64>,
    /// The largest time lag, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_lag_seconds: Option<i64>,
}
