//! The numbers of AWS Auto Scaling's documentation: step, simple and target tracking. Where a case
//! of the conformance vectors has the same numbers, its name stands beside them.

use super::*;

/// An alarm at `threshold` on the side that `comparison` names, and its bands.
pub fn step(name: &str, threshold: f64, comparison: &str, kind: &str, steps: &Value) -> Value {
    json!({"name": name, "step": {
        "metric": "cpu", "threshold": threshold, "comparison": comparison,
        "adjustmentType": kind, "period": "60s", "steps": steps}})
}

pub fn above(threshold: f64, kind: &str, steps: &Value) -> Value {
    let comparison = "GreaterThanOrEqualToThreshold";
    step("out", threshold, comparison, kind, steps)
}

pub fn below(threshold: f64, kind: &str, steps: &Value) -> Value {
    let comparison = "LessThanOrEqualToThreshold";
    step("in", threshold, comparison, kind, steps)
}

pub const CHANGE: &str = "ChangeInCapacity";
const PERCENT: &str = "PercentChangeInCapacity";
const EXACT: &str = "ExactCapacity";

/// One band without an outer edge.
pub fn always(adjustment: i32, is_out: bool) -> Value {
    let edge = if is_out { "lowerBound" } else { "upperBound" };
    json!([{edge: 0, "adjustment": adjustment}])
}

pub fn minutes(policies: &[Value]) -> Autoscaling {
    with(&neutral(&json!(policies)), &json!({"interval": "60s"}))
}

/// The user guide's example of a step policy in each direction.
fn documented() -> [Value; 2] {
    let out = json!([
        {"lowerBound": 0, "upperBound": 10, "adjustment": 0},
        {"lowerBound": 10, "upperBound": 20, "adjustment": 10},
        {"lowerBound": 20, "adjustment": 30}]);
    let back = json!([
        {"lowerBound": -10, "upperBound": 0, "adjustment": 0},
        {"lowerBound": -20, "upperBound": -10, "adjustment": -10},
        {"upperBound": -20, "adjustment": -30}]);
    [above(50.0, PERCENT, &out), below(50.0, PERCENT, &back)]
}

/// W1 to W5.
#[test]
fn the_documented_bands() {
    let spec = minutes(&documented());
    for (replicas, cpu, to) in [
        (10, 59.9, 10),
        (10, 60.0, 11),
        (11, 70.0, 14),
        (14, 40.0, 13),
        (13, 30.0, 10),
    ] {
        follow("bands", &spec, "cpu", &[(0, replicas, cpu, to)]);
    }
}

/// W6 and W7: above the threshold a band's lower edge belongs to it, below it the upper edge.
#[test]
fn edges_belong_to_the_band_that_is_nearer_to_the_threshold() {
    let out = json!([{"lowerBound": 0, "upperBound": 10, "adjustment": 1},
                     {"lowerBound": 10, "adjustment": 3}]);
    let spec = minutes(&[above(50.0, CHANGE, &out)]);
    for (cpu, to) in [(49.9, 10), (50.0, 11), (59.9, 11), (60.0, 13)] {
        follow("above", &spec, "cpu", &[(0, 10, cpu, to)]);
    }
    let back = json!([{"lowerBound": -10, "upperBound": 0, "adjustment": -1},
                      {"upperBound": -10, "adjustment": -3}]);
    let spec = minutes(&[below(50.0, CHANGE, &back)]);
    for (cpu, to) in [(50.1, 10), (50.0, 9), (40.1, 9), (40.0, 7)] {
        follow("below", &spec, "cpu", &[(0, 10, cpu, to)]);
    }
    // 0.6 + 0.1 is 0.7, whatever binary fractions make of it.
    let fine = json!([{"lowerBound": 0, "upperBound": 0.1, "adjustment": 1},
                      {"lowerBound": 0.1, "adjustment": 3}]);
    let spec = minutes(&[above(0.6, CHANGE, &fine)]);
    follow(
        "fine",
        &spec,
        "cpu",
        &[(0, 10, 0.7, 13), (60, 10, 0.699, 11)],
    );
}

