//! The kinds of policies, each with its vendor's field names: AWS Auto Scaling's target tracking,
//! step, simple and predictive scaling, Azure Autoscale's rules, KEDA's lag threshold. Wire types and
//! admission rules only.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{common::Duration, connectors::OffsetReset};

/// One policy: a name and exactly one kind.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.targetTracking), has(self.step), has(self.simple), has(self.rules), has(self.lagThreshold), has(self.predictive)].filter(kind, kind).size() == 1")
    .message("a policy has exactly one of targetTracking, step, simple, rules, lagThreshold, predictive: split it into one policy a kind"))]
pub struct Policy {
    /// The policy's name, unique within the block.
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub name: String,
    /// `Shadow`: it says what it would do, and plays no part. Default `Active`.
    #[serde(default)]
    pub mode: PolicyMode,
    /// Keeps a metric at a target, as AWS target tracking does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_tracking: Option<TargetTracking>,
    /// Changes the count by how far a metric is beyond a threshold, as AWS step scaling does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<Step>,
    /// Changes the count once and then waits, as AWS simple scaling does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub simple: Option<Simple>,
    /// Rules in the form of Azure Autoscale: out when any is true, in when all are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    pub rules: Vec<ScaleRule>,
    /// The lag trigger of KEDA, so that a `ScaledObject` can be moved over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag_threshold: Option<LagThreshold>,
    /// Adds pods ahead of a load that comes back every day or week.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predictive: Option<Predictive>,
}

/// A policy's kind.
#[derive(Clone, Copy, Debug)]
pub enum PolicyKind<'a> {
    /// AWS target tracking.
    TargetTracking(&'a TargetTracking),
    /// AWS step scaling.
    Step(&'a Step),
    /// AWS simple scaling.
    Simple(&'a Simple),
    /// Azure Autoscale rules.
    Rules(&'a [ScaleRule]),
    /// KEDA's lag trigger.
    LagThreshold(&'a LagThreshold),
    /// A forecast.
    Predictive(&'a Predictive),
}

impl Policy {
    /// Whether the policy plays no part and only says what it would do: `mode: Shadow`, or a forecast
    /// that is only shown.
    #[must_use]
    pub fn is_shadow(&self) -> bool {
        let forecast = self.predictive.as_ref().map(|forecast| forecast.mode);
        self.mode == PolicyMode::Shadow || forecast == Some(PredictiveMode::ForecastOnly)
    }

    /// The kind; none where the definition's rules were not applied.
    #[must_use]
    pub fn kind(&self) -> Option<PolicyKind<'_>> {
        let target_tracking = self.target_tracking.as_ref();
        let rules = (!self.rules.is_empty()).then_some(PolicyKind::Rules(&self.rules));
        target_tracking
            .map(PolicyKind::TargetTracking)
            .or(self.step.as_ref().map(PolicyKind::Step))
            .or(self.simple.as_ref().map(PolicyKind::Simple))
            .or(rules)
            .or(self.lag_threshold.as_ref().map(PolicyKind::LagThreshold))
            .or(self.predictive.as_ref().map(PolicyKind::Predictive))
    }
}

/// Whether a policy plays a part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PolicyMode {
    /// It does.
    #[default]
    Active,
    /// It only says what it would do.
    Shadow,
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
        .message("utilization must be at least 0.1: for example utilization: 0.85"),
    validation = Rule::new("self.metric != 'timeLag' || self.target <= 604800.0")
        .message("target of metric timeLag is in seconds and must not exceed 604800 (7 days)"),
    validation = Rule::new("!has(self.of) || self.metric != 'timeLag'")
        .message("of does not apply to metric: timeLag, which follows what a pod can process: remove it"),
    validation = Rule::new("!has(self.catchUp) || (duration(self.catchUp) >= duration('1s') && duration(self.catchUp) <= duration('24h'))")
        .message("catchUp must lie between 1s and 24h: for example catchUp: 2m")
)]
pub struct TargetTracking {
    /// The series to keep at the target: `lag` (records), `timeLag` (seconds), `arrivalRate` or
    /// `consumeRate` (records per second), `laggingPartitions`, or a name of `metrics`.
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-zA-Z_][a-zA-Z0-9_]*$"))]
    pub metric: String,
    /// The target, in the metric's unit; for a sum, per replica. At least 0.001.
    #[schemars(range(min = 0.001, max = 1_000_000_000_000.0))]
    pub target: f64,
    /// Whether the metric is a sum over the replicas or their average. Left out: `Total` for `lag`,
    /// `arrivalRate`, `consumeRate` and `laggingPartitions`, else `PerReplica`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<MetricOf>,
    /// Never remove pods because of this policy; others may, down to what this one needs.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub disable_scale_in: bool,
    /// How full a replica is planned, 0.1 to 1. For `timeLag` only, default 0.85.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.1, max = 1.0))]
    pub utilization: Option<f64>,
    /// Within what time a backlog over the target is worked off, 1s to 24h. For `timeLag` only,
    /// default 2m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub catch_up: Option<Duration>,
}

/// What a metric's value is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum MetricOf {
    /// An average over the replicas, such as a CPU's use: `replicas x value / target` are needed.
    PerReplica,
    /// A sum, such as a backlog: `value / target` are needed.
    Total,
}

