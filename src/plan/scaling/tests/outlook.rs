//! What would change a decision: told in words that come true.

use proptest::{collection::vec, prelude::*};

use super::{super::outlook::outlook, *};

/// The autoscaler after some samples of these series, and the decision on the last.
struct After {
    spec: Autoscaling,
    scaler: Scaler,
    observation: Observation,
    decision: Decision,
}

impl After {
    fn of(more: &Value, samples: &[(i64, &Value)]) -> Self {
        let mut whole = json!({
            "minReplicas": 1, "maxReplicas": 12, "interval": "5s", "warmup": "0s",
            "cooldown": {"scaleIn": "0s"},
            "behavior": {"scaleIn": {"stabilizationWindow": "0s"}},
            "partitions": {"align": false, "allowIdle": true},
            "policies": [{"name": "lag", "targetTracking": {"metric": "lag", "target": 100}}],
        });
        for (key, value) in more.as_object().unwrap() {
            whole[key] = value.clone();
        }
        let spec = block(&whole);
        let (mut scaler, mut replicas, mut last) = (Scaler::default(), 6, None);
        for (seconds, series) in samples {
            let observation = sample(*seconds, replicas, series);
            let decision = decide(&spec, OffsetReset::Earliest, &mut scaler, &observation);
            replicas = decision.to;
            last = Some((observation, decision));
        }
        let (observation, decision) = last.unwrap();
        Self {
            spec,
            scaler,
            observation,
            decision,
        }
    }

    fn outlook(&self) -> Vec<String> {
        outlook(&self.spec, &self.scaler, &self.observation, &self.decision)
    }
}

/// Twelve partitions, and series as they are given: `{"lag": 600}`.
fn sample(seconds: i64, replicas: i32, series: &Value) -> Observation {
    Observation {
        at: at(seconds),
        replicas,
        ready: replicas,
        partition_counts: BTreeMap::from([("t".to_owned(), 12)]),
        metrics: serde_json::from_value(series.clone()).unwrap(),
        group: GroupState::Stable,
        ..Observation::default()
    }
}

/// What is told after these unread records at these seconds.
fn told(more: &Value, lags: &[(i64, i64)], expected: &[&str]) {
    let series = |lag: i64| json!({"lag": lag, "arrivalRate": 10.0, "consumeRate": 1000.0});
    let samples: Vec<_> = lags.iter().map(|&(at, lag)| (at, series(lag))).collect();
    let samples: Vec<_> = samples.iter().map(|(at, series)| (*at, series)).collect();
    let after = After::of(more, &samples);
    assert_eq!(after.outlook(), expected, "{more} {:?}", after.decision);
}

#[test]
fn each_pause_is_told_with_its_end() {
    let thresholds = "lag (now 300): 4 from 301 on, 2 at 200 or less";
    for (more, samples, expected) in [
        // Nothing holds it: only another value changes it.
        (
            json!({}),
            vec![(0, 600)],
            vec![
                "stays at 6 for the next 1h if nothing else changes",
                "lag (now 600): 7 from 661 on, 5 at 500 or less",
            ],
        ),
        (
            json!({"behavior": {"scaleIn": {"stabilizationWindow": "5m"}}}),
            vec![(0, 600), (5, 300)],
            vec![
                "6 -> 3 at 10:05:00Z when the stabilization window ends, if nothing else changes",
                thresholds,
            ],
        ),
        (
            json!({"cooldown": {"scaleIn": "10m"}}),
            vec![(0, 600), (5, 400), (10, 300)],
            vec![
                "4 -> 3 at 10:10:05Z when the cooldown ends, if nothing else changes",
                thresholds,
            ],
        ),
        (
            json!({"warmup": "90s"}),
            vec![(0, 900), (5, 300)],
            vec![
                "9 -> 3 at 10:01:30Z when the warm-up ends, if nothing else changes",
                thresholds,
            ],
        ),
    ] {
        told(&more, &samples, &expected);
    }
}