/// W10a to W11bt: what an adjustment is, and where bounds stop it.
#[test]
fn adjustments_and_bounds() {
    for (kind, adjustment, bounds, replicas, to) in [
        (CHANGE, 5, (1, 1000), 3, 8),
        (EXACT, 5, (1, 1000), 3, 5),
        (EXACT, 5, (1, 1000), 5, 5),
        (PERCENT, 10, (1, 1000), 10, 11),
        (CHANGE, 3, (1, 3), 2, 3),
        (CHANGE, -4, (1, 1000), 9, 5),
        (EXACT, 4, (1, 1000), 9, 4),
        (CHANGE, -2, (2, 1000), 3, 2),
        (PERCENT, -50, (4, 1000), 6, 4),
        (EXACT, 0, (1, 1000), 9, 1),
    ] {
        let is_out = to >= replicas;
        let policy = if is_out {
            above(50.0, kind, &always(adjustment, true))
        } else {
            below(50.0, kind, &always(adjustment, false))
        };
        let bounds = json!({"minReplicas": bounds.0, "maxReplicas": bounds.1});
        let spec = with(&minutes(&[policy]), &bounds);
        let cpu = if is_out { 60.0 } else { 40.0 };
        follow("one step", &spec, "cpu", &[(0, replicas, cpu, to)]);
    }
}

/// W12a, W12b and W26: what warms up is already added, and nothing goes meanwhile.
#[test]
fn pods_on_their_way_count_as_added() {
    let spec = with(&minutes(&documented()), &json!({"warmup": "300s"}));
    for (cpu, to) in [(62.0, 11), (70.0, 13), (30.0, 11)] {
        let lines = [(0, 10, 60.0, 11), (120, 11, cpu, to)];
        follow("warming up", &spec, "cpu", &lines);
    }
    let chain = [
        (0, 10, 60.0, 11),
        (120, AS_DECIDED, 70.0, 13),
        (180, AS_DECIDED, 70.0, 13),
        // The first pod is warm, the other two are not: 30 % of 11.
        (310, AS_DECIDED, 70.0, 14),
        (720, AS_DECIDED, 30.0, 10),
    ];
    let decisions = follow("a chain", &spec, "cpu", &chain);
    assert!(decisions[2].why.contains("3 of them are on their way"));
}

/// W15, W15b, W24 and W25: the cooldowns of Application Auto Scaling.
#[test]
fn a_larger_step_passes_the_cooldown_less_what_was_added() {
    let bands = json!([{"lowerBound": 0, "upperBound": 10, "adjustment": 2},
                       {"lowerBound": 10, "adjustment": 3}]);
    let cooldown = json!({"cooldown": {"scaleOut": "300s", "scaleIn": "300s"}});
    let spec = with(&minutes(&[above(50.0, CHANGE, &bands)]), &cooldown);
    let larger = [(0, 10, 55.0, 12), (120, AS_DECIDED, 65.0, 13)];
    follow("larger", &spec, "cpu", &larger);
    let same = [
        (0, 10, 55.0, 12),
        (120, AS_DECIDED, 55.0, 12),
        (420, AS_DECIDED, 55.0, 14),
    ];
    follow("the same", &spec, "cpu", &same);

    let both = [
        above(70.0, CHANGE, &always(2, true)),
        below(30.0, CHANGE, &always(-1, false)),
    ];
    let spec = with(&minutes(&both), &cooldown);
    let back = [
        (0, 10, 30.0, 9),
        (120, AS_DECIDED, 30.0, 9),
        (420, AS_DECIDED, 30.0, 8),
    ];
    follow("in twice", &spec, "cpu", &back);
    follow(
        "in, then out",
        &spec,
        "cpu",
        &[(0, 10, 30.0, 9), (120, AS_DECIDED, 75.0, 11)],
    );
    // A scale-in in between: what was added is not on its way any more.
    let spec = with(&spec, &json!({"cooldown": {"scaleIn": "0s"}}));
    let lines = [
        (0, 10, 75.0, 12),
        (120, AS_DECIDED, 30.0, 11),
        (180, AS_DECIDED, 75.0, 13),
    ];
    follow("out, in, out", &spec, "cpu", &lines);
}

