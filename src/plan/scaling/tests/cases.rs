//! The numbers of the vendors' documentation and of our own formulas, as tables.

use super::*;

/// One line of a table: seconds, pods, lag, time lag, arrivals and processed a second, and the
/// count that is expected.
type Line = (i64, i32, i64, f64, f64, f64, Option<i32>);

/// A reading whose series were given, not computed.
fn given(lag: i64, time_lag: f64, arrivals: f64, consumed: f64, replicas: i32) -> Reading {
    Reading {
        series: Series {
            lag: Some(lag),
            time_lag: Some(time_lag),
            arrival_rate: Some(arrivals),
            consume_rate: Some(consumed),
            ..Series::default()
        },
        saturated_rate: (time_lag >= 10.0).then(|| consumed / f64::from(replicas)),
        sustained_rate: Some(consumed / f64::from(replicas)),
        ..Reading::default()
    }
}

fn run(title: &str, spec: &Autoscaling, partitions: usize, lines: &[Line]) {
    let mut scaler = Scaler::default();
    for &(seconds, replicas, lag, time_lag, arrivals, consumed, expected) in lines {
        let observation = look(seconds, replicas, &vec![(0, 0); partitions]);
        let reading = given(lag, time_lag, arrivals, consumed, replicas);
        let decision = decide_on(spec, &mut scaler, &observation, &reading);
        if let Some(expected) = expected {
            assert_eq!(
                decision.to, expected,
                "{title} at {seconds} s: {}",
                decision.why
            );
        }
    }
}

fn tracking(target: f64, utilization: f64, catch_up: &str) -> Value {
    json!([{"name": "behind", "targetTracking": {
        "metric": "timeLag", "target": target, "utilization": utilization, "catchUp": catch_up}}])
}

/// F7a, F7b, F8b and U4: inside the target the arrivals decide, with headroom.
#[test]
fn inside_the_target_arrivals_and_headroom_decide() {
    let warm_up = |replicas, lag, age, arrivals, consumed| {
        (0..4).map(move |i| (i * 10, replicas, lag, age, arrivals, consumed, None))
    };
    for (title, spec, replicas, age, before, consumed, last, expected) in [
        (
            "half the arrivals, half the pods",
            tracking(60.0, 1.0, "30m"),
            10,
            45.0,
            95.0,
            100.0,
            (3750, 49.0),
            5,
        ),
        (
            "utilization leaves headroom",
            tracking(60.0, 0.8, "30m"),
            10,
            45.0,
            79.0,
            100.0,
            (3750, 49.0),
            7,
        ),
        (
            "100/s at 60 % of 50/s",
            tracking(60.0, 0.6, "30m"),
            2,
            30.0,
            55.0,
            100.0,
            (2500, 100.0),
            4,
        ),
        (
            "no catch-up term inside",
            tracking(60.0, 0.7, "1m"),
            3,
            30.0,
            160.0,
            240.0,
            (6000, 200.0),
            4,
        ),
    ] {
        let (lag, arrivals) = last;
        let lines: Vec<Line> = warm_up(replicas, lag, age, before, consumed)
            .chain([(40, replicas, lag, age, arrivals, consumed, Some(expected))])
            .collect();
        run(title, &neutral(&spec), 1000, &lines);
    }
}

/// U3a, U3b, P1 and P2: over the target the backlog is worked off within `catchUp`.
#[test]
fn over_the_target_the_backlog_is_worked_off_in_time() {
    let aligned = json!({"align": true, "allowIdle": false});
    for (title, policy, align, partitions, before, last, expected) in [
        (
            "1 800 000 in 30 min",
            tracking(60.0, 0.7, "30m"),
            false,
            1000,
            (4, 40_000, 30.0, 1350.0, 2000.0),
            (1_800_000, 1800.0, 1000.0),
            5,
        ),
        (
            "to the next level",
            tracking(60.0, 0.7, "30m"),
            true,
            12,
            (4, 40_000, 30.0, 1350.0, 2000.0),
            (1_800_000, 1800.0, 1000.0),
            6,
        ),
        (
            "36 000 in 10 min",
            tracking(60.0, 1.0, "10m"),
            false,
            1000,
            (2, 2500, 25.0, 95.0, 100.0),
            (36_000, 360.0, 100.0),
            4,
        ),
        (
            "6 000 000 in 30 min",
            tracking(60.0, 1.0, "30m"),
            false,
            1000,
            (5, 250_000, 25.0, 9500.0, 10_000.0),
            (6_000_000, 600.0, 10_000.0),
            7,
        ),
    ] {
        let mut spec = neutral(&policy);
        if align {
            spec.partitions = serde_json::from_value(aligned.clone()).unwrap();
        }
        let (replicas, lag, age, arrivals, consumed) = before;
        let mut lines: Vec<Line> = (0..4)
            .map(|i| (i * 10, replicas, lag, age, arrivals, consumed, None))
            .collect();
        let (lag, age, arrivals) = last;
        lines.push((40, replicas, lag, age, arrivals, consumed, Some(expected)));
        run(title, &spec, partitions, &lines);
    }
}

/// F16: nobody scales in while behind, and the first look already knows the rate of a pod.
#[test]
fn no_scale_in_while_behind_the_target() {
    let spec = neutral(&tracking(300.0, 0.7, "30m"));
    let line = |seconds, lag, age, to| (seconds, 10, lag, age, 200.0, 1000.0, Some(to));
    run(
        "draining",
        &spec,
        1000,
        &[
            line(0, 99_000, 495.0, 10),
            line(10, 91_000, 455.0, 10),
            line(20, 83_000, 415.0, 10),
            line(30, 75_000, 375.0, 10),
            line(56, 54_000, 270.0, 3),
        ],
    );
}

