//! `autoscaling`: how many pods of a container connector should run, and what was decided.
//! Field names are those of AWS Auto Scaling and of the `HorizontalPodAutoscaler`. Wire types and
//! admission rules only.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{common::Duration, metrics::SeriesSource};

/// Lets the number of pods follow the consumer group's lag.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.minReplicas <= self.maxReplicas")
        .message("minReplicas must not exceed maxReplicas: lower minReplicas or raise maxReplicas"),
    validation = Rule::new("!has(self.interval) || (duration(self.interval) >= duration('1s') && duration(self.interval) <= duration('5m'))")
        .message("interval must lie between 1s and 5m: for example interval: 5s"),
    validation = Rule::new("!has(self.warmup) || duration(self.warmup) <= duration('1h')")
        .message("warmup must not exceed 1h: set it to the time that a pod needs until it processes records")
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
    /// What the count follows, 1 to 20 policies. Pods are added when any policy wants more and
    /// removed when all agree; of several wishes the largest wins.
    #[schemars(length(min = 1, max = 20))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub policies: Vec<Policy>,
    /// How long to wait after a change before the next one in the same direction.
    #[serde(default)]
    pub cooldown: Cooldown,
    /// How long a new pod counts as capacity but not in averages; no scale-in during that time.
    /// 0s to 1h, default 60s.
    #[serde(default = "default_warmup")]
    pub warmup: Duration,
    /// Tolerance and stabilisation per direction.
    #[serde(default)]
    pub behavior: Behavior,
    /// How the number of partitions bounds the count.
    #[serde(default)]
    pub partitions: PartitionLevels,
    /// Further series by name, for policies and for each other, at most 20.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub metrics: Vec<SeriesSource>,
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

/// One policy: a name and its kind.
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

/// Keeps a metric at its target, with the words of AWS target tracking.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.metric == 'timeLag' || !(has(self.utilization) || has(self.catchUp))")
        .message("utilization and catchUp only work with metric: timeLag: remove them, or set metric: timeLag"),
    // The apiserver cuts a fractional bound of a number without a fraction: 0 passes 0.001.
    validation = Rule::new("self.target > 0.0")
        .message("target must be above 0: for example target: 30"),
    validation = Rule::new("!has(self.utilization) || self.utilization >= 0.1")
        .message("utilization must be at least 0.1: for example utilization: 0.7"),
    validation = Rule::new("self.metric != 'timeLag' || self.target <= 604800.0")
        .message("target of metric timeLag is in seconds and must not exceed 604800 (7 days)"),
    validation = Rule::new("!has(self.catchUp) || (duration(self.catchUp) >= duration('1s') && duration(self.catchUp) <= duration('24h'))")
        .message("catchUp must lie between 1s and 24h: for example catchUp: 10m")
)]
pub struct TargetTracking {
    /// The series to keep at the target.
    pub metric: Metric,
    /// The target: unread records per replica for `lag`, seconds for `timeLag`. At least 0.001.
    #[schemars(range(min = 0.001, max = 1_000_000_000_000.0))]
    pub target: f64,
    /// Never remove pods because of this policy; others may, down to what this one needs.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub disable_scale_in: bool,
    /// How full a replica is planned, 0.1 to 1. For `timeLag` only, default 0.7.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.1, max = 1.0))]
    pub utilization: Option<f64>,
    /// Within what time a backlog over the target is worked off, 1s to 24h. For `timeLag` only,
    /// default 10m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub catch_up: Option<Duration>,
}

impl TargetTracking {
    /// How full a replica is planned, above 0 and at most 1.
    #[must_use]
    pub fn utilization(&self) -> f64 {
        self.utilization.unwrap_or(0.7)
    }