impl TargetTracking {
    /// Whether the metric is the age of the oldest unread record.
    #[must_use]
    pub fn is_time_lag(&self) -> bool {
        self.metric == TIME_LAG
    }

    /// What the metric's value is of.
    #[must_use]
    pub fn of(&self) -> MetricOf {
        let is_sum = SUMS.contains(&self.metric.as_str());
        self.of.unwrap_or(if is_sum {
            MetricOf::Total
        } else {
            MetricOf::PerReplica
        })
    }

    /// How full a replica is planned, above 0 and at most 1.
    #[must_use]
    pub fn utilization(&self) -> f64 {
        self.utilization.unwrap_or(UTILIZATION)
    }

    /// Within what time a backlog is worked off, in seconds, at least 1.
    #[must_use]
    pub fn catch_up_seconds(&self) -> f64 {
        self.catch_up
            .map_or(CATCH_UP, |time| time.as_secs_f64().max(1.0))
    }
}

/// How full a replica is planned, unless a policy says otherwise (docs/adr/016).
const UTILIZATION: f64 = 0.85;
/// Within how many seconds a backlog is worked off, unless a policy says otherwise.
const CATCH_UP: f64 = 120.0;

/// Unread records over all partitions.
pub const LAG: &str = "lag";
/// Seconds since the oldest unread record arrived.
pub const TIME_LAG: &str = "timeLag";
/// Records that arrive per second.
pub const ARRIVAL_RATE: &str = "arrivalRate";
/// Records that are processed per second.
pub const CONSUME_RATE: &str = "consumeRate";
/// Partitions with unread records.
pub const LAGGING_PARTITIONS: &str = "laggingPartitions";
/// The series that are always there and are sums over the replicas.
pub const SUMS: [&str; 4] = [LAG, ARRIVAL_RATE, CONSUME_RATE, LAGGING_PARTITIONS];

/// When a metric's value is beyond a threshold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Comparison {
    /// `>=`
    #[default]
    GreaterThanOrEqualToThreshold,
    /// `>`
    GreaterThanThreshold,
    /// `<`
    LessThanThreshold,
    /// `<=`
    LessThanOrEqualToThreshold,
}

impl Comparison {
    /// Whether the side above the threshold is meant.
    #[must_use]
    pub const fn is_above(self) -> bool {
        matches!(
            self,
            Self::GreaterThanOrEqualToThreshold | Self::GreaterThanThreshold
        )
    }
}