/// W13t and W14: of several policies the one that leaves most pods wins, in both directions.
#[test]
fn the_largest_capacity_wins() {
    let named = |name: &str, comparison, kind, adjustment: i32| {
        step(
            name,
            50.0,
            comparison,
            kind,
            &always(adjustment, adjustment > 0),
        )
    };
    let (high, low) = (
        "GreaterThanOrEqualToThreshold",
        "LessThanOrEqualToThreshold",
    );
    for (policies, replicas, cpu, to, by) in [
        (
            [named("one", high, CHANGE, 1), named("two", high, CHANGE, 2)],
            5,
            60.0,
            7,
            "two",
        ),
        (
            [
                named("quarter", low, PERCENT, -25),
                named("five", low, CHANGE, -5),
            ],
            12,
            22.0,
            9,
            "quarter",
        ),
    ] {
        let decisions = follow("two", &minutes(&policies), "cpu", &[(0, replicas, cpu, to)]);
        assert_eq!(decisions[0].by, by);
    }
}

/// W29, W29b and W35.
#[test]
fn only_so_many_breaches_in_a_row_sound_the_alarm() {
    let alarm = |periods, comparison| {
        let mut policy = step("out", 70.0, comparison, CHANGE, &always(1, true));
        policy["step"]["evaluationPeriods"] = json!(periods);
        minutes(&[policy])
    };
    let spec = alarm(3, "GreaterThanOrEqualToThreshold");
    let lines = |values: &[f64], last| -> Vec<MetricLine> {
        let seconds = (0..).map(|i| i * 60);
        let lines = seconds.zip(values).map(|(at, &cpu)| (at, 8, cpu, 8));
        let mut lines: Vec<_> = lines.collect();
        lines.last_mut().unwrap().3 = last;
        lines
    };
    for (title, values, last) in [
        ("three in a row", &[80.0, 80.0, 80.0][..], 9),
        (
            "a quiet one between",
            &[75.0, 75.0, 60.0, 75.0, 75.0, 75.0],
            9,
        ),
        ("not yet again", &[75.0, 75.0, 60.0, 75.0, 75.0], 8),
        (
            "unreadable in between",
            &[75.0, 75.0, f64::NAN, 75.0, 75.0],
            8,
        ),
        ("unreadable now", &[75.0, 75.0, f64::NAN], 8),
    ] {
        follow(title, &spec, "cpu", &lines(values, last));
    }
    let spec = alarm(1, "GreaterThanThreshold");
    follow("strict", &spec, "cpu", &[(0, 8, 70.0, 8), (60, 8, 70.1, 9)]);
}

/// The samples of one period become one value, as `metricAggregation` says.
#[test]
fn a_period_is_aggregated() {
    for (aggregation, samples, to) in [
        ("Average", [60.0, 60.0, 89.0], 5),
        ("Average", [60.0, 60.0, 90.0], 6),
        ("Minimum", [69.9, 90.0, 90.0], 5),
        ("Minimum", [70.0, 90.0, 90.0], 6),
        ("Maximum", [10.0, 10.0, 69.9], 5),
        ("Maximum", [70.0, 10.0, 10.0], 6),
    ] {
        let mut policy = above(70.0, CHANGE, &always(1, true));
        policy["step"]["metricAggregation"] = json!(aggregation);
        let spec = with(&neutral(&json!([policy])), &json!({"interval": "20s"}));
        let mut scaler = Scaler::default();
        let count = samples
            .into_iter()
            .zip([0, 20, 40])
            .fold(5, |_, (cpu, seconds)| {
                let observation = given(seconds, 5, &[("cpu", Some(cpu))]);
                decide(&spec, OffsetReset::Earliest, &mut scaler, &observation).to
            });
        assert_eq!(count, to, "{aggregation} of {samples:?}");
    }
}

pub fn simple(name: &str, threshold: f64, adjustment: i32, cooldown: &str) -> Value {
    json!({"name": name, "simple": {"metric": "cpu", "threshold": threshold,
        "adjustment": adjustment, "cooldown": cooldown, "period": "60s"}})
}

