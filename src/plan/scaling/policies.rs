//! What each policy wants, independent of the others. A policy that cannot tell says so; it never
//! guesses, and it never looks at what another one wants.

pub mod target_tracking;

use super::{levels::Levels, memory::Memory, observation::Observation, series::Reading};
use crate::api::{
    policies::{Policy, PolicyKind},
    scaling::Autoscaling,
};

/// Everything that a policy and the stages after it may look at.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The declared block.
    pub spec: &'a Autoscaling,
    /// What was seen.
    pub observation: &'a Observation,
    /// The series, computed from it.
    pub reading: &'a Reading,
    /// The partition levels.
    pub levels: &'a Levels,
    /// What is remembered.
    pub memory: &'a Memory,
}

impl Context<'_> {
    /// The count that is asked for now.
    pub const fn replicas(&self) -> i32 {
        self.observation.replicas
    }

    /// The largest count that can be reached: `maxReplicas`, or the partitions when fewer.
    pub fn highest(&self) -> i32 {
        let cap = self.levels.cap().unwrap_or(i32::MAX);
        self.spec.max_replicas.min(cap)
    }
}

/// What a policy says.
#[derive(Clone, Debug, PartialEq)]
pub enum Opinion {
    /// It wants a count.
    Wants(Wish),
    /// It knows no better than to try one level fewer, when nobody else wants anything.
    Tries(Wish),
    /// It has nothing to say; it neither blocks nor demands.
    Abstains(String),
    /// It cannot tell yet, a short time after the start: nobody may scale in.
    Settling(String),
    /// It cannot tell: nobody may scale in.
    Unknown(String),
}

/// A count that a policy wants.
#[derive(Clone, Debug, PartialEq)]
pub struct Wish {
    /// The count, at least 1, before any bounds.
    pub count: i32,
    /// Whether it is a step from the present count, not a count that the metric calls for.
    pub is_relative: bool,
    /// Whether it covers what arrives, by what a pod can process.
    pub covers_arrivals: bool,
    /// Whether the policy may remove pods.
    pub may_scale_in: bool,
    /// How it came about, with numbers.
    pub reason: String,
}

impl Opinion {
    /// How it came about.
    pub fn reason(&self) -> &str {
        match self {
            Self::Wants(wish) | Self::Tries(wish) => &wish.reason,
            Self::Abstains(reason) | Self::Settling(reason) | Self::Unknown(reason) => reason,
        }
    }

    /// The count that it asks for, or `replicas` when it asks for none.
    pub const fn count(&self, replicas: i32) -> i32 {
        match self {
            Self::Wants(wish) | Self::Tries(wish) => wish.count,
            Self::Abstains(_) | Self::Settling(_) | Self::Unknown(_) => replicas,
        }
    }
}

/// What `policy` wants.
pub fn opinion(context: &Context<'_>, policy: &Policy) -> Opinion {
    match policy.kind() {
        Some(PolicyKind::TargetTracking(tracking)) => target_tracking::opinion(context, tracking),
        _ => Opinion::Abstains("it has no kind that is known here".to_owned()),
    }
}
