//! `autoscaling`: how many pods of a container connector should run. Field names are those of AWS
//! Auto Scaling, Azure Autoscale and the `HorizontalPodAutoscaler`. Wire types and admission rules
//! only.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    common::Duration,
    metrics::SeriesSource,
    policies::Policy,
    schedules::{Profile, Schedule, Suspension},
    steadiness::{Behavior, Cooldown, PartitionLevels},
};

/// Lets the number of pods follow the consumer group's lag.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.minReplicas <= self.maxReplicas")
        .message("minReplicas must not exceed maxReplicas: lower minReplicas or raise maxReplicas"),
    validation = Rule::new("!has(self.defaultReplicas) || (self.defaultReplicas >= self.minReplicas && self.defaultReplicas <= self.maxReplicas)")
        .message("defaultReplicas must lie between minReplicas and maxReplicas"),
    validation = Rule::new("size(self.policies) > 0 || has(self.schedules) || has(self.profiles)")
        .message("autoscaling needs at least one of policies, schedules and profiles"),
    validation = Rule::new("!has(self.interval) || (duration(self.interval) >= duration('1s') && duration(self.interval) <= duration('5m'))")
        .message("interval must lie between 1s and 5m: for example interval: 5s"),
    validation = Rule::new("!has(self.warmup) || duration(self.warmup) <= duration('1h')")
        .message("warmup must not exceed 1h: set it to the time that a pod needs until it processes records"),
    validation = Rule::new("!has(self.overrideFor) || duration(self.overrideFor) <= duration('168h')")
        .message("overrideFor must not exceed 168h (7 days)"),
    // Every end of a step is the beginning of exactly one other, but for the outermost, which is open
    // or the threshold itself. The same of a profile's policies would cost too much here: those are
    // checked when they are planned.
    validation = Rule::new("self.policies.all(p, !has(p.step) || (p.step.steps.filter(s, !has(s.lowerBound)).size() <= 1 && p.step.steps.all(s, !has(s.upperBound) || p.step.steps.exists_one(t, has(t.lowerBound) && t.lowerBound == s.upperBound) || (s.upperBound <= 0.0 && p.step.steps.all(t, has(t.upperBound) && t.upperBound <= s.upperBound)))))")
        .message("step.steps: a step ends where no other begins, or several do: every upperBound is the lowerBound of exactly one other step, and the highest step has none, unless it ends at the threshold (0)"),
    validation = Rule::new("self.policies.all(p, !has(p.step) || (p.step.steps.filter(s, !has(s.upperBound)).size() <= 1 && p.step.steps.all(s, !has(s.lowerBound) || p.step.steps.exists_one(t, has(t.upperBound) && t.upperBound == s.lowerBound) || (s.lowerBound >= 0.0 && p.step.steps.all(t, has(t.lowerBound) && t.lowerBound >= s.lowerBound)))))")
        .message("step.steps: a step begins where no other ends, or several do: every lowerBound is the upperBound of exactly one other step, and the lowest step has none, unless it begins at the threshold (0)")
)]
pub struct Autoscaling {
    /// Fewest pods, 0 to 1,000; 0 lets the connector scale to zero. Default 1.
    #[serde(default = "default_min")]
    #[schemars(range(min = 0, max = 1000))]
    pub min_replicas: i32,
    /// Most pods, 1 to 1,000.
    #[schemars(range(min = 1, max = 1000))]
    pub max_replicas: i32,
    /// The floor while no metric can be read, within the bounds; never lowers the count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1000))]
    pub default_replicas: Option<i32>,
    /// Whether decisions are carried out. Default `Active`.
    #[serde(default)]
    pub mode: Mode,
    /// How often lag is sampled and a decision is made, 1s to 5m. Default 5s.
    #[serde(default = "default_interval")]
    pub interval: Duration,
    /// What the count follows, at most 20 policies. Pods are added when any policy wants more and
    /// removed when all agree; of several wishes the largest wins.
    #[serde(default)]
    #[schemars(length(max = 20))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub policies: Vec<Policy>,
    /// Other bounds at certain times, at most 20; AWS's scheduled actions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub schedules: Vec<Schedule>,
    /// Other bounds and policies at certain times, at most 20; Azure's profiles.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub profiles: Vec<Profile>,
    /// How long to wait after a change before the next one in the same direction.
    #[serde(default)]
    pub cooldown: Cooldown,
    /// How long a new pod counts as capacity but not in averages; no scale-in during that time.
    /// 0s to 1h, default 60s.
    #[serde(default = "default_warmup")]
    pub warmup: Duration,
    /// Tolerance, stabilisation and step limits per direction.
    #[serde(default)]
    pub behavior: Behavior,
    /// When a connector at zero pods starts, and when it may go back to zero.
    #[serde(default)]
    pub activation: Activation,
    /// How the number of partitions bounds the count.
    #[serde(default)]
    pub partitions: PartitionLevels,
    /// How long a count that somebody else set (`kubectl scale`) is left alone, within the bounds;
    /// 0s to 168h, default 1h.
    #[serde(default = "one_hour")]
    pub override_for: Duration,
    /// What the autoscaler is kept from, for a time.
    #[serde(default)]
    pub suspend: Suspension,
    /// Further series by name, for policies and for each other, at most 20.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub metrics: Vec<SeriesSource>,
}

/// Whether decisions are carried out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Mode {
    /// They are.
    #[default]
    Active,
    /// They are made and shown, and nobody acts.
    Shadow,
    /// None are made.
    Off,
}

/// From zero pods to one, and back. Above one the policies decide.
#[derive(KubeSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.idleFor) || duration(self.idleFor) <= duration('168h')")
    .message("idleFor must not exceed 168h (7 days): for example idleFor: 5m"))]
pub struct Activation {
    /// From zero when more records than this are unread. Default 0. A `lagThreshold` policy may ask
    /// for more.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub lag: i64,
    /// To zero only after no record was unread for so long, proven: every partition is read and has
    /// a commit at its end, and no record arrives. 0s to 168h, default 5m.
    #[serde(default = "five_minutes")]
    pub idle_for: Duration,
}

impl Default for Activation {
    fn default() -> Self {
        Self {
            lag: 0,
            idle_for: five_minutes(),
        }
    }
}

const fn five_minutes() -> Duration {
    Duration::from_secs(300)
}

const fn one_hour() -> Duration {
    Duration::from_secs(3600)
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
