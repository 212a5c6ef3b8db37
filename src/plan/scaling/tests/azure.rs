//! The numbers of Azure Autoscale's documentation: rules, their windows, their combination and the
//! prevention of flapping; the names of the conformance vectors' cases stand beside them.

use super::*;

/// A rule on one minute, as most cases have it.
fn rule(metric: &str, operator: &str, threshold: f64, direction: &str, rest: &Value) -> Value {
    let mut rule = json!({
        "metric": metric, "timeGrain": "60s", "timeWindow": "60s", "operator": operator,
        "threshold": threshold, "direction": direction, "value": 1, "cooldown": "0s"});
    merge(&mut rule, rest);
    rule
}

fn out(metric: &str, operator: &str, threshold: f64) -> Value {
    rule(metric, operator, threshold, "Increase", &json!({}))
}

fn back(metric: &str, operator: &str, threshold: f64) -> Value {
    rule(metric, operator, threshold, "Decrease", &json!({}))
}

fn rules(rules: &[Value]) -> Autoscaling {
    let policies = json!([{"name": "azure", "rules": rules}]);
    with(&neutral(&policies), &json!({"interval": "60s"}))
}

/// Z1t to Z5t: a scale-in that would set off a scale-out at once is skipped.
#[test]
fn flapping_is_prevented() {
    let threads = |inner| {
        rules(&[
            out("m", "GreaterThanOrEqual", 600.0),
            back("m", "LessThan", inner),
        ])
    };
    let cpu = rules(&[
        out("m", "GreaterThanOrEqual", 75.0),
        back("m", "LessThanOrEqual", 55.0),
    ]);
    for (title, spec, lines) in [
        (
            "no margin",
            threads(600.0),
            &[(0, 2, 625.0, 3), (120, 3, 417.0, 3)][..],
        ),
        (
            "a margin",
            threads(400.0),
            &[(0, 3, 417.0, 3), (120, 3, 394.0, 2), (240, 2, 590.0, 2)],
        ),
        ("862.5 on two", threads(600.0), &[(0, 3, 575.0, 3)]),
        (
            "on three and on four",
            cpu,
            &[(0, 4, 55.0, 3), (120, 3, 55.0, 3)],
        ),
    ] {
        follow(title, &spec, "m", lines);
    }
    let spec = rules(&[out("m", "GreaterThan", 60.0), back("m", "LessThan", 35.0)]);
    let decisions = follow(
        "66 on one",
        &spec,
        "m",
        &[(0, 1, 66.0, 2), (120, 2, 33.0, 2)],
    );
    assert_eq!(decisions[1].by, "rehearsal");
}

/// Z7: the evaluation log of the documentation: of a step by five only two are safe.
#[test]
fn a_scale_in_takes_the_largest_step_that_is_safe() {
    let per_instance = json!({"dividePerInstance": true, "value": 5});
    let spec = rules(&[
        rule(
            "m",
            "GreaterThanOrEqual",
            3.0,
            "Increase",
            &json!({"dividePerInstance": true}),
        ),
        rule("m", "LessThanOrEqual", 2.0, "Decrease", &per_instance),
    ]);
    follow(
        "10 requests",
        &spec,
        "m",
        &[(0, 6, 10.0, 4), (120, 6, 2.0, 1)],
    );
    // A total that is compared as it is does not change with the count.
    let spec = rules(&[
        out("lag", "GreaterThanOrEqual", 100.0),
        rule("lag", "LessThan", 100.0, "Decrease", &json!({"value": 5})),
    ]);
    follow("a sum", &spec, "lag", &[(0, 6, 99.0, 1), (60, 6, 100.0, 7)]);
}

/// Z8, Z8b, Z9t and Z10t.
#[test]
fn out_with_any_rule_and_in_with_all() {
    let four = rules(&[
        out("cpu", "GreaterThan", 75.0),
        back("cpu", "LessThan", 30.0),
        out("memory", "GreaterThan", 75.0),
        back("memory", "LessThan", 50.0),
    ]);
    let silenced = rules(&[
        out("cpu", "GreaterThan", 75.0),
        back("memory", "LessThan", 50.0),
    ]);
    let half = json!({"type": "PercentChangeCount", "value": 50});
    let most = rules(&[
        rule("cpu", "GreaterThan", 60.0, "Increase", &half),
        rule(
            "memory",
            "GreaterThan",
            65.0,
            "Increase",
            &json!({"value": 2}),
        ),
    ]);
    let quarter = json!({"type": "PercentChangeCount", "value": 25});
    let least = rules(&[
        rule("cpu", "LessThan", 35.0, "Decrease", &json!({"value": 8})),
        rule("memory", "LessThan", 45.0, "Decrease", &quarter),
    ]);
    for (title, spec, replicas, cpu, memory, to) in [
        ("any out", &four, 10, 76.0, 50.0, 11),
        ("the other out", &four, 10, 50.0, 76.0, 11),
        ("not all in", &four, 10, 25.0, 51.0, 10),
        ("all in", &four, 10, 29.0, 49.0, 9),
        ("out silences in", &silenced, 10, 76.0, 20.0, 11),
        ("in alone", &silenced, 10, 50.0, 20.0, 9),
        ("the one that gives most", &most, 6, 70.0, 70.0, 9),
        ("the one that takes least", &least, 20, 25.0, 25.0, 15),
    ] {
        let observation = given(0, replicas, &[("cpu", Some(cpu)), ("memory", Some(memory))]);
        let mut scaler = Scaler::default();
        let decision = decide(spec, OffsetReset::Earliest, &mut scaler, &observation);
        assert_eq!(decision.to, to, "{title}: {}", decision.why);
    }
}

