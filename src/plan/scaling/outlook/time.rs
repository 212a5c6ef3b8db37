//! What time alone does to a count: the first change within the next hour, decision by decision; and
//! beyond it the next moment at which a person's word begins or ends.

use jiff::Timestamp;

use super::Situation;
use crate::{
    api::{common::Duration, scaling::Autoscaling},
    plan::scaling::{
        calendar::{Moments, after, local, zone},
        decision::Decision,
    },
};

/// How far ahead every decision is tried, in seconds: the longest window is an hour.
const AHEAD: u64 = 3600;
/// The shortest time between two decisions that are tried, in seconds.
const STEP: u64 = 5;

/// The first change if everything else stays as it is, and what it waits for until then.
pub fn line(now: &Situation) -> String {
    let mut later = now.clone();
    let interval = now.spec.interval.as_secs().max(1);
    let step = interval * STEP.div_ceil(interval);
    let mut held = None;
    for _ in 0..AHEAD / step {
        let decision = later.decided();
        if decision.to != now.replicas() {
            return change(&decision, held, now.observation.at);
        }
        held = decision.held_by();
        later.pass(step);
    }
    for moment in moments(&now.spec, later.observation.at) {
        later.observation.at = moment;
        let decision = later.decided();
        if decision.to != now.replicas() {
            return change(&decision, held, now.observation.at);
        }
        held = decision.held_by();
    }
    let (count, time) = (now.replicas(), Duration::from_secs(AHEAD));
    format!("stays at {count} for the next {time} if nothing else changes")
}

/// The moments after `at` at which the block's own bounds in time begin and end, the next of each.
fn moments(spec: &Autoscaling, at: Timestamp) -> Vec<Timestamp> {
    let mut found: Vec<Timestamp> = spec.suspend.until.iter().map(|until| until.0).collect();
    for schedule in &spec.schedules {
        let moments = Moments::of_schedule(schedule).ok();
        found.extend(moments.iter().filter_map(|moments| moments.next(at)));
        let last = moments.and_then(|moments| moments.last(at));
        let end = schedule
            .duration
            .zip(last)
            .map(|(time, last)| after(last, time));
        found.extend(
            end.into_iter()
                .chain(schedule.end.as_ref().map(|end| end.0)),
        );
    }
    for profile in &spec.profiles {
        if let Some(recurrence) = &profile.recurrence {
            let moments = Moments::of_recurrence(recurrence).ok();
            found.extend(moments.iter().filter_map(|moments| moments.next(at)));
            let last = moments.and_then(|moments| moments.last(at));
            found.extend(last.map(|last| after(last, recurrence.duration)));
        }
        if let Some(date) = &profile.fixed_date
            && let Ok(zone) = zone(&date.time_zone)
        {
            found.extend(local(&date.start, &zone).ok());
            found.extend(local(&date.end, &zone).ok());
        }
    }
    found.retain(|moment| *moment > at);
    found.sort_unstable();
    found.dedup();
    found
}

/// A change that time brings.
fn change(decision: &Decision, held: Option<&'static str>, now: Timestamp) -> String {
    let (from, to, at) = (decision.from, decision.to, clock(decision.at, now));
    let when = match held {
        Some("stabilization") => "when the stabilization window ends".to_owned(),
        Some("cooldown") => "when the cooldown ends".to_owned(),
        Some("warm-up") => "when the warm-up ends".to_owned(),
        Some("suspension") => "when the suspension ends".to_owned(),
        Some("override") => "when the override ends".to_owned(),
        Some("step limits") => "when the step limits allow it".to_owned(),
        Some("rebalance gate") => "when the rebalance gate opens".to_owned(),
        _ => by(decision),
    };
    format!("{from} -> {to} at {at} {when}, if nothing else changes")
}

/// Whose doing a change is, in the words of its stage.
fn by(decision: &Decision) -> String {
    let name = &decision.by;
    let stage = decision.stages.iter().find(|stage| stage.name == *name);
    match stage {
        Some(stage) => format!("by {name} ({})", stage.reason),
        None if name.is_empty() => "by itself".to_owned(),
        None => format!("by policy {name}"),
    }
}

/// The time of day in UTC, with its date where that is not today.
fn clock(at: Timestamp, now: Timestamp) -> String {
    let day = |at: Timestamp| at.strftime("%F").to_string();
    let format = if day(at) == day(now) { "%TZ" } else { "%FT%TZ" };
    at.strftime(format).to_string()
}
