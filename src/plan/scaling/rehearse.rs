//! Rehearses a scale-in before it happens, against every policy that plays a part. Azure's flapping
//! rule asks whether any of them would scale out at the smaller count. An alarm or a rule is asked
//! just that, with its metric as it would be. A backlog has to be asked in another way: it falls to
//! nothing once there are enough pods, so by itself it would take them away again and call them back
//! a minute later. It comes back exactly when more arrives than the pods that are left can process.

use super::{
    decision::{PASSES, amount},
    policies::{self, Context, Trigger, is_backlog},
    steady::whole_count,
};
use crate::api::policies::{Policy, PolicyKind};

/// How much of what the remaining pods can process may be needed for what arrives: with less room
/// every short rise would build up a backlog.
const ROOM: f64 = 0.9;
/// How far below a load that proved too much the load of a trial must lie.
const TRIAL_ROOM: f64 = 0.8;

/// A scale-in after its rehearsal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rehearsed {
    /// The count that may be taken, at most the present one.
    pub count: i32,
    /// Whether nobody knows that it suffices: it is tried, and undone when it does not.
    pub is_trial: bool,
    /// Why it is what it is.
    pub reason: String,
}

/// How far a scale-in to `wanted` may go. `covers_arrivals` says that a policy knows that it is
/// enough for what arrives.
pub fn scale_in(context: &Context<'_>, wanted: i32, covers_arrivals: bool) -> Rehearsed {
    let is_by_backlog = context.active_policies().any(follows_backlog);
    let has_samples = !context.observation.partitions.is_empty();
    let bears = if is_by_backlog && has_samples && !covers_arrivals {
        bears_load(context, wanted)
    } else {
        Rehearsed {
            count: wanted,
            is_trial: false,
            reason: PASSES.to_owned(),
        }
    };
    without_flapping(context, bears)
}

/// The largest step that no alarm and no rule would undo: from the count upwards the first that
/// none of them would add pods to (Azure). At the present count it stays.
fn without_flapping(context: &Context<'_>, rehearsed: Rehearsed) -> Rehearsed {
    let replicas = context.replicas();
    let triggers: Vec<(&str, Trigger<'_>)> = context
        .active_policies()
        .flat_map(|policy| {
            let triggers = policies::triggers(context, policy).into_iter();
            triggers.map(|trigger| (policy.name.as_str(), trigger))
        })
        .collect();
    let fires = |candidate| {
        let firing = triggers.iter().filter_map(|(name, trigger)| {
            let why = trigger.fires(replicas, candidate)?;
            Some((name, format!("{name} would add pods to {candidate}: {why}")))
        });
        firing.min_by_key(|(name, _)| *name).map(|(_, why)| why)
    };
    let mut candidate = rehearsed.count;
    let mut undone = None;
    while candidate < replicas
        && let Some(why) = fires(candidate)
    {
        undone.get_or_insert(why);
        candidate = context.levels.at_or_above(candidate + 1);
    }
    match undone {
        None => rehearsed,
        Some(reason) => Rehearsed {
            count: candidate.min(replicas),
            is_trial: rehearsed.is_trial,
            reason,
        },
    }
}

/// Whether what a policy looks at says how far the group is behind.
fn follows_backlog(policy: &Policy) -> bool {
    match policy.kind() {
        Some(PolicyKind::TargetTracking(tracking)) => is_backlog(&tracking.metric),
        Some(PolicyKind::Step(step)) => is_backlog(&step.metric),
        Some(PolicyKind::Simple(simple)) => is_backlog(&simple.metric),
        Some(PolicyKind::Rules(rules)) => rules.iter().any(|rule| is_backlog(&rule.metric)),
        Some(PolicyKind::LagThreshold(_)) => true,
        _ => false,
    }
}

/// Whether a policy names a target for the backlog itself.
fn tracks_backlog(policy: &Policy) -> bool {
    let tracking = policy.target_tracking.as_ref();
    tracking.is_some_and(|tracking| is_backlog(&tracking.metric))
}

/// How far what is known of a pod allows to go. What pods were seen to process is safe. Below that,
/// and only while no backlog has shown what is possible, one level is tried.
fn bears_load(context: &Context<'_>, wanted: i32) -> Rehearsed {
    let replicas = context.replicas();
    let rehearsed = |count, is_trial, reason| Rehearsed {
        count,
        is_trial,
        reason,
    };
    let reading = context.reading;
    let capacity = context.memory.capacity.as_ref();
    let watched = reading.sustained_rate.and(reading.series.arrival_rate);
    // Vendors' policies go by what they see at once, until something was learnt that speaks against.
    let is_watching = capacity.is_some() || context.active_policies().any(tracks_backlog);
    let arrivals = match watched {
        Some(arrivals) => arrivals,
        None if is_watching => {
            let reason = "the group was not watched for long enough yet".to_owned();
            return rehearsed(replicas, false, reason);
        }
        None => return rehearsed(wanted, false, PASSES.to_owned()),
    };
    let Some(capacity) = capacity else {
        return rehearsed(wanted, false, "nothing was processed yet".to_owned());
    };
    let needed = whole_count(arrivals / (ROOM * capacity.per_replica));
    let safe = context.levels.at_or_above(needed).min(replicas);
    let rates = format!(
        "{}/s arrive, {}/s a replica",
        amount(arrivals),
        amount(capacity.per_replica)
    );
    if safe <= wanted {
        return rehearsed(wanted, false, format!("safe: {rates}"));
    }
    let level = context.levels.below(replicas).max(wanted);
    if capacity.measured().is_some() || level >= safe {
        return rehearsed(safe, false, format!("fewer would fall behind: {rates}"));
    }
    let load = arrivals / f64::from(level);
    match capacity.too_much.filter(|limit| load > TRIAL_ROOM * limit) {
        Some(limit) => {
            let reason = format!("{}/s a replica were too much before", amount(limit));
            rehearsed(safe, false, reason)
        }
        None => rehearsed(level, true, format!("{level} is a trial: {rates} at least")),
    }
}