/// An unreadable metric forbids scale-in, and leaves scale-out to what is readable.
#[test]
fn an_unreadable_metric_forbids_only_scale_in() {
    let spec = rules(&[
        out("cpu", "GreaterThan", 75.0),
        back("cpu", "LessThan", 30.0),
        out("memory", "GreaterThan", 75.0),
    ]);
    for (cpu, to) in [(20.0, 10), (80.0, 11)] {
        let observation = given(0, 10, &[("cpu", Some(cpu)), ("memory", None)]);
        let mut scaler = Scaler::default();
        let decision = decide(&spec, OffsetReset::Earliest, &mut scaler, &observation);
        assert_eq!(decision.to, to, "{}", decision.why);
    }
}

/// Z11, Z16, Z18, Z18t, Z19, Z19t, Z28 and Z28t.
#[test]
fn operators_divisions_and_kinds_of_change() {
    let divided = |operator, threshold, direction, value| {
        let rest = json!({"dividePerInstance": true, "value": value});
        rule("m", operator, threshold, direction, &rest)
    };
    let change = |operator, threshold, direction, kind: &str, value| {
        rule(
            "m",
            operator,
            threshold,
            direction,
            &json!({"type": kind, "value": value}),
        )
    };
    let queue = rules(&[
        divided("GreaterThanOrEqual", 50.0, "Increase", 1),
        divided("LessThanOrEqual", 10.0, "Decrease", 1),
    ]);
    let strict = rules(&[out("m", "GreaterThan", 70.0), back("m", "LessThan", 30.0)]);
    let percent = rules(&[
        change("GreaterThan", 75.0, "Increase", "PercentChangeCount", 20),
        change("LessThan", 30.0, "Decrease", "PercentChangeCount", 10),
    ]);
    let exact = rules(&[
        change("GreaterThan", 75.0, "Increase", "ExactCount", 4),
        change("LessThan", 10.0, "Decrease", "ExactCount", 2),
    ]);
    let equals = rules(&[out("m", "Equals", 0.3)]);
    let differs = rules(&[out("m", "NotEquals", 0.3)]);
    for (title, spec, replicas, value, to) in [
        ("50 over two", &queue, 2, 50.0, 2),
        ("100 over two", &queue, 2, 100.0, 3),
        ("149 over three", &queue, 3, 149.0, 3),
        ("150 over three", &queue, 3, 150.0, 4),
        ("31 over three", &queue, 3, 31.0, 3),
        ("30 over three", &queue, 3, 30.0, 2),
        ("at the out threshold", &strict, 10, 70.0, 10),
        ("above it", &strict, 10, 70.5, 11),
        ("at the in threshold", &strict, 10, 30.0, 10),
        ("below it", &strict, 10, 29.5, 9),
        ("20 % more", &percent, 10, 80.0, 12),
        ("10 % fewer", &percent, 10, 20.0, 9),
        ("a part is one", &percent, 3, 20.0, 2),
        ("exactly four", &exact, 2, 80.0, 4),
        ("an out-rule removes nothing", &exact, 6, 80.0, 6),
        ("exactly two", &exact, 6, 5.0, 2),
        ("an in-rule adds nothing", &exact, 1, 5.0, 1),
        ("0.1 + 0.2 is 0.3", &equals, 5, 0.1 + 0.2, 6),
        ("and nothing else", &differs, 5, 0.1 + 0.2, 5),
    ] {
        follow(title, spec, "m", &[(0, replicas, value, to)]);
    }
}

/// Z12, Z12t and Z17: not as Azure, whose cooldown after a scale-in holds a scale-out as well.
#[test]
fn the_cooldown_of_the_rule_that_acted_holds() {
    let minutes = |minutes: i64| minutes * 60;
    let cooldown = |operator, threshold, direction, cooldown: &str| {
        rule(
            "m",
            operator,
            threshold,
            direction,
            &json!({"cooldown": cooldown}),
        )
    };
    let both = rules(&[
        cooldown("GreaterThan", 75.0, "Increase", "60m"),
        cooldown("LessThan", 30.0, "Decrease", "40m"),
    ]);
    let lines = [
        (0, 4, 80.0, 5),
        (minutes(59), AS_DECIDED, 20.0, 5),
        (minutes(59), AS_DECIDED, 80.0, 5),
        (minutes(180), AS_DECIDED, 20.0, 4),
        (minutes(219), AS_DECIDED, 20.0, 4),
        (minutes(220), AS_DECIDED, 80.0, 5),
    ];
    let decisions = follow("both directions", &both, "m", &lines);
    assert!(
        decisions[2].why.contains("cooldown (1h)"),
        "{}",
        decisions[2].why
    );
    let lines = [(0, 9, 15.0, 8), (minutes(5), AS_DECIDED, 80.0, 9)];
    follow("a scale-in never holds a scale-out", &both, "m", &lines);
    let one = rules(&[cooldown("GreaterThan", 75.0, "Increase", "10m")]);
    let lines = [
        (0, 4, 90.0, 5),
        (minutes(5), AS_DECIDED, 90.0, 5),
        (minutes(11), AS_DECIDED, 90.0, 6),
    ];
    follow("its own direction", &one, "m", &lines);
}

