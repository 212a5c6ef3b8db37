//! The numbers of the `HorizontalPodAutoscaler`'s documentation, as far as they are about a target;
//! the names of the conformance vectors' cases stand beside them.

use super::*;

fn tracking(target: f64, of: &str, behavior: &Value) -> Autoscaling {
    let policy = json!([{"name": "load", "targetTracking":
        {"metric": "load", "target": target, "of": of}}]);
    with(&neutral(&policy), &json!({"behavior": behavior}))
}

/// H1, H1t, H18, H8a to H8bt.
#[test]
fn the_count_follows_the_ratio_of_metric_and_target() {
    for (of, target, replicas, value, to) in [
        ("PerReplica", 0.1, 4, 0.2, 8),
        ("PerReplica", 0.1, 4, 0.05, 2),
        ("PerReplica", 40.0, 7, 120.0, 21),
        ("PerReplica", 40.0, 12, 20.0, 6),
        ("PerReplica", 40.0, 30, 52.0, 39),
        ("PerReplica", 0.3, 10, 0.27, 9),
        ("PerReplica", 5.0, 3, 20.0, 12),
        ("PerReplica", 7.0, 4, 18.0, 11),
        ("Total", 5.0, 3, 20.0, 4),
        ("Total", 5.0, 9, 20.0, 4),
        ("Total", 8.0, 2, 50.0, 7),
        ("Total", 8.0, 15, 50.0, 7),
    ] {
        let spec = tracking(target, of, &json!({}));
        follow(of, &spec, "load", &[(0, replicas, value, to)]);
    }
}

/// H5t, H6, H7, H7b and H19.
#[test]
fn inside_the_tolerance_nothing_changes_and_its_edge_holds() {
    let tenth = json!({"scaleOut": {"tolerance": 0.1}, "scaleIn": {"tolerance": 0.1}});
    for (of, target, behavior, replicas, value, to) in [
        ("PerReplica", 10.0, tenth.clone(), 10, 11.0, 10),
        ("PerReplica", 10.0, tenth.clone(), 10, 10.9, 10),
        (
            "PerReplica",
            50.0,
            json!({"scaleOut": {"tolerance": 0.2}}),
            10,
            59.5,
            10,
        ),
        (
            "PerReplica",
            50.0,
            json!({"scaleOut": {"tolerance": 0.2}}),
            10,
            61.0,
            13,
        ),
        (
            "PerReplica",
            10.0,
            json!({"scaleIn": {"tolerance": 0.1}}),
            10,
            9.0,
            10,
        ),
        (
            "PerReplica",
            10.0,
            json!({"scaleIn": {"tolerance": 0.1}}),
            10,
            8.9,
            9,
        ),
        (
            "PerReplica",
            10.0,
            json!({"scaleIn": {"tolerance": 0.1}}),
            10,
            10.1,
            11,
        ),
        ("Total", 10.0, tenth.clone(), 10, 105.0, 10),
        ("Total", 10.0, tenth, 10, 112.0, 12),
    ] {
        let spec = tracking(target, of, &behavior);
        follow(of, &spec, "load", &[(0, replicas, value, to)]);
    }
}

/// H13: a pod that is not ready counts as capacity and not in the average. An average above the
/// target never removes a pod because others are on their way.
#[test]
fn pods_that_are_not_ready_are_capacity_and_not_in_the_average() {
    let spec = tracking(100.0, "PerReplica", &json!({}));
    for (replicas, ready, value, to) in [
        (3, 2, 200.0, 4),
        (3, 3, 200.0, 6),
        (5, 2, 110.0, 5),
        (5, 2, 90.0, 2),
        (5, 0, 200.0, 5),
        (5, 9, 100.0, 5),
    ] {
        let observation = Observation {
            ready,
            ..given(0, replicas, &[("load", Some(value))])
        };
        let mut scaler = Scaler::default();
        let decision = decide(&spec, OffsetReset::Earliest, &mut scaler, &observation);
        assert_eq!(
            decision.to, to,
            "{ready} of {replicas} at {value}: {}",
            decision.why
        );
    }
}

/// H9a and H9b.
#[test]
fn the_most_cautious_wish_of_a_window_counts() {
    let spec = tracking(
        10.0,
        "Total",
        &json!({"scaleIn": {"stabilizationWindow": "300s"}}),
    );
    let falling = [
        (0, 10, 100.0, 10),
        (60, 10, 80.0, 10),
        (120, 10, 90.0, 10),
        (180, 10, 50.0, 10),
        (330, 10, 50.0, 9),
    ];
    follow("in", &spec, "load", &falling);
    let spec = tracking(
        10.0,
        "Total",
        &json!({"scaleOut": {"stabilizationWindow": "300s"}}),
    );
    let rising = [
        (0, 4, 40.0, 4),
        (60, 4, 60.0, 4),
        (120, 4, 80.0, 4),
        (330, 4, 80.0, 6),
    ];
    follow("out", &spec, "load", &rising);
}

/// H10a to H10c.
#[test]
fn of_several_metrics_the_highest_count_wins_and_the_unreadable_forbids_scale_in() {
    let policy = |name: &str, metric: &str| json!({"name": name, "targetTracking": {"metric": metric, "target": 10, "of": "Total"}});
    let spec = neutral(&json!([policy("first", "a"), policy("second", "b")]));
    for (a, b, to) in [(Some(40.0), 70.0, 7), (None, 20.0, 5), (None, 80.0, 8)] {
        let observation = given(0, 5, &[("a", a), ("b", Some(b))]);
        let mut scaler = Scaler::default();
        let decision = decide(&spec, OffsetReset::Earliest, &mut scaler, &observation);
        assert_eq!(decision.to, to, "{}", decision.why);
    }
}
