//! What keeps the count steady: cooldowns, stabilisation windows, tolerance, step limits, and how
//! partitions bound it. Field names are those of AWS Auto Scaling and of the
//! `HorizontalPodAutoscaler`. Wire types and admission rules only.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::common::Duration;

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
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
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
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
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
    /// Which of the step limits counts when there are several. Default `Max`.
    #[serde(default)]
    pub select_policy: SelectPolicy,
    /// Step limits: how much the count may change within a time. Default none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub policies: Vec<StepLimit>,
}

/// Which of several step limits counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SelectPolicy {
    /// The one that allows the largest change.
    #[default]
    Max,
    /// The one that allows the smallest change.
    Min,
    /// No change in this direction at all.
    Disabled,
}

/// How much the count may change within a time, as the `HorizontalPodAutoscaler` counts it: from
/// the count at the start of the period.
#[derive(KubeSchema, Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("duration(self.period) >= duration('1s') && duration(self.period) <= duration('30m')")
    .message("period must lie between 1s and 30m: for example period: 1m"))]
pub struct StepLimit {
    /// What `value` counts.
    #[serde(rename = "type")]
    pub kind: StepLimitType,
    /// Pods, or per cent of the count at the start of the period; at least 1.
    #[schemars(range(min = 1, max = 100_000))]
    pub value: i32,
    /// The time, 1s to 30m.
    pub period: Duration,
}

/// What a step limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum StepLimitType {
    /// Pods.
    Pods,
    /// Per cent of the count at the start of the period: rounded up for scale-out, down for what
    /// remains after a scale-in.
    Percent,
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
