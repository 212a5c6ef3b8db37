//! What must hold for every kind of policy, whatever its metric does.

use proptest::prelude::*;

use super::*;

const METRICS: [&str; 3] = ["cpu", "queue", "lag"];

fn alarm() -> impl Strategy<Value = Value> {
    let comparisons = [
        "GreaterThanOrEqualToThreshold",
        "GreaterThanThreshold",
        "LessThanThreshold",
        "LessThanOrEqualToThreshold",
    ];
    let aggregations = ["Average", "Minimum", "Maximum"];
    let kinds = [
        "ChangeInCapacity",
        "PercentChangeInCapacity",
        "ExactCapacity",
    ];
    (
        0..3_usize,
        10..90_i32,
        0..4_usize,
        0..3_usize,
        0..3_usize,
        1..4_i32,
        1..4_i32,
    )
        .prop_map(
            move |(metric, threshold, comparison, aggregation, kind, periods, minutes)| {
                json!({
                "metric": METRICS[metric], "threshold": threshold,
                "comparison": comparisons[comparison],
                "metricAggregation": aggregations[aggregation],
                "adjustmentType": kinds[kind], "evaluationPeriods": periods,
                "period": format!("{minutes}m")})
            },
        )
}

fn step() -> impl Strategy<Value = Value> {
    (alarm(), -20..40_i32, -20..40_i32).prop_map(|(mut alarm, near, far)| {
        let is_above = alarm["comparison"].as_str().unwrap().starts_with("Greater");
        alarm["steps"] = if is_above {
            json!([{"lowerBound": 0, "upperBound": 10, "adjustment": near},
                   {"lowerBound": 10, "adjustment": far}])
        } else {
            json!([{"lowerBound": -10, "upperBound": 0, "adjustment": near},
                   {"upperBound": -10, "adjustment": far}])
        };
        json!({"step": alarm})
    })
}

fn simple() -> impl Strategy<Value = Value> {
    (alarm(), -20..40_i32, 0..600_i32).prop_map(|(mut alarm, adjustment, cooldown)| {
        alarm["adjustment"] = json!(adjustment);
        alarm["cooldown"] = json!(format!("{cooldown}s"));
        json!({"simple": alarm})
    })
}

fn rule() -> impl Strategy<Value = Value> {
    let operators = [
        "Equals",
        "NotEquals",
        "GreaterThan",
        "GreaterThanOrEqual",
        "LessThan",
        "LessThanOrEqual",
    ];
    let statistics = ["Average", "Min", "Max", "Sum", "Count"];
    let aggregations = ["Average", "Minimum", "Maximum", "Total", "Count", "Last"];
    let kinds = ["ChangeCount", "PercentChangeCount", "ExactCount"];
    let folds = (0..5_usize, 0..6_usize, 1..6_i32, 1..3_i32);
    let change = (any::<bool>(), 0..3_usize, 1..30_i32, 0..600_i32);
    (
        0..3_usize,
        0..6_usize,
        5..90_i32,
        any::<bool>(),
        folds,
        change,
    )
        .prop_map(
            move |(metric, operator, threshold, divide, folds, change)| {
                let (statistic, aggregation, window, grain) = folds;
                let (is_out, kind, value, cooldown) = change;
                json!({
                "metric": METRICS[metric], "operator": operators[operator],
                "threshold": threshold, "dividePerInstance": divide,
                "statistic": statistics[statistic],
                "timeAggregation": aggregations[aggregation],
                "timeWindow": format!("{}m", window.max(grain)),
                "timeGrain": format!("{grain}m"),
                "direction": if is_out { "Increase" } else { "Decrease" },
                "type": kinds[kind], "value": value, "cooldown": format!("{cooldown}s")})
            },
        )
}

fn kind() -> impl Strategy<Value = Value> {
    let tracking = (0..3_usize, 1..90_i32, any::<bool>()).prop_map(|(metric, target, out_only)| {
        json!({"targetTracking":
            {"metric": METRICS[metric], "target": target, "disableScaleIn": out_only}})
    });
    let lag = (1..50_i32).prop_map(|target| json!({"lagThreshold": {"lagThreshold": target}}));
    let rules = prop::collection::vec(rule(), 1..4).prop_map(|rules| json!({"rules": rules}));
    prop_oneof![step(), simple(), rules, tracking, lag]
}

prop_compose! {
    fn specs()(
        kinds in prop::collection::vec(kind(), 1..5),
        (min, more) in (1..10_i32, 0..40_i32),
        (out, back, warmup, window) in (0..300_i32, 0..300_i32, 0..300_i32, 0..300_i32),
    ) -> Autoscaling {
        let named = kinds.into_iter().zip(["a", "b", "c", "d"]).map(|(mut kind, name)| {
            kind["name"] = json!(name);
            kind
        });
        block(&json!({
            "minReplicas": min, "maxReplicas": min + more, "interval": "30s",
            "warmup": format!("{warmup}s"),
            "cooldown": {"scaleOut": format!("{out}s"), "scaleIn": format!("{back}s")},
            "behavior": {"scaleIn": {"stabilizationWindow": format!("{window}s")}},
            "partitions": {"align": false, "allowIdle": true},
            "policies": named.collect::<Vec<_>>(),
        }))
    }
}

