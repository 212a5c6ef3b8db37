//! What the policies make of each other: the rehearsal of a scale-in, the want of samples, and those
//! that only say what they would do.

use super::{
    aws::{CHANGE, above, always, below, minutes, simple},
    *,
};

/// L15 and L15b: a scale-in that another policy would undo goes only as far as is safe.
#[test]
fn a_scale_in_is_rehearsed_against_the_other_alarms() {
    for (by, replicas, cpu, to) in [(-1, 4, 58.0, 4), (-2, 5, 50.0, 4), (-2, 5, 40.0, 3)] {
        let both = [
            above(70.0, CHANGE, &always(1, true)),
            below(60.0, CHANGE, &always(by, false)),
        ];
        follow(
            "rehearsed",
            &minutes(&both),
            "cpu",
            &[(0, replicas, cpu, to)],
        );
    }
    // A target has its say in the count itself, and a simple policy is asked like a step policy.
    let both = [
        simple("out", 70.0, 1, "300s"),
        below(60.0, CHANGE, &always(-1, false)),
    ];
    let decisions = follow("simple", &minutes(&both), "cpu", &[(0, 4, 58.0, 4)]);
    assert_eq!(decisions[0].by, "rehearsal");
    assert!(
        decisions[0].why.contains("out would add pods to 3"),
        "{}",
        decisions[0].why
    );
}

/// While an alarm has too few samples nobody scales in, so that a restart causes no scale-in that
/// there would not have been without it; a quiet alarm has no say.
#[test]
fn an_alarm_without_samples_forbids_scale_in() {
    let mut out = above(70.0, CHANGE, &always(1, true));
    out["step"]["evaluationPeriods"] = json!(3);
    let queue = json!({"name": "queue", "targetTracking": {"metric": "queue", "target": 10, "of": "Total"}});
    let spec = minutes(&[out, queue]);
    let mut scaler = Scaler::default();
    for (seconds, to) in [(0, 8), (60, 8), (120, 2)] {
        let metrics = [("cpu", Some(10.0)), ("queue", Some(20.0))];
        let observation = given(seconds, 8, &metrics);
        let decision = decide(&spec, OffsetReset::Earliest, &mut scaler, &observation);
        assert_eq!(decision.to, to, "at {seconds} s: {}", decision.why);
    }
}

/// L14: a policy in `Shadow` says what it would do and decides nothing.
#[test]
fn a_shadow_policy_is_told_and_plays_no_part() {
    let live =
        json!({"name": "live", "targetTracking": {"metric": "queue", "target": 20, "of": "Total"}});
    let mut bold = live.clone();
    bold["name"] = json!("bold");
    bold["mode"] = json!("Shadow");
    bold["targetTracking"]["target"] = json!(5);
    let spec = minutes(&[bold, live]);
    let decision = &follow("out", &spec, "queue", &[(0, 3, 100.0, 5)])[0];
    assert_eq!(decision.by, "live");
    let stage = decision
        .stages
        .iter()
        .find(|s| s.name == "policy/bold")
        .unwrap();
    assert_eq!(
        (stage.output, stage.reason.starts_with("shadow: ")),
        (20, true)
    );
    follow("in", &spec, "queue", &[(0, 9, 20.0, 1)]);

    let mut blind = above(70.0, CHANGE, &always(1, true));
    blind["mode"] = json!("Shadow");
    let spec = with(&spec, &json!({"policies": [blind, spec.policies[1]]}));
    follow(
        "its blindness holds nobody",
        &spec,
        "queue",
        &[(0, 9, 20.0, 1)],
    );
}

/// An age that may be more than is known proves that it is too much, and never that it is little.
#[test]
fn a_lower_bound_of_an_age_is_no_small_age() {
    let alarm = |comparison: &str, adjustment: i32| {
        json!({"name": "p", "step": {"metric": "timeLag", "threshold": 30, "period": "60s",
            "comparison": comparison, "steps": always(adjustment, adjustment > 0)}})
    };
    let rules = |operator: &str, direction: &str| {
        json!({"name": "p", "rules": [{"metric": "timeLag", "threshold": 30, "operator": operator,
            "timeGrain": "60s", "timeWindow": "60s", "direction": direction}]})
    };
    let to = |policy: Value, since: f64, or_earlier: bool| {
        let reading = Reading {
            series: Series {
                time_lag: Some(since),
                time_lag_or_more: or_earlier,
                arrival_rate: Some(0.0),
                ..Series::default()
            },
            sustained_rate: Some(0.0),
            ..Reading::default()
        };
        let (spec, observation) = (minutes(&[policy]), look(0, 4, &[(40, 100)]));
        decide_on(&spec, &mut Scaler::default(), &observation, &reading).to
    };
    for or_earlier in [false, true] {
        let (old, young) = ((60.0, or_earlier), (10.0, or_earlier));
        let fewer = if or_earlier { 4 } else { 3 };
        assert_eq!(to(alarm("GreaterThanThreshold", 2), old.0, old.1), 6);
        assert_eq!(to(rules("GreaterThan", "Increase"), old.0, old.1), 5);
        assert_eq!(to(alarm("LessThanThreshold", -1), young.0, young.1), fewer);
        assert_eq!(to(rules("LessThan", "Decrease"), young.0, young.1), fewer);
    }
}

/// With 12 partitions 7 to 11 pods are no better than 6, and 5 than 4: a step by one that would end
/// where it began goes to the next level, a need for 11 does not.
#[test]
fn a_step_is_not_swallowed_by_the_levels() {
    let levels = json!({"partitions": {"align": true, "allowIdle": false}});
    let twelve = |policy: Value, replicas, cpu| {
        let spec = with(&minutes(&[policy]), &levels);
        let observation = Observation {
            partition_counts: [("t".to_owned(), 12)].into(),
            ..given(0, replicas, &[("cpu", Some(cpu))])
        };
        decide(
            &spec,
            OffsetReset::Earliest,
            &mut Scaler::default(),
            &observation,
        )
        .to
    };
    for (by, replicas, to) in [
        (-1, 12, 6),
        (-4, 12, 6),
        (-7, 12, 6),
        (-1, 6, 4),
        (-1, 4, 3),
    ] {
        let policy = below(30.0, CHANGE, &always(by, false));
        assert_eq!(twelve(policy, replicas, 10.0), to, "{by} of {replicas}");
    }
    assert_eq!(twelve(above(70.0, CHANGE, &always(1, true)), 6, 80.0), 12);
    let total =
        json!({"name": "t", "targetTracking": {"metric": "cpu", "target": 10, "of": "Total"}});
    assert_eq!(twelve(total, 12, 110.0), 12);
    assert_eq!(
        twelve(below(30.0, "ExactCapacity", &always(11, false)), 12, 10.0),
        12
    );
}
