//! `autoscaling`: how many pods of a container connector should run, and what was decided.
//! Field names are those of AWS Auto Scaling and of the `HorizontalPodAutoscaler`. Wire types and
//! admission rules only.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::common::Duration;

/// Lets the number of pods follow the consumer group's lag.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.minReplicas <= self.maxReplicas")
        .message("minReplicas must not exceed maxReplicas: lower minReplicas or raise maxReplicas"),
    validation = Rule::new("!has(self.interval) || (duration(self.interval) >= duration('1s') && duration(self.interval) <= duration('5m'))")
        .message("interval must lie between 1s and 5m")
)]
pub struct Autoscaling {
    /// Fewest pods, 1 to 1,000.
    #[serde(default = "default_min")]
    #[schemars(range(min = 1, max = 1000))]
    pub min_replicas: i32,
    /// Most pods, 1 to 1,000.
    #[schemars(range(min = 1, max = 1000))]
    pub max_replicas: i32,
    /// How often lag is sampled and a decision is made, 1s to 5m. Default 5s.
    #[serde(default = "default_interval")]
    pub interval: Duration,
    /// What the count follows; the policy that wants the most pods wins.
    #[schemars(length(min = 1, max = 20))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub policies: Vec<Policy>,
    /// How long to wait after a change before the next in the same direction.
    #[serde(default)]
    pub cooldown: Cooldown,
    /// How long a new pod counts as capacity but not in averages. Default 60s.
    #[serde(default = "default_warmup")]
    pub warmup: Duration,
    /// Tolerance and stabilisation per direction.
    #[serde(default)]
    pub behavior: Behavior,
    /// How the number of partitions bounds the count.
    #[serde(default)]
    pub partitions: PartitionLevels,
}

const fn default_min() -> i32 {
    1
}

const fn default_interval() -> Duration {
    Duration::from_secs(5)
}

const fn default_warmup() -> Duration {
    Duration::from_secs(60)
}

/// One policy: a name and exactly one kind.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Policy {
    /// The policy's name, unique within the block.
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub name: String,
    /// Keeps a metric at a target, as AWS target tracking does.
    pub target_tracking: TargetTracking,
}

/// Keeps a metric at its target.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.metric == 'timeLag' || !(has(self.utilization) || has(self.catchUp))")
    .message("utilization and catchUp belong to metric timeLag"))]
pub struct TargetTracking {
    /// The series to keep at the target.
    pub metric: Metric,
    /// The target: records per replica for `lag`, seconds for `timeLag`. Above 0.
    #[schemars(range(min = 0.001, max = 1_000_000_000_000.0))]
    pub target: f64,
    /// Never remove pods because of this policy.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub disable_scale_in: bool,
    /// How full a replica is planned, 0.1 to 1. For `timeLag` only. Default 0.7.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.1, max = 1.0))]
    pub utilization: Option<f64>,
    /// Within what time a backlog is worked off. For `timeLag` only. Default 10m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub catch_up: Option<Duration>,
}

/// A series that is always there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Metric {
    /// Unread records over all partitions; the count wanted is `ceil(lag / target)`.
    #[default]
    Lag,
    /// Seconds since the oldest unread record arrived; the count follows the capacity model.
    TimeLag,
}

/// How long to wait after a change, per direction.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Cooldown {
    /// After a scale-out; a larger scale-out passes. Default 0s.
    #[serde(default = "no_time")]
    pub scale_out: Duration,
    /// After any change, before a scale-in. Default 5m.
    #[serde(default = "five_minutes")]
    pub scale_in: Duration,
}

impl Default for Cooldown {
    fn default() -> Self {
        Self {
            scale_out: no_time(),
            scale_in: five_minutes(),
        }
    }
}

const fn no_time() -> Duration {
    Duration::from_secs(0)
}

const fn five_minutes() -> Duration {
    Duration::from_secs(300)
}

/// Steadiness per direction, in the words of the `HorizontalPodAutoscaler`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Behavior {
    /// For scale-out. Defaults: window 0s, tolerance 0.1.
    #[serde(default)]
    pub scale_out: DirectionBehavior,
    /// For scale-in. Defaults: window 5m, tolerance 0.1.
    #[serde(default)]
    pub scale_in: DirectionBehavior,
}

/// Steadiness in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DirectionBehavior {
    /// The most cautious wish within this time counts, at most 1h.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stabilization_window: Option<Duration>,
    /// How far from its target a metric may be without a change, 0 to 1 (0.1 is 10 %).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub tolerance: Option<f64>,
}

/// How the number of partitions bounds the count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PartitionLevels {
    /// Only use counts that lower the largest number of partitions on one pod. Default true.
    #[serde(default = "yes")]
    pub align: bool,
    /// Allow more pods than partitions; the rest stays idle. Default false.
    #[serde(default)]
    pub allow_idle: bool,
}

impl Default for PartitionLevels {
    fn default() -> Self {
        Self {
            align: true,
            allow_idle: false,
        }
    }
}

const fn yes() -> bool {
    true
}

/// One decision that changed the count, or what held it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DecisionStatus {
    /// When, RFC 3339.
    #[schemars(length(max = 40))]
    pub at: String,
    /// Count before.
    pub from: i32,
    /// Count after.
    pub to: i32,
    /// The policy or stage that decided.
    #[schemars(length(max = 63))]
    pub by: String,
    /// One sentence for a person.
    #[schemars(length(max = 512))]
    pub why: String,
    /// The stages in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub stages: Vec<StageStatus>,
}

/// One stage of a decision.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StageStatus {
    /// Its name.
    #[schemars(length(max = 63))]
    pub name: String,
    /// Count before the stage.
    pub input: i32,
    /// Count after the stage.
    pub output: i32,
    /// Why they differ, or why not.
    #[schemars(length(max = 256))]
    pub reason: String,
}

/// What the autoscaler must remember over a restart; at most 8 KiB.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScalingMemory {
    /// The last scale-out, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 40))]
    pub last_scale_out: Option<String>,
    /// The last scale-in, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 40))]
    pub last_scale_in: Option<String>,
    /// Records per second that one pod processes, learnt while saturated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity_per_replica: Option<f64>,
    /// The pod template's revision that the capacity belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub revision: Option<String>,
}