/// L9: nor does another policy, that would have fewer at once.
#[test]
fn while_one_policy_is_behind_no_other_scales_in() {
    let mut policies = tracking(30.0, 0.7, "10m");
    let lag = &lag_policy(10_000.0)[0];
    policies.as_array_mut().unwrap().push(lag.clone());
    let line = |seconds, lag, age, to| (seconds, 8, lag, age, 100.0, 400.0, Some(to));
    run(
        "draining",
        &neutral(&policies),
        1000,
        &[
            line(0, 10_500, 105.0, 8),
            line(10, 7500, 75.0, 8),
            line(20, 4500, 45.0, 8),
            line(30, 1500, 15.0, 3),
        ],
    );
}

/// The start-up rule: without a rate, over the target, the count doubles to the next level.
#[test]
fn without_a_rate_the_count_doubles_once_an_interval() {
    let mut spec = neutral(&time_lag_policy(5.0));
    spec.partitions = crate::api::steadiness::PartitionLevels::default();
    let mut scaler = Scaler::default();
    for (seconds, replicas, ready, expected) in [
        (0, 1, 0, 1),
        (10, 1, 1, 2),
        (20, 2, 1, 4),
        (21, 4, 1, 4),
        (30, 4, 2, 12),
        (40, 12, 4, 12),
    ] {
        let observation = Observation {
            ready,
            ..look(seconds, replicas, &[(0, 0); 12])
        };
        let reading = given(100, 8.0, 50.0, 10.0, replicas);
        let decision = decide_on(&spec, &mut scaler, &observation, &reading);
        assert_eq!(decision.to, expected, "at {seconds} s: {}", decision.why);
    }
}

/// The same doubling waits for `cooldown.scaleOut`, as a step that is taken again does at AWS
/// (W15b); a count that the metric calls for does not.
#[test]
fn a_doubling_waits_for_the_scale_out_cooldown() {
    let mut spec = neutral(&time_lag_policy(5.0));
    spec.cooldown.scale_out = crate::api::common::Duration::from_secs(60);
    let line = |seconds, replicas, to| (seconds, replicas, 100, 8.0, 50.0, 10.0, Some(to));
    let doubling = [
        line(0, 1, 2),
        line(10, 2, 2),
        line(59, 2, 2),
        line(60, 2, 4),
    ];
    run("doubling", &spec, 1000, &doubling);

    let mut spec = neutral(&lag_policy(10.0));
    spec.cooldown.scale_out = crate::api::common::Duration::from_secs(60);
    let line = |seconds, replicas, lag, to| (seconds, replicas, lag, 1.0, 0.0, 0.0, Some(to));
    run(
        "a larger need",
        &spec,
        1000,
        &[line(0, 1, 20, 2), line(10, 2, 30, 3)],
    );
}

/// A group that never had a backlog comes in one level per window, and goes back out at once.
#[test]
fn a_group_without_a_rate_tries_one_level_fewer_per_window() {
    let mut spec = neutral(&time_lag_policy(30.0));
    spec.partitions = crate::api::steadiness::PartitionLevels::default();
    spec.behavior.scale_in.stabilization_window =
        Some(crate::api::common::Duration::from_secs(100));
    let quiet = |seconds, replicas, to| (seconds, replicas, 0, 0.0, 10.0, 10.0, Some(to));
    run(
        "one level per window",
        &spec,
        12,
        &[
            quiet(0, 6, 6),
            quiet(50, 6, 6),
            quiet(100, 6, 4),
            quiet(110, 4, 4),
            quiet(199, 4, 4),
            quiet(200, 4, 3),
            (210, 3, 500, 31.0, 10.0, 0.0, Some(6)),
        ],
    );
}

/// The tolerance does not keep the count away from a bound (KEDA's complaints 2908 and 4791).
#[test]
fn the_tolerance_never_keeps_a_bound_out_of_reach() {
    let mut spec = neutral(&lag_policy(10.0));
    spec.behavior = crate::api::steadiness::Behavior::default();
    spec.behavior.scale_in.stabilization_window = Some(crate::api::common::Duration::from_secs(0));
    spec.min_replicas = 10;
    spec.max_replicas = 12;
    for (replicas, lag, expected) in [(11, 119, 12), (11, 100, 10), (12, 109, 12)] {
        run(
            "bounds",
            &spec,
            1000,
            &[(0, replicas, lag, 1.0, 0.0, 0.0, Some(expected))],
        );
    }
}

/// KEDA's complaint 4483: the cap lies on the count, so it is never one too many.
#[test]
fn the_cap_lies_on_the_count_not_on_the_metric() {
    let mut spec = neutral(&lag_policy(10.0));
    spec.partitions = crate::api::steadiness::PartitionLevels::default();
    run(
        "between cap and one more",
        &spec,
        12,
        &[(0, 1, 125, 1.0, 0.0, 0.0, Some(12))],
    );
}

/// A scale-in that the lag alone allows, but that what arrives forbids.
#[test]
fn a_scale_in_that_would_fall_behind_stops_where_it_is_safe() {
    let spec = neutral(&lag_policy(1000.0));
    run(
        "arrivals of 350/s at 100/s a pod",
        &spec,
        1000,
        &[
            (0, 8, 20_000, 25.0, 350.0, 800.0, None),
            (10, 8, 0, 0.0, 350.0, 350.0, Some(4)),
        ],
    );
}