/// What an adjustment is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum AdjustmentType {
    /// So many pods more, or fewer when negative.
    #[default]
    ChangeInCapacity,
    /// So many per cent of the count more, or fewer when negative. A part of a pod counts as one,
    /// and beyond that the change is rounded towards zero.
    PercentChangeInCapacity,
    /// This count.
    ExactCapacity,
}

/// How the samples of one period become one value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum MetricAggregation {
    /// Their mean.
    #[default]
    Average,
    /// The smallest.
    Minimum,
    /// The largest.
    Maximum,
}

/// The alarm of a step or simple policy: a metric beyond a threshold for some periods.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.period) || (duration(self.period) >= duration('1s') && duration(self.period) <= duration('1h'))")
    .message("period must lie between 1s and 1h: for example period: 1m"))]
pub struct Step {
    /// The series that is compared. When a scale-in is rehearsed, a name of `metrics` is taken for
    /// an average over the pods, which rises as their number falls.
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-zA-Z_][a-zA-Z0-9_]*$"))]
    pub metric: String,
    /// The value that it is compared with.
    #[schemars(range(min = -1_000_000_000_000.0, max = 1_000_000_000_000.0))]
    pub threshold: f64,
    /// When the alarm sounds.
    #[serde(default)]
    pub comparison: Comparison,
    /// How the samples of one period become one value. Default `Average`.
    #[serde(default)]
    pub metric_aggregation: MetricAggregation,
    /// The length of one period, 1s to 1h. Default 1m.
    #[serde(default = "one_minute")]
    pub period: Duration,
    /// How many periods in a row must be beyond the threshold, 1 to 60. Default 1.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 60))]
    pub evaluation_periods: i32,
    /// What the adjustments of `steps` are.
    #[serde(default)]
    pub adjustment_type: AdjustmentType,
    /// The smallest change that a percentage makes, in pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub min_adjustment_magnitude: Option<i32>,
    /// The bands, 1 to 20, relative to the threshold; without overlap and without a gap.
    #[schemars(length(min = 1, max = 20))]
    pub steps: Vec<StepAdjustment>,
}

/// One band of a step policy and what it does.
#[derive(KubeSchema, Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.lowerBound) || has(self.upperBound)")
        .message("a step needs lowerBound, upperBound or both: a single step is written lowerBound: 0"),
    validation = Rule::new("!has(self.lowerBound) || !has(self.upperBound) || self.lowerBound < self.upperBound")
        .message("lowerBound must be below upperBound")
)]
pub struct StepAdjustment {
    /// Where the band begins, relative to the threshold; left out: it is open below.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = -1_000_000_000_000.0, max = 1_000_000_000_000.0))]
    pub lower_bound: Option<f64>,
    /// Where the band ends, relative to the threshold; left out: it is open above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = -1_000_000_000_000.0, max = 1_000_000_000_000.0))]
    pub upper_bound: Option<f64>,
    /// By how much the count changes, or what it becomes.
    #[schemars(range(min = -100_000, max = 100_000))]
    pub adjustment: i32,
}

/// AWS simple scaling: one adjustment, then a wait.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.period) || (duration(self.period) >= duration('1s') && duration(self.period) <= duration('1h'))")
        .message("period must lie between 1s and 1h: for example period: 1m"),
    validation = Rule::new("!has(self.cooldown) || duration(self.cooldown) <= duration('24h')")
        .message("cooldown must not exceed 24h")
)]
pub struct Simple {
    /// The series that is compared. When a scale-in is rehearsed, a name of `metrics` is taken for
    /// an average over the pods, which rises as their number falls.
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-zA-Z_][a-zA-Z0-9_]*$"))]
    pub metric: String,
    /// The value that it is compared with.
    #[schemars(range(min = -1_000_000_000_000.0, max = 1_000_000_000_000.0))]
    pub threshold: f64,
    /// When the alarm sounds.
    #[serde(default)]
    pub comparison: Comparison,
    /// How the samples of one period become one value. Default `Average`.
    #[serde(default)]
    pub metric_aggregation: MetricAggregation,
    /// The length of one period, 1s to 1h. Default 1m.
    #[serde(default = "one_minute")]
    pub period: Duration,
    /// How many periods in a row must be beyond the threshold, 1 to 60. Default 1.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 60))]
    pub evaluation_periods: i32,
    /// What `adjustment` is.
    #[serde(default)]
    pub adjustment_type: AdjustmentType,
    /// The smallest change that a percentage makes, in pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub min_adjustment_magnitude: Option<i32>,
    /// By how much the count changes, or what it becomes.
    #[schemars(range(min = -100_000, max = 100_000))]
    pub adjustment: i32,
    /// How long this policy waits after it has acted and its pods are ready, 0s to 24h. Default 5m.
    #[serde(default = "five_minutes")]
    pub cooldown: Duration,
}