/// The samples of a rule with a window of five minutes, one a minute, and what is decided last.
fn window(aggregation: &str, operator: &str, threshold: f64, values: &[f64]) -> i32 {
    let rest = json!({"timeWindow": "5m", "timeAggregation": aggregation});
    let spec = rules(&[rule("m", operator, threshold, "Increase", &rest)]);
    let mut scaler = Scaler::default();
    let looks = (0..).zip(values);
    looks.fold(0, |_, (minute, &value)| {
        let observation = given(60 * minute, 4, &[("m", Some(value))]);
        decide(&spec, OffsetReset::Earliest, &mut scaler, &observation).to
    })
}

/// Z20 to Z23t: the grains of the window as one value.
#[test]
fn grains_are_aggregated_over_the_window() {
    let spike = [60.0, 60.0, 60.0, 60.0, 100.0];
    let dip = [60.0, 100.0, 100.0, 100.0, 100.0];
    for (aggregation, operator, threshold, values, to) in [
        ("Average", "GreaterThan", 70.0, &spike[..], 4),
        ("Average", "GreaterThanOrEqual", 68.0, &spike, 5),
        ("Maximum", "GreaterThan", 70.0, &spike, 5),
        ("Maximum", "GreaterThan", 70.0, &spike[..4], 4),
        ("Minimum", "GreaterThan", 70.0, &dip, 4),
        (
            "Minimum",
            "GreaterThan",
            70.0,
            &[60.0, 100.0, 100.0, 100.0, 100.0, 100.0, 100.0],
            5,
        ),
        ("Total", "GreaterThanOrEqual", 190.0, &[40.0; 4], 4),
        ("Total", "GreaterThanOrEqual", 190.0, &[40.0; 5], 5),
        ("Count", "GreaterThanOrEqual", 5.0, &spike, 5),
        ("Last", "GreaterThan", 70.0, &spike, 5),
        ("Last", "LessThan", 70.0, &spike, 4),
    ] {
        assert_eq!(
            window(aggregation, operator, threshold, values),
            to,
            "{aggregation} {operator} {threshold} of {values:?}"
        );
    }
}

/// A window that is not full yet cannot tell: after a restart one low sample must not scale in,
/// nor a high one out.
#[test]
fn a_window_that_is_not_full_decides_nothing() {
    let rest = json!({"timeWindow": "5m"});
    let spec = rules(&[
        rule("m", "GreaterThan", 70.0, "Increase", &rest),
        rule("m", "LessThan", 10.0, "Decrease", &rest),
    ]);
    let lines = |value, last| {
        [
            (0, 4, value, 4),
            (60, 4, value, 4),
            (120, 4, value, 4),
            (180, 4, value, 4),
            (240, 4, value, last),
        ]
    };
    follow("low", &spec, "m", &lines(5.0, 3));
    follow("high", &spec, "m", &lines(90.0, 5));
}

/// The samples of a grain as one value.
#[test]
fn samples_are_folded_within_a_grain() {
    for (statistic, threshold, to) in [
        ("Average", 20.0, 5),
        ("Average", 20.1, 4),
        ("Min", 10.0, 5),
        ("Min", 10.1, 4),
        ("Max", 30.0, 5),
        ("Max", 30.1, 4),
        ("Sum", 60.0, 5),
        ("Sum", 60.1, 4),
        ("Count", 3.0, 5),
        ("Count", 3.1, 4),
    ] {
        let rest = json!({"statistic": statistic});
        let rule = rule("m", "GreaterThanOrEqual", threshold, "Increase", &rest);
        let spec = with(&rules(&[rule]), &json!({"interval": "20s"}));
        let mut scaler = Scaler::default();
        let samples = [(0, 10.0), (20, 20.0), (40, 30.0)];
        let count = samples.into_iter().fold(0, |_, (seconds, value)| {
            let observation = given(seconds, 4, &[("m", Some(value))]);
            decide(&spec, OffsetReset::Earliest, &mut scaler, &observation).to
        });
        assert_eq!(count, to, "{statistic} at {threshold}");
    }
}

/// Z13: a count outside the bounds is pulled to the nearest one.
#[test]
fn a_count_outside_the_bounds_is_pulled_in() {
    let spec = rules(&[out("m", "GreaterThan", 80.0), back("m", "LessThan", 10.0)]);
    let spec = with(&spec, &json!({"minReplicas": 3, "maxReplicas": 6}));
    follow("bounds", &spec, "m", &[(0, 1, 50.0, 3), (120, 8, 50.0, 6)]);
}
