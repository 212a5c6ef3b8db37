//! What a person does beside the block: suspending a direction for a time, and setting the count by
//! hand (`kubectl scale`). Both hold the policies; neither holds the bounds.

use jiff::Timestamp;

use super::{calendar::after, decision::Trace, observation::Override};
use crate::api::{scaling::Autoscaling, schedules::Suspension};

/// Why a change in this direction is suspended, if so, whether or not one is wanted.
fn suspension(suspend: &Suspension, at: Timestamp) -> Option<String> {
    let until = suspend.until.as_ref().map(|until| until.0);
    let what = match (suspend.scale_out, suspend.scale_in) {
        (true, true) => "scale-out and scale-in are",
        (true, false) => "scale-out is",
        (false, true) => "scale-in is",
        (false, false) => return None,
    };
    if until.is_some_and(|until| at >= until) {
        return None;
    }
    let end = until.map_or_else(
        || "until that is taken back".to_owned(),
        |until| format!("until {until}"),
    );
    let reason = &suspend.reason;
    let colon = if reason.is_empty() { "" } else { ": " };
    Some(format!("{what} suspended {end}{colon}{reason}"))
}

/// Whether a direction is suspended now.
pub fn is_suspended(spec: &Autoscaling, at: Timestamp) -> bool {
    suspension(&spec.suspend, at).is_some()
}

/// Holds what is suspended, and says until when and why.
pub fn suspend(spec: &Autoscaling, at: Timestamp, trace: &mut Trace) {
    const STAGE: &str = "suspension";
    let Some(reason) = suspension(&spec.suspend, at) else {
        return;
    };
    let (scale_out, scale_in) = (spec.suspend.scale_out, spec.suspend.scale_in);
    let holds = (trace.is_scale_out() && scale_out) || (trace.is_scale_in() && scale_in);
    let value = if holds { trace.from() } else { trace.value() };
    trace.stage(STAGE, value, reason);
}

/// The override that holds now: the one that is seen, or one seen before whose time is not over.
/// Once a bound has pulled the count, the field is ours again, but the person's word still holds.
pub fn overridden(
    before: Option<Override>,
    seen: Option<&Override>,
    spec: &Autoscaling,
    at: Timestamp,
) -> Option<Override> {
    let newest = before.into_iter().chain(seen.cloned()).max_by_key(|o| o.at);
    newest.filter(|newest| at < after(newest.at, spec.override_for))
}

/// Leaves a count alone that somebody else has set.
pub fn leave(spec: &Autoscaling, held: Option<&Override>, trace: &mut Trace) {
    if let Some(held) = held {
        let until = after(held.at, spec.override_for);
        let (by, count) = (&held.by, trace.from());
        let reason = format!("{by} has set {count}: it is left alone until {until}");
        trace.stage("override", count, reason);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn spec(suspend: &Value) -> Autoscaling {
        serde_json::from_value(json!({"maxReplicas": 100, "policies": [], "suspend": suspend}))
            .unwrap()
    }

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn suspended(spec: &Autoscaling, at: &str, wish: i32) -> (i32, Option<String>) {
        let mut trace = Trace::begin(10);
        trace.stage("combined", wish, "");
        suspend(spec, time(at), &mut trace);
        let value = trace.value();
        let stage = trace
            .into_stages()
            .into_iter()
            .find(|s| s.name == "suspension");
        (value, stage.map(|stage| stage.reason))
    }

    /// W32 and W33 of the conformance vectors.
    #[test]
    fn a_suspension_holds_its_direction_until_its_end_and_says_why() {
        let inward = spec(&json!({"scaleIn": true}));
        let why = "scale-in is suspended until that is taken back";
        let at = "2026-01-05T10:00:00Z";
        assert_eq!(suspended(&inward, at, 8), (10, Some(why.into())));
        assert_eq!(suspended(&inward, at, 11), (11, Some(why.into())));
        let outward =
            spec(&json!({"scaleOut": true, "until": "2026-01-05T10:30:00Z", "reason": "release"}));
        let why = "scale-out is suspended until 2026-01-05T10:30:00Z: release";
        assert_eq!(suspended(&outward, at, 11), (10, Some(why.into())));
        assert_eq!(suspended(&outward, at, 8).0, 8);
        assert_eq!(suspended(&outward, "2026-01-05T10:30:00Z", 11), (11, None));
        let only_schedules = spec(&json!({"schedules": true}));
        assert_eq!(suspended(&only_schedules, at, 11), (11, None));
    }

    #[test]
    fn an_override_holds_for_its_time_even_when_it_is_no_longer_seen() {
        let spec = spec(&json!({}));
        let by_hand = |at: &str| Override {
            at: time(at),
            by: "kubectl".into(),
        };
        let (early, late) = (
            by_hand("2026-01-05T10:00:00Z"),
            by_hand("2026-01-05T10:30:00Z"),
        );
        let held = |before: Option<&Override>, seen: Option<&Override>, at: &str| {
            overridden(before.cloned(), seen, &spec, time(at))
        };
        let noon = "2026-01-05T10:45:00Z";
        assert_eq!(held(None, Some(&early), noon), Some(early.clone()));
        assert_eq!(held(Some(&early), None, noon), Some(early.clone()));
        assert_eq!(held(Some(&early), Some(&late), noon), Some(late.clone()));
        assert_eq!(held(None, Some(&early), "2026-01-05T11:00:00Z"), None);
        assert_eq!(
            held(Some(&early), Some(&late), "2026-01-05T11:00:00Z"),
            Some(late.clone())
        );
        assert_eq!(held(None, None, noon), None);
        let mut trace = Trace::begin(3);
        trace.stage("combined", 8, "");
        leave(&spec, Some(&late), &mut trace);
        assert_eq!(trace.value(), 3);
        let reason = &trace.into_stages()[1].reason;
        assert_eq!(
            reason,
            "kubectl has set 3: it is left alone until 2026-01-05T11:30:00Z"
        );
    }
}
