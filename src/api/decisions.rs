//! What status says of the autoscaler: its last decisions, and what it must remember over a restart.
//! Wire types only.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::common::Duration;

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
    /// Whether it was only shown: `autoscaling.mode` was `Shadow`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shadow: bool,
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

/// The count that a policy which plays no part would have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ShadowReplicas {
    /// The policy.
    #[schemars(length(max = 63))]
    pub name: String,
    /// The count that it wants, within the bounds and at a level of the partitions.
    pub replicas: i32,
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
    /// The changes of the last day, oldest first, at most 18: what scale-outs added that is still on
    /// its way.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 18))]
    pub changes: Vec<ScalingChange>,
    /// The policies that have acted and now wait for pods or for their own cooldown; at most 20.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub acts: Vec<PolicyAct>,
    /// The highest wishes of the scale-in window, falling; at most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub highest_wishes: Vec<ScalingWish>,
    /// The lowest wishes of the scale-out window, rising; at most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub lowest_wishes: Vec<ScalingWish>,
    /// What one pod can process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<LearntCapacity>,
    /// How long the group's last rebalances took, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rebalance_seconds: Option<i32>,
    /// The newest occurrence of a schedule whose `replicas` was set, or passed by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedules_set: Option<Time>,
    /// The newest occurrence of a schedule that fell into a suspension: nothing makes up for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedules_skipped: Option<Time>,
    /// The proof that no record was unread, where `minReplicas` is 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle: Option<IdleProof>,
    /// The count that somebody else has set, while it is left alone.
    #[serde(default, rename = "override", skip_serializing_if = "Option::is_none")]
    pub overridden: Option<ScalingOverride>,
    /// The last scale-in that a scale-out had to undo.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undone: Option<UndoneScaleIn>,
    /// The revision of the pods that `onTrial` and `ineffective` are about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub effect_of: Option<String>,
    /// The last scale-out, while it is not known yet whether it brought anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_trial: Option<ScaleOutOnTrial>,
    /// A scale-out that brought nothing: until then there is no other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ineffective: Option<IneffectiveScaleOut>,
    /// Partitions whose commit does not move while records wait, as far as there is room:
    /// `topic/partition@commit`, separated by spaces, without a commit `topic/partition`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub stuck: Option<String>,
    /// What arrived in the hours before, where a predictive policy looks back on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hours: Option<HourlyArrivals>,
}

/// A scale-in that a scale-out had to undo within the hour.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UndoneScaleIn {
    /// The count that proved too small.
    pub count: i32,
    /// Until when it is not tried again, unless the need lies well below it.
    pub until: Time,
}

/// A scale-out that was made while the group was behind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScaleOutOnTrial {
    /// Count before.
    pub from: i32,
    /// Records per second that one pod processed before.
    pub per_replica: f64,
}

/// A scale-out after which the group, still behind, processed hardly more than before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IneffectiveScaleOut {
    /// Count before.
    pub from: i32,
    /// Count after.
    pub to: i32,
    /// Until when no policy adds pods.
    pub until: Time,
}

/// Arrival rates by hour.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HourlyArrivals {
    /// The end of the newest hour.
    pub until: Time,
    /// The hours, oldest first, at most 168, each in three digits to the base 32 (0 to 9, a to v):
    /// two for the mean, 100 x log10(1 + records per second), and one for how much higher the peak
    /// was, in steps of 10 %. `---` is unknown.
    #[schemars(length(max = 504))]
    pub rates: String,
}

/// That no record was unread, for as long as no log grew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IdleProof {
    /// Since when.
    pub since: Time,
    /// The sum of the end offsets.
    pub ends: i64,
}

/// A count that somebody else has set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ScalingOverride {
    /// When, or when it was first seen.
    pub at: Time,
    /// Who: the field manager.
    #[schemars(length(max = 128))]
    pub by: String,
    /// The count, as long as it is seen to be theirs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<i32>,
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

/// That a policy changed the count, one that then waits: a simple policy, or rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyAct {
    /// The policy.
    #[schemars(length(max = 63))]
    pub policy: String,
    /// When.
    pub at: Time,
    /// Whether it removed pods.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub scale_in: bool,
    /// How long it waits: its cooldown, or that of the rule that acted.
    pub cooldown: Duration,
    /// When the cooldown began; left out while the pods of the change are not ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
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
    /// How far the samples lie from their mean, on average, in per cent of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spread_percent: Option<i32>,
    /// How much the rate can be relied on: `High` from 20 samples on with a spread of at most 10 %,
    /// `Low` below 5 samples or with more than 30 %, else `Medium`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<Confidence>,
    /// The lowest records per second and pod at which the group fell behind, until measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub too_much: Option<f64>,
    /// The revision of the pods that it holds for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub revision: Option<String>,
}

/// How much a measured rate can be relied on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Confidence {
    /// Few samples, or far apart.
    Low,
    /// In between.
    Medium,
    /// Many samples, close together.
    High,
}
