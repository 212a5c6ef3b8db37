//! Rehearses a scale-in before it happens. Lag falls to nothing once there are enough pods, so a
//! lag alone would take them away again and call them back a minute later. Azure's flapping rule
//! asks whether any policy would scale out at the smaller count; for a backlog that is so exactly
//! when more records arrive than the pods that are left can process.

use super::{decision::amount, policies::Context, steady::whole_count};

/// How much of what the remaining pods can process may be needed for what arrives: with less room
/// every short rise would build up a backlog.
const ROOM: f64 = 0.9;

/// The count that `wanted` may fall to, at most the present one, and why it is more than wanted.
pub fn scale_in(context: &Context<'_>, wanted: i32) -> (i32, String) {
    let replicas = context.replicas();
    let Some(capacity) = &context.memory.capacity else {
        return (wanted, "no pod's rate is known yet".into());
    };
    let Some(arrivals) = context.reading.series.arrival_rate else {
        return (replicas, "the arrival rate is not known yet".into());
    };
    let needed = whole_count(arrivals / (ROOM * capacity.per_replica));
    let safe = context.levels.at_or_above(needed).min(replicas);
    if safe <= wanted {
        return (wanted, format!("{wanted} can process what arrives"));
    }
    let rates = format!(
        "{}/s arrive, {}/s a replica",
        amount(arrivals),
        amount(capacity.per_replica)
    );
    (safe, format!("fewer would fall behind: {rates}"))
}
