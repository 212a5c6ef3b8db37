//! AWS scheduled actions: bounds that hold for a time from each occurrence on, and counts that are
//! set once. Of several schedules that hold, the latest occurrence decides each field; of two at the
//! same moment, the larger value. What was suspended is skipped and never made up for.

use jiff::{SignedDuration, Timestamp};

use super::calendar::{Moments, after};
use crate::api::{
    scaling::Autoscaling,
    schedules::{Schedule, Suspension},
};

/// How late a count without `duration` may be set, in seconds: longer than the longest interval.
const LATE: i64 = 600;

/// Which occurrences have been dealt with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Counts of occurrences up to here were set, or passed by.
    pub set: Option<Timestamp>,
    /// Occurrences up to here fell into a suspension.
    pub skipped: Option<Timestamp>,
}

/// A value that a schedule sets, and which schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Setting<'a> {
    /// The occurrence.
    pub at: Timestamp,
    /// The value.
    pub value: i32,
    /// The schedule.
    pub name: &'a str,
}

/// The bounds that hold now, by field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held<'a> {
    /// `minReplicas`.
    pub min: Option<Setting<'a>>,
    /// `maxReplicas`.
    pub max: Option<Setting<'a>>,
}

/// Whether schedules are suspended at this moment.
fn is_suspended(suspend: &Suspension, at: Timestamp) -> bool {
    suspend.schedules && suspend.until.as_ref().is_none_or(|until| at < until.0)
}

/// The bounds that schedules set now.
pub fn held<'a>(spec: &'a Autoscaling, seen: Seen, at: Timestamp) -> Held<'a> {
    if is_suspended(&spec.suspend, at) {
        return Held::default();
    }
    let void = void(spec, seen);
    let holding = |schedule: &Schedule| {
        let duration = schedule.duration?;
        let occurrence = last(schedule, at)?;
        let is_void = void.is_some_and(|void| occurrence <= void);
        (!is_void && at < after(occurrence, duration)).then_some(occurrence)
    };
    let latest = |field: fn(&Schedule) -> Option<i32>| {
        let set = |schedule: &'a Schedule| {
            let value = field(schedule)?;
            let at = holding(schedule)?;
            let name = &schedule.name;
            Some(Setting { at, value, name })
        };
        spec.schedules.iter().filter_map(set).max()
    };
    Held {
        min: latest(|schedule| schedule.min_replicas),
        max: latest(|schedule| schedule.max_replicas),
    }
}

/// The count that a schedule sets now, once; and takes note of what was dealt with.
pub fn due<'a>(spec: &'a Autoscaling, seen: &mut Seen, at: Timestamp) -> Option<Setting<'a>> {
    if is_suspended(&spec.suspend, at) {
        let passed = spec.schedules.iter().filter_map(|s| last(s, at)).max();
        seen.skipped = seen.skipped.max(passed);
        seen.set = seen.set.max(passed);
        return None;
    }
    let sets = || spec.schedules.iter().filter(|s| s.replicas.is_some());
    sets().next()?;
    // What occurred before anybody looked is no news.
    let known = *seen.set.get_or_insert_with(|| whole_second(at));
    let void = void(spec, *seen);
    let news: Vec<(&Schedule, Setting<'a>)> = sets()
        .filter_map(|schedule| {
            let set = Setting {
                at: last(schedule, at).filter(|occurrence| *occurrence > known)?,
                value: schedule.replicas?,
                name: &schedule.name,
            };
            Some((schedule, set))
        })
        .collect();
    seen.set = seen.set.max(news.iter().map(|(_, set)| set.at).max());
    let in_time = |schedule: &Schedule, set: &Setting<'_>| {
        let late = at.duration_since(set.at);
        match schedule.duration {
            Some(duration) => at < after(set.at, duration),
            None => late < SignedDuration::from_secs(LATE),
        }
    };
    news.into_iter()
        .filter(|(schedule, set)| in_time(schedule, set))
        .map(|(_, set)| set)
        .filter(|set| void.is_none_or(|void| set.at > void))
        .max()
}

/// Occurrences up to here are void: they fell into a suspension, this one or one before.
fn void(spec: &Autoscaling, seen: Seen) -> Option<Timestamp> {
    let until = spec
        .suspend
        .until
        .as_ref()
        .filter(|_| spec.suspend.schedules);
    seen.skipped.max(until.map(|until| until.0))
}