#[test]
fn each_bound_is_told_with_what_is_wanted_beyond_it() {
    let step = json!({"policies": [{"name": "burst", "step": {
        "metric": "lag", "threshold": 1000, "period": "5s",
        "steps": [{"lowerBound": 0, "upperBound": 1000, "adjustment": 2},
                  {"lowerBound": 1000, "adjustment": 4}]}}]});
    for (more, samples, expected) in [
        (
            json!({"maxReplicas": 6}),
            vec![(0, 1400)],
            vec![
                "stays at 6 for the next 1h if nothing else changes",
                "raise maxReplicas (6): 14 are wanted",
                "lag (now 1400): 5 at 500 or less",
            ],
        ),
        (
            json!({"maxReplicas": 100, "partitions": {"align": false, "allowIdle": false}}),
            vec![(0, 1400)],
            vec![
                "stays at 12 for the next 1h if nothing else changes",
                "add partitions (now 12): 14 replicas are wanted",
                "lag (now 1400): 11 at 1079 or less",
            ],
        ),
        (
            json!({"partitions": {"align": false, "allowIdle": false}}),
            vec![(0, 1400)],
            vec![
                "stays at 12 for the next 1h if nothing else changes",
                "raise maxReplicas (12) and add partitions: 14 are wanted",
                "lag (now 1400): 11 at 1079 or less",
            ],
        ),
        (
            json!({"minReplicas": 6}),
            vec![(0, 300)],
            vec![
                "stays at 6 for the next 1h if nothing else changes",
                "lower minReplicas (6): 3 would do",
                "lag (now 300): 7 from 661 on",
            ],
        ),
        (
            step,
            vec![(0, 500)],
            vec![
                "stays at 6 for the next 1h if nothing else changes",
                "lag (now 500): 8 from 1000 on",
            ],
        ),
    ] {
        told(&more, &samples, &expected);
    }
}

/// What persons set in time is found far beyond the next hour.
#[test]
fn the_times_of_persons_are_told() {
    let lag = |lag: i64| json!({"lag": lag, "arrivalRate": 10.0, "consumeRate": 1000.0});
    for (more, samples, expected) in [
        (
            json!({"schedules": [{"name": "morning", "schedule": "0 6 * * *",
                "timeZone": "Europe/Paris", "duration": "4h", "minReplicas": 9}]}),
            vec![(0, 600)],
            "6 -> 9 at 2026-01-06T05:00:00Z by profile and schedule \
             (schedule morning: minReplicas 9), if nothing else changes",
        ),
        (
            json!({"suspend": {"scaleIn": true, "until": "2026-01-05T18:00:00Z"}}),
            vec![(0, 300)],
            "6 -> 3 at 18:00:00Z when the suspension ends, if nothing else changes",
        ),
        (
            json!({"suspend": {"scaleIn": true}}),
            vec![(0, 300)],
            "stays at 6 for the next 1h if nothing else changes",
        ),
        (
            json!({"behavior": {"scaleOut": {"policies":
                [{"type": "Pods", "value": 2, "period": "1m"}]}}}),
            vec![(0, 1000)],
            "8 -> 10 at 10:01:00Z when the step limits allow it, if nothing else changes",
        ),
        (
            json!({"profiles": [{"name": "night", "capacity": {"minimum": 1, "maximum": 4},
                "policies": [{"name": "lag", "targetTracking": {"metric": "lag", "target": 100}}],
                "fixedDate": {"start": "2026-01-05T00:00:00", "end": "2026-01-05T22:00:00"}}]}),
            vec![(0, 1000)],
            "4 -> 10 at 22:00:00Z by policy lag, if nothing else changes",
        ),
    ] {
        let samples: Vec<_> = samples.iter().map(|&(at, l)| (at, lag(l))).collect();
        let samples: Vec<_> = samples.iter().map(|(at, series)| (*at, series)).collect();
        let after = After::of(&more, &samples);
        assert_eq!(after.outlook()[0], expected, "{more} {:?}", after.decision);
        if more["suspend"] == json!({"scaleIn": true}) {
            assert_eq!(
                after.outlook()[1],
                "3 when autoscaling.suspend is taken back"
            );
        }
        if more["profiles"].is_array() {
            let line = "raise maxReplicas (4, by profile night: 1 to 4): 10 are wanted";
            assert_eq!(after.outlook()[1], line);
        }
    }
}

