//! The block as it holds at one moment: a profile's bounds and policies in place of the block's, and
//! the bounds of schedules on top. All later stages see this block and no other.

use std::borrow::Cow;

use jiff::Timestamp;

use super::{
    profiles,
    schedules::{self, Seen, Setting},
};
use crate::api::{policies::Policy, scaling::Autoscaling};

/// The block as it holds at one moment.
#[derive(Clone, Debug)]
pub struct InForce<'a> {
    /// The block.
    pub spec: Cow<'a, Autoscaling>,
    /// Which profile and schedules are in it, in words; none where it is as declared.
    pub reason: Option<String>,
    /// The count that a schedule sets now, and only now.
    pub set: Option<Setting<'a>>,
}

impl<'a> InForce<'a> {
    /// The block at this moment. Takes note of the occurrences that were dealt with.
    pub fn at(spec: &'a Autoscaling, seen: &mut Seen, at: Timestamp) -> Self {
        let set = schedules::due(spec, seen, at);
        let held = schedules::held(spec, *seen, at);
        let profile = profiles::holding(spec, at);
        let mut reasons = Vec::new();
        let mut block = Cow::Borrowed(spec);
        if let Some(profile) = profile {
            let capacity = profile.capacity;
            let block = block.to_mut();
            block.min_replicas = capacity.minimum;
            block.max_replicas = capacity.maximum;
            block.default_replicas = capacity.default;
            block.policies.clone_from(&profile.policies);
            let (min, max) = (capacity.minimum, capacity.maximum);
            reasons.push(format!("profile {}: {min} to {max}", profile.name));
        }
        if let Some(min) = held.min {
            block.to_mut().min_replicas = min.value;
            reasons.push(format!("schedule {}: minReplicas {}", min.name, min.value));
        }
        if let Some(max) = held.max {
            block.to_mut().max_replicas = max.value;
            reasons.push(format!("schedule {}: maxReplicas {}", max.name, max.value));
        }
        if let Some(set) = set {
            reasons.push(format!("schedule {} sets {}", set.name, set.value));
        }
        Self {
            spec: block,
            reason: (!reasons.is_empty()).then(|| reasons.join(", ")),
            set,
        }
    }
}

/// Every policy that may hold at some time.
pub fn policies(spec: &Autoscaling) -> impl Iterator<Item = &Policy> {
    let in_profiles = spec.profiles.iter().flat_map(|profile| &profile.policies);
    spec.policies.iter().chain(in_profiles)
}