    /// Within what time a backlog is worked off, in seconds, at least 1.
    #[must_use]
    pub fn catch_up_seconds(&self) -> f64 {
        self.catch_up
            .map_or(600.0, |time| time.as_secs_f64().max(1.0))
    }
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

/// How long to wait after a change, per direction, as AWS Application Auto Scaling counts it.
#[derive(KubeSchema, Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.scaleOut) || duration(self.scaleOut) <= duration('24h')")
        .message("cooldown.scaleOut must not exceed 24h"),
    validation = Rule::new("!has(self.scaleIn) || duration(self.scaleIn) <= duration('24h')")
        .message("cooldown.scaleIn must not exceed 24h")
)]
pub struct Cooldown {
    /// After a scale-out, before the same step is taken again; a count that the metric itself
    /// calls for and that is larger passes. 0s to 24h, default 0s.
    #[serde(default = "no_time")]
    pub scale_out: Duration,
    /// After a scale-in, before the next; a scale-out ends it. 0s to 24h, default 5m.
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
    /// For scale-out: the lowest wish of the window counts. Default: window 0s, tolerance 0.1.
    #[serde(default)]
    pub scale_out: DirectionBehavior,
    /// For scale-in: the highest wish of the window counts. Default: window 5m, tolerance 0.1.
    #[serde(default)]
    pub scale_in: DirectionBehavior,
}

impl Behavior {
    /// How long a wish for more must last.
    #[must_use]
    pub fn scale_out_window(&self) -> Duration {
        self.scale_out.stabilization_window.unwrap_or(no_time())
    }

    /// How long a wish for fewer must last.
    #[must_use]
    pub fn scale_in_window(&self) -> Duration {
        self.scale_in.stabilization_window.unwrap_or(five_minutes())
    }

    /// How far above its target a metric may be without a scale-out, as a fraction.
    #[must_use]
    pub fn scale_out_tolerance(&self) -> f64 {
        self.scale_out.tolerance.unwrap_or(0.1)
    }

    /// How far below its target a metric may be without a scale-in, as a fraction.
    #[must_use]
    pub fn scale_in_tolerance(&self) -> f64 {
        self.scale_in.tolerance.unwrap_or(0.1)
    }
}

/// Steadiness in one direction.
#[derive(KubeSchema, Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.stabilizationWindow) || duration(self.stabilizationWindow) <= duration('1h')")
    .message("stabilizationWindow must not exceed 1h"))]
pub struct DirectionBehavior {
    /// The most cautious wish within this time counts, 0s to 1h.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stabilization_window: Option<Duration>,
    /// How far from its target a metric may be without a change, 0 to 1 (0.1 is 10 %); the edge
    /// itself holds.
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DecisionStatus {
    /// When.
    pub at: Time,
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
    #[schemars(length(max = 16))]
    pub stages: Vec<StageStatus>,
}

/// One stage of a decision.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StageStatus {
    /// Its name; a policy's is `policy/` and the policy's name.
    #[schemars(length(max = 80))]
    pub name: String,
    /// Count before the stage.
    pub input: i32,
    /// Count after the stage.
    pub output: i32,
    /// Why they differ, or why not.
    #[schemars(length(max = 160))]
    pub reason: String,
}

/// What the autoscaler must remember over a restart; below 8 KiB.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScalingMemory {
    /// The last scale-out: warm-up and the scale-out cooldown count from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_scale_out: Option<ScalingChange>,
    /// The last scale-in: the scale-in cooldown counts from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_scale_in: Option<ScalingChange>,
    /// The highest wishes of the scale-in window, falling; at most 32.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub highest_wishes: Vec<ScalingWish>,
    /// The lowest wishes of the scale-out window, rising; at most 32.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub lowest_wishes: Vec<ScalingWish>,
    /// What one pod can process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<LearntCapacity>,
    /// How long the group's last rebalances took, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rebalance_seconds: Option<i32>,
}

/// A change of the count that was decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ScalingChange {
    /// When.
    pub at: Time,
    /// Count before.
    pub from: i32,
    /// Count after.
    pub to: i32,
}

/// A count that was wished for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ScalingWish {
    /// The count.
    pub count: i32,
    /// When it was wished for last; left out while it still is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
}

/// What one pod can process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LearntCapacity {
    /// Records per second of one pod, to three significant digits: measured while every pod had a
    /// backlog, or, without such samples, the most that a pod was seen to do.
    pub per_replica: f64,
    /// How many saturated samples it rests on, counted up to 100; 0: a lower bound.
    pub samples: i32,
    /// The lowest records per second and pod at which the group fell behind, until measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub too_much: Option<f64>,
    /// The revision of the pods that it holds for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub revision: Option<String>,
}