/// Of a decision in status there is less to tell: what time and the bounds do to it.
#[test]
fn a_decision_of_which_only_status_is_left_is_told_from_its_stages() {
    let series = |lag: i64| json!({"lag": lag, "arrivalRate": 10.0, "consumeRate": 1000.0});
    let window = json!({"behavior": {"scaleIn": {"stabilizationWindow": "5m"}}});
    for (more, lags, expected) in [
        (
            window,
            vec![600, 300],
            vec!["6 -> 3 at 10:05:00Z when the stabilization window ends, if nothing else changes"],
        ),
        (
            json!({"cooldown": {"scaleIn": "10m"}}),
            vec![600, 400, 300],
            vec!["4 -> 3 at 10:10:05Z when the cooldown ends, if nothing else changes"],
        ),
        (
            json!({"maxReplicas": 6}),
            vec![600, 1400],
            vec![
                "stays at 6 for the next 1h if nothing else changes",
                "raise maxReplicas (6): 14 are wanted",
            ],
        ),
        (
            json!({"maxReplicas": 7, "partitions": {"align": false}}),
            vec![6000],
            vec![
                "stays at 7 for the next 1h if nothing else changes",
                "raise maxReplicas (7): 12 are wanted",
            ],
        ),
    ] {
        let samples: Vec<_> = (0..).step_by(5).zip(lags.into_iter().map(series)).collect();
        let samples: Vec<_> = samples.iter().map(|(at, series)| (*at, series)).collect();
        let After {
            spec,
            scaler,
            decision,
            ..
        } = After::of(&more, &samples);
        let partitions = BTreeMap::from([("t".to_owned(), 12)]);
        let (memory, kept) = (scaler.memory(), decision.whole());
        let told = outlook_of_kept(&spec, Some(&memory), &partitions, &kept, at(60));
        assert_eq!(told, expected, "{more}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The time and the count that are told come true when nothing else changes, and nothing
    /// happens before.
    #[test]
    fn what_is_told_comes_true(
        lags in vec(0..1500_i64, 1..20), window in 0..120_u32, cooldown in 0..120_u32,
        warmup in 0..120_u32,
    ) {
        let more = json!({
            "warmup": format!("{warmup}s"), "cooldown": {"scaleIn": format!("{cooldown}s")},
            "behavior": {"scaleIn": {"stabilizationWindow": format!("{window}s")}},
        });
        let series = |lag: i64| json!({"lag": lag, "arrivalRate": 10.0, "consumeRate": 5000.0});
        let samples: Vec<_> = (0..).step_by(5).zip(lags.iter().map(|&lag| series(lag))).collect();
        let samples: Vec<_> = samples.iter().map(|(at, series)| (*at, series)).collect();
        let mut after = After::of(&more, &samples);
        let told = after.outlook().remove(0);
        let (mut seconds, last) = *samples.last().unwrap();
        let count = after.decision.to;
        for _ in 0..720 {
            seconds += 5;
            let observation = sample(seconds, count, last);
            let next = decide(&after.spec, OffsetReset::Earliest, &mut after.scaler, &observation);
            if next.to != count {
                let change = format!("{count} -> {} at {}", next.to, at(seconds).strftime("%TZ"));
                prop_assert!(told.starts_with(&change), "{told}, but {change}");
                return Ok(());
            }
        }
        prop_assert_eq!(told, format!("stays at {count} for the next 1h if nothing else changes"));
    }
}