/// Half an hour of looks, one every 30 s: values of the three metrics, and how many pods are ready.
fn looks() -> impl Strategy<Value = Vec<([Option<f64>; 3], bool)>> {
    let value = || prop::option::weighted(0.97, (0..100_i32).prop_map(f64::from));
    let values = (value(), value(), value()).prop_map(|(a, b, c)| [a, b, c]);
    prop::collection::vec((values, prop::bool::weighted(0.9)), 2..60)
}

fn observation(index: usize, replicas: i32, look: &([Option<f64>; 3], bool)) -> Observation {
    let (values, all_ready) = look;
    let metrics: Vec<_> = METRICS.into_iter().zip(*values).collect();
    Observation {
        ready: if *all_ready { replicas } else { replicas / 2 },
        ..given(30 * i64::try_from(index).unwrap(), replicas, &metrics)
    }
}

/// Decides for each look, with the count that was decided before.
fn run(spec: &Autoscaling, looks: &[([Option<f64>; 3], bool)]) -> Vec<Decision> {
    let mut scaler = Scaler::default();
    let mut replicas = spec.min_replicas;
    let decide = |(index, look)| {
        let observation = observation(index, replicas, look);
        let decision = decide(spec, OffsetReset::Earliest, &mut scaler, &observation);
        replicas = decision.to;
        decision
    };
    looks.iter().enumerate().map(decide).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn every_kind_stays_within_bounds(spec in specs(), looks in looks()) {
        for decision in run(&spec, &looks) {
            prop_assert!((spec.min_replicas..=spec.max_replicas).contains(&decision.to));
        }
    }

    #[test]
    fn the_order_of_the_policies_plays_no_part(spec in specs(), looks in looks()) {
        let mut other = spec.clone();
        other.policies.reverse();
        for (there, back) in run(&spec, &looks).iter().zip(run(&other, &looks)) {
            prop_assert_eq!((there.to, &there.by, &there.why), (back.to, &back.by, &back.why));
        }
    }

    #[test]
    fn a_policy_in_shadow_changes_nothing(spec in specs(), shadow in kind(), looks in looks()) {
        let mut shadow = shadow;
        shadow["name"] = json!("shadow");
        shadow["mode"] = json!("Shadow");
        let mut with_shadow = spec.clone();
        with_shadow.policies.insert(0, serde_json::from_value(shadow).unwrap());
        for (with, without) in run(&with_shadow, &looks).iter().zip(run(&spec, &looks)) {
            prop_assert_eq!((with.to, &with.by, &with.why), (without.to, &without.by, &without.why));
        }
    }

    /// Whatever an active policy reads that could not be read: nobody scales in.
    #[test]
    fn no_kind_scales_in_on_the_unknown(spec in specs(), looks in looks(), blind in 0..3_usize) {
        let text = serde_json::to_string(&spec.policies).unwrap();
        let reads = text.contains(&format!("\"{}\"", METRICS[blind]))
            || (METRICS[blind] == "lag" && text.contains("lagThreshold"));
        prop_assume!(reads);
        let blinded: Vec<_> = looks
            .iter()
            .map(|(values, ready)| {
                let mut values = *values;
                values[blind] = None;
                (values, *ready)
            })
            .collect();
        for decision in run(&spec, &blinded) {
            prop_assert!(decision.to >= decision.from, "{}", decision.why);
        }
    }

    /// After a restart samples are missing and nothing else: a decision without them never goes
    /// farther, in either direction, than it would have gone with them.
    #[test]
    fn a_restart_never_goes_farther(spec in specs(), looks in looks(), restart in 0..60_usize) {
        let mut undisturbed = Scaler::default();
        let mut restarted = Scaler::default();
        let mut replicas = spec.min_replicas;
        for (index, look) in looks.iter().enumerate() {
            let observation = observation(index, replicas, look);
            restarted.memory = Scaler::restore(Some(&undisturbed.memory())).memory;
            if index == restart {
                restarted = Scaler::restore(Some(&undisturbed.memory()));
            }
            let reset = OffsetReset::Earliest;
            let with = decide(&spec, reset, &mut undisturbed, &observation);
            let without = decide(&spec, reset, &mut restarted, &observation);
            let farther = if without.to < replicas {
                without.to < with.to
            } else {
                without.to > with.to.max(replicas)
            };
            prop_assert!(!farther, "{} to {}, but {}", replicas, with.why, without.why);
            replicas = with.to;
        }
    }
}