/// W30, W31 and W31t.
#[test]
fn a_simple_policy_ignores_its_alarm_until_its_cooldown_is_over() {
    let alone = minutes(&[simple("out", 70.0, 1, "300s")]);
    let lines = [
        (0, 4, 80.0, 5),
        (120, AS_DECIDED, 95.0, 5),
        (480, AS_DECIDED, 80.0, 6),
    ];
    follow("alone", &alone, "cpu", &lines);
    let step = step(
        "step",
        90.0,
        "GreaterThanOrEqualToThreshold",
        CHANGE,
        &always(3, true),
    );
    let both = minutes(&[simple("simple", 70.0, 1, "300s"), step]);
    let lines = [(0, 4, 80.0, 5), (120, AS_DECIDED, 95.0, 8)];
    let decisions = follow("beside a step policy", &both, "cpu", &lines);
    assert_eq!(
        (decisions[0].by.as_str(), decisions[1].by.as_str()),
        ("simple", "step")
    );
}

/// The cooldown counts from the moment that the pods are ready, and a restart does not end it.
#[test]
fn a_simple_policy_waits_for_its_pods_over_a_restart() {
    let spec = minutes(&[simple("out", 70.0, 1, "300s")]);
    let mut scaler = Scaler::default();
    for (seconds, ready, to) in [
        (0, 4, 5),
        (60, 4, 5),
        (360, 4, 5),
        (420, 5, 5),
        (660, 5, 5),
        (720, 5, 6),
    ] {
        let replicas = if seconds == 0 { 4 } else { 5 };
        let observation = Observation {
            ready,
            ..given(seconds, replicas, &[("cpu", Some(80.0))])
        };
        let decision = decide(&spec, OffsetReset::Earliest, &mut scaler, &observation);
        assert_eq!(decision.to, to, "at {seconds} s: {}", decision.why);
        scaler = Scaler::restore(Some(&scaler.memory()));
    }
}

/// W16t, W17at, W17b, W36, W37 and W37t.
#[test]
fn target_tracking_keeps_capacity_and_never_acts_on_missing_data() {
    let tracking = |rest: &Value| {
        let mut policy = json!({"name": "t", "targetTracking": {"metric": "cpu", "target": 50}});
        merge(&mut policy["targetTracking"], rest);
        minutes(&[policy])
    };
    let nan = f64::NAN;
    for (title, rest, lines) in [
        (
            "rounding",
            json!({"target": 40}),
            &[(0, 5, 52.0, 7), (60, 5, 28.0, 4)][..],
        ),
        (
            "a total",
            json!({"target": 60, "of": "Total"}),
            &[(0, 4, 905.0, 16)],
        ),
        ("per replica", json!({"target": 100}), &[(0, 10, 150.0, 15)]),
        (
            "out only",
            json!({"disableScaleIn": true}),
            &[(0, 10, 25.0, 10), (60, 10, 60.0, 12)],
        ),
        (
            "missing",
            json!({}),
            &[(0, 10, 25.0, 5), (60, AS_DECIDED, nan, 5)],
        ),
        (
            "missing total",
            json!({"target": 40, "of": "Total"}),
            &[(0, 4, 330.0, 9), (60, AS_DECIDED, nan, 9)],
        ),
    ] {
        follow(title, &tracking(&rest), "cpu", lines);
    }
    let spec = with(&tracking(&json!({})), &json!({"warmup": "300s"}));
    let lines = [
        (0, 10, 60.0, 12),
        (60, AS_DECIDED, 60.0, 12),
        (400, AS_DECIDED, 60.0, 15),
    ];
    follow(
        "W27: warm pods alone count in the average",
        &spec,
        "cpu",
        &lines,
    );
}

/// W28.
#[test]
fn several_targets_go_out_with_any_and_in_with_all() {
    let spec = minutes(&[
        json!({"name": "cpu", "targetTracking": {"metric": "cpu", "target": 50}}),
        json!({"name": "queue", "targetTracking": {"metric": "queue", "target": 10, "of": "Total"}}),
    ]);
    for (cpu, queue, to) in [(60.0, 60.0, 12), (40.0, 50.0, 8), (50.0, 50.0, 10)] {
        let observation = given(0, 10, &[("cpu", Some(cpu)), ("queue", Some(queue))]);
        let decision = decide(
            &spec,
            OffsetReset::Earliest,
            &mut Scaler::default(),
            &observation,
        );
        assert_eq!(decision.to, to, "{}", decision.why);
    }
}
