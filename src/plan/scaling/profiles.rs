//! Azure profiles: for a time, other bounds and other policies. A fixed date goes before a
//! recurrence, and a recurrence before the block itself; they are never merged. Unlike Azure's, a
//! recurring profile has an end.

use jiff::Timestamp;

use super::calendar::{self, Moments, after};
use crate::api::{
    scaling::Autoscaling,
    schedules::{FixedDate, Profile, Recurrence},
};

/// The profile that holds now; the first of its kind, though there should be only one.
pub fn holding(spec: &Autoscaling, at: Timestamp) -> Option<&Profile> {
    let dated = |profile: &&Profile| {
        profile
            .fixed_date
            .as_ref()
            .is_some_and(|date| is_within(date, at))
    };
    let weekly = |profile: &&Profile| {
        profile
            .recurrence
            .as_ref()
            .is_some_and(|week| recurs(week, at))
    };
    let profiles = || spec.profiles.iter();
    profiles().find(dated).or_else(|| profiles().find(weekly))
}

fn is_within(date: &FixedDate, at: Timestamp) -> bool {
    let Ok(zone) = calendar::zone(&date.time_zone) else {
        return false;
    };
    let moment = |text: &str| calendar::local(text, &zone);
    let (start, end) = (moment(&date.start), moment(&date.end));
    start.is_ok_and(|start| start <= at) && end.is_ok_and(|end| at < end)
}

fn recurs(recurrence: &Recurrence, at: Timestamp) -> bool {
    let moments = Moments::of_recurrence(recurrence);
    let last = moments.ok().and_then(|moments| moments.last(at));
    last.is_some_and(|last| at < after(last, recurrence.duration))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn holds(profiles: &Value, expected: &[(&str, Option<&str>)]) {
        let block = json!({"maxReplicas": 100, "policies": [], "profiles": profiles});
        let spec: Autoscaling = serde_json::from_value(block).unwrap();
        for &(at, name) in expected {
            let profile = holding(&spec, at.parse().unwrap());
            assert_eq!(profile.map(|p| p.name.as_str()), name, "{at}");
        }
    }

    fn work() -> Value {
        json!({"name": "work", "capacity": {"minimum": 3, "maximum": 10}, "recurrence": {
            "days": ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday"], "hours": [8],
            "minutes": [0], "timeZone": "Europe/Berlin", "duration": "10h"}})
    }

    /// Z14 and Z26 of the conformance vectors: 08:00 to 18:00 in Berlin is 07:00Z to 17:00Z in winter.
    #[test]
    fn a_recurring_profile_has_an_end() {
        holds(
            &json!([work()]),
            &[
                ("2026-01-05T06:58:00Z", None),
                ("2026-01-05T07:00:00Z", Some("work")),
                ("2026-01-05T16:58:00Z", Some("work")),
                ("2026-01-05T17:00:00Z", None),
                ("2026-01-10T09:00:00Z", None),
                ("2026-07-06T06:00:00Z", Some("work")),
            ],
        );
    }

    /// Z25 of the conformance vectors.
    #[test]
    fn a_fixed_date_goes_before_a_recurrence_whatever_their_order() {
        let date = json!({"name": "date", "capacity": {"minimum": 8, "maximum": 20}, "fixedDate":
            {"start": "2026-01-05T00:00:00", "end": "2026-01-06T00:00:00", "timeZone": "Europe/Berlin"}});
        let expected = [
            ("2026-01-04T22:59:59Z", None),
            ("2026-01-04T23:00:00Z", Some("date")),
            ("2026-01-05T09:00:00Z", Some("date")),
            ("2026-01-05T23:00:00Z", None),
            ("2026-01-12T09:00:00Z", Some("work")),
        ];
        holds(&json!([work(), date]), &expected);
        holds(&json!([date, work()]), &expected);
    }

    #[test]
    fn several_times_a_day_are_one_profile() {
        let mut twice = work();
        twice["recurrence"]["hours"] = json!([8, 14]);
        twice["recurrence"]["minutes"] = json!([0, 30]);
        twice["recurrence"]["duration"] = json!("1h");
        holds(
            &json!([twice]),
            &[
                ("2026-01-05T08:29:00Z", Some("work")),
                ("2026-01-05T08:31:00Z", None),
                ("2026-01-05T13:10:00Z", Some("work")),
            ],
        );
    }
}
