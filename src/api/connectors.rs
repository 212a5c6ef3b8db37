//! `spec.connect` and `spec.connectors`: what moves records, in which runtime, and how it stands.
//! Wire types and admission rules only.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    decisions::{DecisionStatus, ScalingMemory, ShadowReplicas},
    pods::{
        EnvFrom, EnvVar, ImagePullPolicy, LABEL_VALUE, LocalRef, Port, Probe, Resources,
        Toleration, TopologySpread, Volume,
    },
    scaling::Autoscaling,
    topics::DeletionPolicy,
};

/// The Kafka Connect worker group of this pipeline.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConnectWorkers {
    /// Number of workers, 1 to 32; about 512 Mi of memory each.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 32))]
    pub workers: i32,
    /// The worker's image. Left out: the operator's setting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub image: Option<String>,
    /// Compute resources of each worker; the heap takes half of the memory limit.
    #[serde(default = "worker_resources")]
    pub resources: Resources,
    /// Volumes that connectors read or write.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub volumes: Vec<Volume>,
    /// What happens to the group's internal topics when the pipeline is deleted.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
}

impl Default for ConnectWorkers {
    fn default() -> Self {
        Self {
            workers: one(),
            image: None,
            resources: worker_resources(),
            volumes: Vec::new(),
            deletion_policy: DeletionPolicy::default(),
        }
    }
}

const fn one() -> i32 {
    1
}

fn worker_resources() -> Resources {
    let quantities = |pairs: &[(&str, &str)]| {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    };
    Resources {
        requests: quantities(&[("cpu", "200m"), ("memory", "512Mi")]),
        limits: quantities(&[("memory", "768Mi")]),
    }
}

/// One connector: a step of the pipeline, in exactly one runtime.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.connect) != has(self.container)")
        .message("set exactly one runtime: connect or container"),
    validation = Rule::new("!(has(self.replicas) && has(self.autoscaling))")
        .message("set replicas or autoscaling, not both: remove replicas to let the autoscaler own the count"),
    validation = Rule::new("has(self.container) || !(has(self.replicas) || has(self.autoscaling))")
        .message("replicas and autoscaling only work with container: for connect set connect.tasksMax and the pipeline's connect.workers"),
    validation = Rule::new("!has(self.autoscaling) || has(self.consumes)")
        .message("autoscaling follows a consumer group: add consumes with group and topics"),
    validation = Rule::new("!has(self.container) || !has(self.consumes) || has(self.consumes.group)")
        .message("consumes.group is required for container: the consumer group of its pods"),
    validation = Rule::new("!has(self.connect) || !has(self.consumes) || !has(self.consumes.group)")
        .message("consumes.group cannot be set for connect: the group is derived from the connector's name"),
    validation = Rule::new("!has(self.consumes) || self.role != 'Source'")
        .message("a Source writes to Kafka: remove consumes, or set role: Processor or Sink")
)]
pub struct Connector {
    /// The connector's name, unique within the pipeline: a DNS label of at most 40 characters.
    #[schemars(
        length(min = 1, max = 40),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub name: String,
    /// Whether it writes to Kafka, reads from it, or both.
    pub role: Role,
    /// Runs as a connector of Kafka Connect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect: Option<ConnectConnector>,
    /// Runs as pods of any image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<Container>,
    /// The consumer group and the topics whose unread records are its lag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consumes: Option<Consumes>,
    /// A fixed number of pods, 0 to 1,000. Left out, and without `autoscaling`: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1000))]
    pub replicas: Option<i32>,
    /// Lets the number of pods follow the lag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autoscaling: Option<Autoscaling>,
}

/// Which way records go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Role {
    /// From outside into Kafka.
    #[default]
    Source,
    /// From Kafka to Kafka.
    Processor,
    /// From Kafka to the outside.
    Sink,
}

/// A connector of Kafka Connect.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.config) || !self.config.exists(k, k in ['name', 'connector.class', 'tasks.max'])")
    .message("config must not set name, connector.class or tasks.max: they come from the connector's name, class and tasksMax"))]