/// The last occurrence, within the schedule's life.
fn last(schedule: &Schedule, at: Timestamp) -> Option<Timestamp> {
    if schedule.end.as_ref().is_some_and(|end| at >= end.0) {
        return None;
    }
    let occurrence = Moments::of_schedule(schedule).ok()?.last(at)?;
    let start = schedule.start.as_ref();
    start
        .is_none_or(|start| occurrence >= start.0)
        .then_some(occurrence)
}

/// Without fractions, as status keeps it: an occurrence of this very second is not news.
fn whole_second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn spec(schedules: &Value, suspend: &Value) -> Autoscaling {
        serde_json::from_value(json!({
            "maxReplicas": 100, "policies": [], "schedules": schedules, "suspend": suspend,
        }))
        .unwrap()
    }

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// The bounds at each moment; none is written as -1.
    fn bounds(spec: &Autoscaling, expected: &[(&str, i32, i32)]) {
        for &(at, min, max) in expected {
            let held = held(spec, Seen::default(), time(at));
            let value = |set: Option<Setting<'_>>| set.map_or(-1, |set| set.value);
            assert_eq!((value(held.min), value(held.max)), (min, max), "{at}");
        }
    }

    /// S1, S2, S4, S5 and N9 of the conformance vectors.
    #[test]
    fn bounds_hold_for_their_duration_and_then_revert() {
        let daily =
            json!({"name": "s", "schedule": "0 8 * * *", "minReplicas": 10, "duration": "2h"});
        let with = |fields: Value| {
            let mut schedule = daily.clone();
            let fields = fields.as_object().unwrap().clone();
            schedule.as_object_mut().unwrap().extend(fields);
            spec(&json!([schedule]), &json!({}))
        };
        bounds(
            &with(json!({"timeZone": "Europe/Berlin"})),
            &[
                ("2026-03-27T06:30:00Z", -1, -1),
                ("2026-03-27T07:30:00Z", 10, -1),
                ("2026-03-30T05:30:00Z", -1, -1),
                ("2026-03-30T06:30:00Z", 10, -1),
                ("2026-03-30T08:30:00Z", -1, -1),
            ],
        );
        bounds(
            &with(json!({})),
            &[
                ("2026-01-05T07:59:59Z", -1, -1),
                ("2026-01-05T08:00:00Z", 10, -1),
                ("2026-01-05T09:59:59Z", 10, -1),
                ("2026-01-05T10:00:00Z", -1, -1),
            ],
        );
        bounds(
            &with(json!({"start": "2026-01-06T00:00:00Z", "end": "2026-01-08T00:00:00Z"})),
            &[
                ("2026-01-05T08:30:00Z", -1, -1),
                ("2026-01-06T08:30:00Z", 10, -1),
                ("2026-01-07T08:30:00Z", 10, -1),
                ("2026-01-08T08:30:00Z", -1, -1),
            ],
        );
        // The end of its life ends bounds that hold.
        bounds(
            &with(json!({"end": "2026-01-06T09:00:00Z"})),
            &[
                ("2026-01-06T08:59:00Z", 10, -1),
                ("2026-01-06T09:00:00Z", -1, -1),
            ],
        );
        bounds(
            &with(json!({"schedule": "0 8 * * 1-5"})),
            &[
                ("2026-01-09T08:30:00Z", 10, -1),
                ("2026-01-10T08:30:00Z", -1, -1),
                ("2026-01-12T08:30:00Z", 10, -1),
            ],
        );
        bounds(
            &with(json!({"schedule": "0 22 * * *", "duration": "8h"})),
            &[
                ("2026-01-05T12:00:00Z", -1, -1),
                ("2026-01-05T23:00:00Z", 10, -1),
                ("2026-01-06T05:58:00Z", 10, -1),
                ("2026-01-06T06:02:00Z", -1, -1),
            ],
        );
        bounds(
            &with(json!({"schedule": null, "at": "2026-01-05T08:00:00Z"})),
            &[
                ("2026-01-05T08:30:00Z", 10, -1),
                ("2026-01-06T08:30:00Z", -1, -1),
            ],
        );
    }

    #[test]
    fn the_latest_occurrence_decides_each_field_and_of_two_at_once_the_larger_value() {
        let spec = spec(
            &json!([
                {"name": "night", "schedule": "0 0 * * *", "duration": "24h", "minReplicas": 2, "maxReplicas": 5},
                {"name": "day", "schedule": "0 8 * * *", "duration": "4h", "minReplicas": 10},
                {"name": "noon", "schedule": "0 12 * * *", "duration": "1h", "maxReplicas": 20},
                {"name": "twin", "schedule": "0 12 * * *", "duration": "1h", "maxReplicas": 30},
            ]),
            &json!({}),
        );
        bounds(
            &spec,
            &[
                ("2026-01-05T07:00:00Z", 2, 5),
                ("2026-01-05T09:00:00Z", 10, 5),
                ("2026-01-05T12:30:00Z", 2, 30),
                ("2026-01-05T13:30:00Z", 2, 5),
            ],
        );
    }

    /// The counts that are set in a row of looks; none is written as -1.
    fn sets(spec: &Autoscaling, seen: &mut Seen, looks: &[(&str, i32)]) {
        for &(at, expected) in looks {
            let set = due(spec, seen, time(at)).map_or(-1, |set| set.value);
            assert_eq!(set, expected, "{at}");
        }
    }

    /// S3 of the conformance vectors among others.
    #[test]
    fn a_count_is_set_once_and_not_too_late() {
        let lift = spec(
            &json!([{"name": "lift", "schedule": "0 8 * * *", "replicas": 6, "duration": "2h"}]),
            &json!({}),
        );
        let looks = [
            ("2026-01-05T07:58:00Z", -1),
            ("2026-01-05T08:00:30Z", 6),
            ("2026-01-05T08:02:00Z", -1),
            ("2026-01-06T09:59:00Z", 6),
            ("2026-01-06T09:59:30Z", -1),
            ("2026-01-07T10:00:00Z", -1),
            ("2026-01-07T10:01:00Z", -1),
        ];
        sets(&lift, &mut Seen::default(), &looks);
        // Who comes too late has missed it, and a restart does not set it again.
        sets(&lift, &mut Seen::default(), &[("2026-01-05T08:01:00Z", -1)]);
        let mut before = Seen::default();
        sets(&lift, &mut before, &looks[..2]);
        sets(&lift, &mut before.clone(), &looks[2..3]);
        let without = spec(
            &json!([{"name": "lift", "schedule": "0 8 * * *", "replicas": 6}]),
            &json!({}),
        );
        let early = ("2026-01-05T07:00:00Z", -1);
        sets(
            &without,
            &mut Seen::default(),
            &[early, ("2026-01-05T08:09:00Z", 6)],
        );
        sets(
            &without,
            &mut Seen::default(),
            &[early, ("2026-01-05T08:10:00Z", -1)],
        );
    }

    #[test]
    fn what_falls_into_a_suspension_is_never_made_up_for() {
        let schedules = json!([
            {"name": "day", "schedule": "0 8 * * *", "duration": "4h", "minReplicas": 10},
            {"name": "lift", "schedule": "0 8 * * *", "replicas": 6, "duration": "2h"},
        ]);
        let suspended = spec(&schedules, &json!({"schedules": true}));
        let free = spec(&schedules, &json!({}));
        let mut seen = Seen::default();
        sets(&free, &mut seen, &[("2026-01-05T07:00:00Z", -1)]);
        sets(&suspended, &mut seen, &[("2026-01-05T08:30:00Z", -1)]);
        assert_eq!(
            held(&suspended, seen, time("2026-01-05T08:30:00Z")),
            Held::default()
        );
        sets(&free, &mut seen, &[("2026-01-05T08:31:00Z", -1)]);
        assert_eq!(
            held(&free, seen, time("2026-01-05T08:31:00Z")),
            Held::default()
        );
        sets(&free, &mut seen, &[("2026-01-06T08:00:01Z", 6)]);
        assert!(
            held(&free, seen, time("2026-01-06T08:00:01Z"))
                .min
                .is_some()
        );
        // With an end, nobody has to have looked.
        let until = spec(
            &schedules,
            &json!({"schedules": true, "until": "2026-01-05T08:30:00Z"}),
        );
        bounds(
            &until,
            &[
                ("2026-01-05T08:29:00Z", -1, -1),
                ("2026-01-05T08:31:00Z", -1, -1),
                ("2026-01-06T08:31:00Z", 10, -1),
            ],
        );
    }
}
