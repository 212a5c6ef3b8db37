//! What a person does beside the block: suspending a direction for a time, and setting the count by
//! hand (`kubectl scale`). Both hold the policies; neither holds the bounds.

use jiff::Timestamp;

use super::{calendar::after, decision::Trace, observation::Observation, time::whole_second};
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

/// A count that somebody else has set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overridden {
    /// When, or when it was first seen.
    pub at: Timestamp,
    /// Who.
    pub by: String,
    /// The count, as long as it is seen to be theirs. Once a bound has pulled it, the field is ours
    /// again, but their word still holds.
    pub count: Option<i32>,
}

impl Overridden {
    /// Until when the count is left alone.
    fn until(&self, spec: &Autoscaling) -> Timestamp {
        after(self.at, spec.override_for)
    }

    /// Whether it is left alone at this moment.
    pub fn holds(&self, spec: &Autoscaling, at: Timestamp) -> bool {
        at < self.until(spec)
    }
}

/// What is known of an override after one more look. One whose time is over is remembered for as
/// long as it is seen: it does not begin anew.
pub fn overridden(
    before: Option<Overridden>,
    spec: &Autoscaling,
    observation: &Observation,
) -> Option<Overridden> {
    let at = observation.at;
    let Some(seen) = &observation.overridden else {
        let before = before.filter(|before| before.holds(spec, at))?;
        return Some(Overridden {
            count: None,
            ..before
        });
    };
    let count = Some(observation.replicas);
    let same = before.filter(|before| before.by == seen.by && before.count == count);
    let first = same.map_or(whole_second(at), |same| same.at);
    Some(Overridden {
        at: seen.at.unwrap_or(first),
        by: seen.by.clone(),
        count,
    })
}

/// Leaves a count alone that somebody else has set.
pub fn leave(spec: &Autoscaling, held: Option<&Overridden>, trace: &mut Trace) {
    if let Some(held) = held {
        let (by, count, until) = (&held.by, trace.from(), held.until(spec));
        let reason = format!("{by} has set the count: it is left alone until {until}");
        trace.stage("override", count, reason);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::plan::scaling::Override;

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
    fn an_override_holds_for_its_time_from_when_it_was_first_seen() {
        let spec = spec(&json!({}));
        let mut known = None;
        let mut look = |time: &str, replicas: i32, seen: Option<Option<&str>>| {
            let observation = Observation {
                at: format!("2026-01-05T{time}:00Z").parse().unwrap(),
                replicas,
                overridden: seen.map(|at| Override {
                    by: "kubectl".into(),
                    at: at.map(|at| at.parse().unwrap()),
                }),
                ..Observation::default()
            };
            known = overridden(known.take(), &spec, &observation);
            known
                .as_ref()
                .is_some_and(|known| known.holds(&spec, observation.at))
        };
        assert!(!look("10:00", 4, None));
        assert!(look("10:05", 7, Some(None)));
        assert!(look("11:04", 7, Some(None)));
        assert!(!look("11:05", 7, Some(None)), "and it does not begin anew");
        assert!(
            look("11:06", 9, Some(None)),
            "another count is another override"
        );
        assert!(
            look("11:07", 8, None),
            "a bound has pulled it, and it still holds"
        );
        assert!(look("11:30", 9, Some(None)), "set again");
        assert!(look("12:29", 9, Some(None)));
        assert!(!look("12:30", 9, Some(None)));
        assert!(!look("12:31", 9, None));
        assert!(
            !look("13:00", 5, Some(Some("2026-01-05T11:59:00Z"))),
            "long ago"
        );
        assert!(look("13:01", 5, Some(Some("2026-01-05T13:00:30Z"))));
    }
}