pub struct ConnectConnector {
    /// The connector class: its full name or an alias that Connect accepts, `FileStreamSource`.
    #[schemars(
        length(min = 1, max = 512),
        regex(pattern = r"^[A-Za-z_$][A-Za-z0-9_.$]*$")
    )]
    pub class: String,
    /// Most tasks that Connect may run for it, 1 to 1,000.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 1000))]
    pub tasks_max: i32,
    /// Whether it runs.
    #[serde(default)]
    pub state: ConnectorState,
    /// The connector's configuration by its own keys; at most 256.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 256, "additionalProperties" = {"type": "string", "maxLength": 16_384}))]
    pub config: BTreeMap<String, String>,
}

/// The wanted state of a connector in Connect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ConnectorState {
    /// Its tasks run.
    #[default]
    Running,
    /// Its tasks exist and do nothing.
    Paused,
    /// It has no tasks; its offsets stay.
    Stopped,
}

/// A container that the pipeline runs as a Deployment.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.env) || self.env.all(e, !e.name.matches('^KAFKA_(BOOTSTRAP_SERVERS|GROUP_ID|TOPICS|AUTO_OFFSET_RESET|SECURITY_PROTOCOL|(SASL|SSL)_.*)$'))")
        .message("env must not set KAFKA_BOOTSTRAP_SERVERS, KAFKA_GROUP_ID, KAFKA_TOPICS, KAFKA_AUTO_OFFSET_RESET, KAFKA_SECURITY_PROTOCOL, KAFKA_SASL_* or KAFKA_SSL_*: Sluice sets them from kafka and consumes"),
    validation = Rule::new("!has(self.volumes) || self.volumes.all(v, !v.mountPath.matches('^/etc/sluice(/|$)'))")
        .message("volumes: mountPath must not be below /etc/sluice, which is the operator's: choose another folder"),
    validation = Rule::new("!has(self.volumes) || self.volumes.all(a, self.volumes.exists_one(b, a.mountPath == b.mountPath))")
        .message("two volumes have the same mountPath: change one"),
    validation = Rule::new("!has(self.labels) || !self.labels.exists(k, k.startsWith('sluice.dev/') || k == 'app.kubernetes.io/managed-by')")
        .message("labels must not begin with sluice.dev/ or be app.kubernetes.io/managed-by: Sluice sets them, choose another key"),
    validation = Rule::new("!has(self.annotations) || !self.annotations.exists(k, k.startsWith('sluice.dev/'))")
        .message("annotations must not begin with sluice.dev/: Sluice sets them, choose another key"),
    validation = Rule::new("!has(self.labels) || self.labels.all(k, k.matches('^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$'))")
        .message("labels: a key is not a name with an optional prefix, such as team or example.org/team: use letters, digits, '-', '_' and '.'"),
    validation = Rule::new("!has(self.annotations) || self.annotations.all(k, k.matches('^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$'))")
        .message("annotations: a key is not a name with an optional prefix, such as team or example.org/team: use letters, digits, '-', '_' and '.'"),
    validation = Rule::new("!has(self.nodeSelector) || self.nodeSelector.all(k, k.matches('^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$'))")
        .message("nodeSelector: a key is not a name with an optional prefix, such as team or example.org/team: use letters, digits, '-', '_' and '.'")
)]
pub struct Container {
    /// The image.
    #[schemars(length(min = 1, max = 1024), regex(pattern = r"^[^\s]+$"))]
    pub image: String,
    /// When the image is pulled. Left out: Kubernetes' default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_pull_policy: Option<ImagePullPolicy>,
    /// Secrets of the same namespace to pull the image with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub image_pull_secrets: Vec<LocalRef>,
    /// Replaces the image's entry point.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(max = 4096)))]
    pub command: Vec<String>,
    /// Arguments of the entry point.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(max = 4096)))]
    pub args: Vec<String>,
    /// Environment variables beside those of the container contract.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub env: Vec<EnvVar>,
    /// Whole Secrets and `ConfigMap`s as environment variables.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub env_from: Vec<EnvFrom>,
    /// Compute resources.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// Ports that it listens on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub ports: Vec<Port>,
    /// When it counts as ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readiness_probe: Option<Probe>,
    /// When it is restarted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub liveness_probe: Option<Probe>,
    /// When it counts as started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub startup_probe: Option<Probe>,
    /// Seconds from SIGTERM to SIGKILL, 1 to 3,600: long enough to commit and leave the group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 3600))]
    pub termination_grace_period_seconds: Option<i64>,
    /// Volumes, each with its mount.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub volumes: Vec<Volume>,
    /// User of the process, not 0. Left out: 10001.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 2_147_483_647))]
    pub run_as_user: Option<i64>,
    /// Group of the process, not 0. Left out: 10001.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 2_147_483_647))]
    pub run_as_group: Option<i64>,
    /// Group of the volumes' files, not 0. Left out: 10001.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 2_147_483_647))]
    pub fs_group: Option<i64>,
    /// Whether the root file system is read-only. Left out: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_only_root_filesystem: Option<bool>,
    /// Labels that a node must have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16, "additionalProperties" = {"type": "string", "maxLength": 63, "pattern": LABEL_VALUE}))]
    pub node_selector: BTreeMap<String, String>,
    /// Taints that are tolerated.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub tolerations: Vec<Toleration>,
    /// How the pods spread over nodes and zones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub topology_spread_constraints: Vec<TopologySpread>,
    /// Labels of the pods beside Sluice's own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32, "additionalProperties" = {"type": "string", "maxLength": 63, "pattern": LABEL_VALUE}))]
    pub labels: BTreeMap<String, String>,
    /// Annotations of the pods beside Sluice's own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32, "additionalProperties" = {"type": "string", "maxLength": 4096}))]
    pub annotations: BTreeMap<String, String>,
}

