//! Rehearses a scale-in before it happens. Lag falls to nothing once there are enough pods, so a
//! lag alone would take them away again and call them back a minute later. Azure's flapping rule
//! asks whether any policy would scale out at the smaller count; for a backlog that is so exactly
//! when more records arrive than the pods that are left can process.

use super::{decision::amount, policies::Context, steady::whole_count};

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

/// How far a scale-in to `wanted` may go. What pods were seen to process is safe. Below that, and
/// only while no backlog has shown what is possible, one level is tried.
pub fn scale_in(context: &Context<'_>, wanted: i32) -> Rehearsed {
    let replicas = context.replicas();
    let rehearsed = |count, is_trial, reason| Rehearsed {
        count,
        is_trial,
        reason,
    };
    let reading = context.reading;
    let watched = reading.sustained_rate.and(reading.series.arrival_rate);
    let Some(arrivals) = watched else {
        let reason = "the group was not watched for long enough yet".to_owned();
        return rehearsed(replicas, false, reason);
    };
    let Some(capacity) = &context.memory.capacity else {
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
