//! Expressions over the series, and what becomes of a metric that has no value.

use super::*;

/// A block whose one policy follows the last of these metrics, a sum of `target` for each pod.
fn following(metrics: &Value, target: f64) -> Autoscaling {
    let last = metrics.as_array().unwrap().last().unwrap();
    let mut spec = neutral(&json!([{"name": "p", "targetTracking":
        {"metric": last["name"], "target": target, "of": "Total"}}]));
    spec.metrics = serde_json::from_value(metrics.clone()).unwrap();
    spec
}

fn decide_once(spec: &Autoscaling, observation: &Observation) -> Decision {
    decide(
        spec,
        OffsetReset::Earliest,
        &mut Scaler::default(),
        observation,
    )
}

/// K26, N1 of the conformance vectors among others.
#[test]
fn policies_follow_expressions_over_series_and_expressions_above() {
    let mix = following(
        &json!([{"name": "mix", "expression": "(a + b) / 2.0"}]),
        2.0,
    );
    let seen = given(0, 1, &[("a", Some(6.0)), ("b", Some(2.0))]);
    let decision = decide_once(&mix, &seen);
    assert_eq!((decision.to, decision.series.value("mix")), (2, Some(4.0)));

    let chain = json!([
        {"name": "drain", "expression": "lag / consumeRate"},
        {"name": "twice", "expression": "drain * 2"},
    ]);
    let seen = given(
        0,
        2,
        &[("lag", Some(60_000.0)), ("consumeRate", Some(10_000.0))],
    );
    assert_eq!(decide_once(&following(&chain, 3.0), &seen).to, 4);
}

/// K27 and K27t of the conformance vectors among others.
#[test]
fn an_expression_without_a_value_holds_and_is_named() {
    let drain = following(&json!([{"name": "drain", "expression": "lag / rate"}]), 3.0);
    for rate in [None, Some(0.0)] {
        let seen = given(0, 5, &[("lag", Some(6.0)), ("rate", rate)]);
        let decision = decide_once(&drain, &seen);
        assert_eq!((decision.to, decision.series.others["drain"]), (5, None));
        assert_eq!(decision.active.reason, Reason::MetricUnknown);
        assert_eq!(
            decision.active.message,
            "drain could not be read; nothing scales in until it can be"
        );
    }
}

#[test]
fn what_was_observed_under_a_name_is_not_computed() {
    let mix = following(&json!([{"name": "mix", "expression": "lag * 100"}]), 1.0);
    let seen = given(0, 1, &[("lag", Some(6.0)), ("mix", Some(3.0))]);
    assert_eq!(decide_once(&mix, &seen).to, 3);
    let unread = given(0, 5, &[("lag", Some(6.0)), ("mix", None)]);
    assert_eq!(decide_once(&mix, &unread).to, 5);
}

#[test]
fn nothing_is_computed_from_a_time_lag_that_may_be_longer() {
    let behind = following(
        &json!([{"name": "behind", "expression": "timeLag + 1"}]),
        1.0,
    );
    let unread = look(0, 5, &[(0, 100)]);
    let decision = decide_once(&behind, &unread);
    assert!(decision.series.time_lag_or_more);
    assert_eq!((decision.to, decision.series.others["behind"]), (5, None));
}

#[test]
fn an_expression_that_changes_is_read_anew() {
    let mut scaler = Scaler::default();
    for (text, expected) in [("lag", 6), ("lag", 6), ("lag * 2", 12), ("lag / 0", 12)] {
        let spec = following(&json!([{"name": "m", "expression": text}]), 1.0);
        let seen = given(
            0,
            if expected == 12 { 12 } else { 1 },
            &[("lag", Some(6.0))],
        );
        let decision = decide(&spec, OffsetReset::Earliest, &mut scaler, &seen);
        assert_eq!(decision.to, expected, "{text}");
    }
}