/// What a connector reads: the meaning of its lag.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Consumes {
    /// The consumer group; required for `container`, derived for `connect`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 249), regex(pattern = r"^[a-zA-Z0-9._-]+$"))]
    pub group: Option<String>,
    /// Topics of this pipeline that the group reads.
    #[schemars(length(min = 1, max = 16), inner(length(min = 1, max = 249)))]
    pub topics: Vec<String>,
    /// How a partition without a commit counts.
    #[serde(default)]
    pub offset_reset: OffsetReset,
}

/// Where a consumer without a committed offset begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OffsetReset {
    /// At the first record: everything in the partition is unread.
    #[default]
    Earliest,
    /// At the end: nothing is unread.
    Latest,
}

/// How one connector stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConnectorStatus {
    /// The connector's name.
    #[schemars(length(max = 40))]
    pub name: String,
    /// Its role.
    pub role: Role,
    /// Where it stands.
    pub phase: ConnectorPhase,
    /// Observed pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
    /// Observed pods that are ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_replicas: Option<i32>,
    /// The count that Sluice wants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desired_replicas: Option<i32>,
    /// The count that Sluice would want, were `autoscaling.mode` not `Shadow`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow_replicas: Option<i32>,
    /// What each policy that plays no part would have done; at most 20.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub shadow: Vec<ShadowReplicas>,
    /// Tasks of a connector in Connect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tasks: Option<TaskCounts>,
    /// Unread records over all partitions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag: Option<i64>,
    /// Seconds since the oldest unread record arrived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_lag_seconds: Option<i64>,
    /// Records that arrive per second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arrival_rate: Option<f64>,
    /// Records that are processed per second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consume_rate: Option<f64>,
    /// Why it is not running: one of the stable reasons.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub reason: Option<String>,
    /// What is wrong and what to do; empty when running.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 2048))]
    pub message: String,
    /// The first 1 KiB of the first failed task's trace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub trace: Option<String>,
    /// Why scaling acts or not: one of the stable reasons.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub scaling_reason: Option<String>,
    /// The last decisions that changed the count or what held it, newest first; at most 10.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    pub decisions: Vec<DecisionStatus>,
    /// What the autoscaler must remember over a restart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<ScalingMemory>,
}

/// Where a connector stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ConnectorPhase {
    /// Not there yet, or not ready yet.
    #[default]
    Waiting,
    /// Runs as declared.
    Running,
    /// Paused as declared.
    Paused,
    /// Stopped as declared, or by `spec.suspend`.
    Stopped,
    /// It cannot run; the message says why.
    Failed,
}

/// Tasks of a connector in Connect, by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TaskCounts {
    /// Tasks that run.
    pub running: i32,
    /// Tasks that failed.
    pub failed: i32,
    /// Tasks that no worker has, or that are paused or starting.
    pub unassigned: i32,
}