const fn one() -> i32 {
    1
}

const fn one_minute() -> Duration {
    Duration::from_secs(60)
}

const fn five_minutes() -> Duration {
    Duration::from_secs(300)
}

/// One rule of Azure Autoscale: when a metric is beyond a threshold, and what then happens.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.timeGrain) || !has(self.timeWindow) || duration(self.timeGrain) <= duration(self.timeWindow)")
        .message("timeGrain must not exceed timeWindow"),
    validation = Rule::new("!has(self.timeWindow) || duration(self.timeWindow) <= duration('12h')")
        .message("timeWindow must not exceed 12h: for example timeWindow: 5m"),
    validation = Rule::new("!has(self.timeGrain) || duration(self.timeGrain) >= duration('1s')")
        .message("timeGrain must be at least 1s: for example timeGrain: 1m"),
    validation = Rule::new("!has(self.cooldown) || duration(self.cooldown) <= duration('168h')")
        .message("cooldown must not exceed 168h (7 days)")
)]
pub struct ScaleRule {
    /// The series that is compared. When a scale-in is rehearsed, a name of `metrics` is taken for
    /// an average over the pods, which rises as their number falls.
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-zA-Z_][a-zA-Z0-9_]*$"))]
    pub metric: String,
    /// How the samples of one grain become one value. Default `Average`.
    #[serde(default)]
    pub statistic: Statistic,
    /// The length of one grain, 1s to 12h. Default 1m.
    #[serde(default = "one_minute")]
    pub time_grain: Duration,
    /// How far back the grains count, at most 12h. Default 5m.
    #[serde(default = "five_minutes")]
    pub time_window: Duration,
    /// How the grains of the window become one value. Default `Average`.
    #[serde(default)]
    pub time_aggregation: TimeAggregation,
    /// How the value is compared.
    pub operator: Operator,
    /// What it is compared with.
    #[schemars(range(min = -1_000_000_000_000.0, max = 1_000_000_000_000.0))]
    pub threshold: f64,
    /// Whether the value is divided by the count before it is compared.
    #[serde(default)]
    pub divide_per_instance: bool,
    /// Whether pods are added or removed.
    pub direction: Direction,
    /// What `value` is. Default `ChangeCount`.
    #[serde(default, rename = "type")]
    pub kind: ChangeType,
    /// By how much, or to what; at least 1. Default 1.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 100_000))]
    pub value: i32,
    /// How long no rule of this policy acts after this one did, 0s to 168h; after a rule that
    /// removed pods those that add some may all the same. Default 5m.
    #[serde(default = "five_minutes")]
    pub cooldown: Duration,
}

/// How the samples of one grain become one value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Statistic {
    /// Their mean.
    #[default]
    Average,
    /// The smallest.
    Min,
    /// The largest.
    Max,
    /// Their sum.
    Sum,
    /// How many there are.
    Count,
}

/// How the grains of a window become one value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TimeAggregation {
    /// Their mean.
    #[default]
    Average,
    /// The smallest.
    Minimum,
    /// The largest.
    Maximum,
    /// Their sum.
    Total,
    /// How many there are.
    Count,
    /// The newest.
    Last,
}

