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
    /// The changes of the last day, oldest first, at most 24: what scale-outs added that is still on
    /// its way.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 24))]
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
    /// The lowest records per second and pod at which the group fell behind, until measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub too_much: Option<f64>,
    /// The revision of the pods that it holds for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub revision: Option<String>,
}