/// How a value is compared with a threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Operator {
    /// `==`
    Equals,
    /// `!=`
    NotEquals,
    /// `>`
    GreaterThan,
    /// `>=`
    GreaterThanOrEqual,
    /// `<`
    LessThan,
    /// `<=`
    LessThanOrEqual,
}

/// Whether a rule adds or removes pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Direction {
    /// It adds.
    Increase,
    /// It removes.
    Decrease,
}

/// What a rule's value is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ChangeType {
    /// So many pods more or fewer.
    #[default]
    ChangeCount,
    /// So many per cent more or fewer. Azure does not document how it rounds; here a part of a pod
    /// counts as one, and beyond that the change is rounded towards zero, as AWS does.
    PercentChangeCount,
    /// This count.
    ExactCount,
}

/// The Kafka trigger of KEDA in its own words, without its known defects: the count is bounded by
/// the partitions and never the metric.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LagThreshold {
    /// Unread records per replica, at least 1. Default 10.
    #[serde(default = "ten")]
    #[schemars(range(min = 1))]
    pub lag_threshold: i64,
    /// From zero pods only when the lag is above this. Default 0.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub activation_lag_threshold: i64,
    /// How a partition without a commit counts, for this policy only: `latest` counts nothing,
    /// `earliest` the records that its log still holds. Default `latest`.
    #[serde(default)]
    pub offset_reset_policy: OffsetResetPolicy,
    /// Leave out partitions that are stuck: behind, and without a commit for at least three samples
    /// and two commit intervals.
    #[serde(default)]
    pub exclude_persistent_lag: bool,
    /// Never more pods than partitions with lag.
    #[serde(default)]
    pub limit_to_partitions_with_lag: bool,
}

const fn ten() -> i64 {
    10
}

/// KEDA's words for where a consumer without a commit begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum OffsetResetPolicy {
    /// At the end.
    #[default]
    Latest,
    /// At the first record.
    Earliest,
}

impl From<OffsetResetPolicy> for OffsetReset {
    fn from(policy: OffsetResetPolicy) -> Self {
        match policy {
            OffsetResetPolicy::Latest => Self::Latest,
            OffsetResetPolicy::Earliest => Self::Earliest,
        }
    }
}

/// A forecast from the load of the days before. It only adds pods, and never beyond `maxReplicas`.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.lookAhead) || duration(self.lookAhead) <= duration('1h')")
        .message("lookAhead must not exceed 1h: set it to the time that a pod needs to start"),
    validation = Rule::new("!has(self.history) || duration(self.history) >= duration('24h')")
        .message("history must be at least 24h: there is no day to learn from otherwise")
)]
pub struct Predictive {
    /// `ForecastOnly`: it says what it would do. Default `ForecastOnly`.
    #[serde(default)]
    pub mode: PredictiveMode,
    /// How long before a forecast load its pods are asked for, 0s to 1h. Default 5m.
    #[serde(default = "five_minutes")]
    pub look_ahead: Duration,
    /// How much of the past counts, 24h to 168h. Default 168h.
    #[serde(default = "one_week")]
    pub history: Duration,
    /// How full a replica is planned, 0.1 to 1. Default 0.85.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.1, max = 1.0))]
    pub utilization: Option<f64>,
}

const fn one_week() -> Duration {
    Duration::from_secs(7 * 24 * 3600)
}

impl Predictive {
    /// How full a replica is planned, above 0 and at most 1.
    #[must_use]
    pub fn utilization(&self) -> f64 {
        self.utilization.unwrap_or(UTILIZATION)
    }
}

/// Whether a forecast acts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PredictiveMode {
    /// It only says what it would do.
    #[default]
    ForecastOnly,
    /// It adds pods ahead of the load.
    ForecastAndScale,
}
