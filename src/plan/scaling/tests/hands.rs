//! What persons set: bounds in time, suspension, a count by hand. The names of the conformance
//! vectors' cases stand beside them.

use super::*;

/// Follows 10 of a queue a pod, and nothing else decides.
fn queue(rest: &Value) -> Autoscaling {
    let policies = json!([{"name": "lag", "targetTracking": {"metric": "queue", "target": 10, "of": "Total"}}]);
    with(&neutral(&policies), rest)
}

/// A look at a queue of this length.
fn queued(seconds: i64, replicas: i32, length: f64) -> Observation {
    Observation {
        metrics: BTreeMap::from([("queue".to_owned(), Some(length))]),
        ..look(seconds, replicas, &[(0, 0); 4])
    }
}

/// Looks at times of 2026-01-05 at a queue; the count that is expected, and whose it is.
fn day(spec: &Autoscaling, replicas: i32, looks: &[(&str, i32, i32, &str)]) -> Scaler {
    let mut scaler = Scaler::default();
    let mut replicas = replicas;
    for &(time, length, expected, by) in looks {
        let look = Observation {
            at: format!("2026-01-05T{time}:00Z").parse().unwrap(),
            ..queued(0, replicas, f64::from(length))
        };
        let decision = decide(spec, OffsetReset::Earliest, &mut scaler, &look);
        assert_eq!(decision.to, expected, "at {time}: {}", decision.why);
        assert_eq!(decision.by, by, "at {time}: {}", decision.why);
        replicas = decision.to;
    }
    scaler
}

fn scheduled(schedule: &Value) -> Autoscaling {
    queue(&json!({"schedules": [schedule]}))
}

/// W21a, W21b and S2: the bounds of a schedule lift and pull, and give back what was before.
#[test]
fn a_schedules_bounds_hold_against_the_policies() {
    let daily = json!({"name": "day", "schedule": "0 8 * * *", "minReplicas": 10, "maxReplicas": 20,
        "duration": "2h"});
    let spec = scheduled(&daily);
    day(
        &spec,
        4,
        &[
            ("07:58", 40, 4, "lag"),
            ("08:01", 40, 10, "profile and schedule"),
            ("09:59", 150, 15, "lag"),
            ("10:02", 40, 4, "lag"),
        ],
    );
    day(
        &spec,
        25,
        &[
            ("07:58", 250, 25, "lag"),
            ("08:01", 250, 20, "profile and schedule"),
        ],
    );
}

/// Bounds hold while nothing can be read, while the group rebalances and within every window.
#[test]
fn a_schedules_bounds_pass_whatever_holds_a_policy() {
    let daily = json!({"name": "day", "schedule": "0 8 * * *", "minReplicas": 10, "maxReplicas": 20,
        "duration": "2h"});
    let rest = json!({
        "cooldown": {"scaleIn": "1h", "scaleOut": "1h"}, "warmup": "1h",
        "behavior": {
            "scaleOut": {"stabilizationWindow": "1h", "policies": [{"type": "Pods", "value": 1, "period": "1m"}]},
            "scaleIn": {"stabilizationWindow": "1h", "selectPolicy": "Disabled"},
        },
        "suspend": {"scaleIn": true, "scaleOut": true},
    });
    let spec = with(&scheduled(&daily), &rest);
    for (replicas, to) in [(4, 10), (25, 20), (15, 15)] {
        let mut look = look(0, replicas, &[]);
        look.at = "2026-01-05T08:30:00Z".parse().unwrap();
        look.partitions = vec![PartitionSample::unreadable("t", 0, "timed out")];
        look.group = GroupState::PreparingRebalance;
        let decision = decide(&spec, OffsetReset::Earliest, &mut Scaler::default(), &look);
        assert_eq!(decision.to, to, "{}", decision.why);
    }
}

/// S3: a count that is set once; the policies go on from there, in their own time.
#[test]
fn a_schedules_count_is_set_once_and_counts_in_the_windows() {
    let lift = json!({"name": "lift", "schedule": "0 8 * * *", "replicas": 6});
    let rest = json!({"behavior": {"scaleIn": {"stabilizationWindow": "5m"}}, "cooldown": {"scaleIn": "1h"}});
    let spec = with(&scheduled(&lift), &rest);
    let scaler = day(
        &spec,
        3,
        &[
            ("07:58", 30, 3, "lag"),
            ("08:00", 30, 6, "profile and schedule"),
            ("08:04", 30, 6, "stabilization"),
            ("08:06", 30, 3, "lag"),
            ("08:07", 30, 3, "lag"),
        ],
    );
    // A restart does not set it again.
    let mut restarted = Scaler::restore(Some(&scaler.memory()));
    let look = Observation {
        at: "2026-01-05T08:08:00Z".parse().unwrap(),
        ..queued(0, 3, 30.0)
    };
    let decision = decide(&spec, OffsetReset::Earliest, &mut restarted, &look);
    assert_eq!(decision.to, 3, "{}", decision.why);
}

/// It is bounded by the partitions like any other count, and by the bounds.
#[test]
fn a_schedules_count_is_bounded() {
    let lift = json!({"name": "lift", "schedule": "0 8 * * *", "replicas": 6});
    for (rest, to) in [
        (json!({"partitions": {"allowIdle": false}}), 4),
        (json!({"maxReplicas": 5}), 5),
        (json!({}), 6),
    ] {
        let spec = with(&scheduled(&lift), &rest);
        let mut scaler = Scaler::default();
        let mut decision = None;
        for time in ["07:59", "08:00"] {
            let mut look = queued(0, 3, 30.0);
            look.at = format!("2026-01-05T{time}:00Z").parse().unwrap();
            decision = Some(decide(&spec, OffsetReset::Earliest, &mut scaler, &look));
        }
        let decision = decision.unwrap();
        assert_eq!(decision.to, to, "{}", decision.why);
    }
}

/// Z14, Z24: a profile's bounds and policies stand in place of the block's; a schedule on top.
#[test]
fn a_profile_replaces_bounds_and_policies_and_a_schedule_goes_on_top() {
    let rest = json!({
        "profiles": [{"name": "work", "capacity": {"minimum": 3, "maximum": 10},
            "policies": [{"name": "calm", "targetTracking": {"metric": "queue", "target": 25, "of": "Total"}}],
            "recurrence": {"days": ["Monday"], "hours": [8], "minutes": [0], "duration": "4h"}}],
        "schedules": [{"name": "lunch", "schedule": "0 11 * * *", "minReplicas": 8, "duration": "1h"}],
    });
    let spec = queue(&rest);
    let scaler = day(
        &spec,
        4,
        &[
            ("07:59", 150, 15, "lag"),
            ("08:00", 150, 6, "calm"),
            ("08:01", 400, 10, "calm"),
            ("08:02", 20, 3, "calm"),
            ("11:00", 150, 8, "calm"),
            ("12:00", 150, 15, "lag"),
        ],
    );
    assert_eq!(scaler.memory().schedules_set, None);
}

/// W32, W33 and W38: what is suspended is held, and the rest is not.
#[test]
fn a_suspension_holds_one_direction() {
    let inward = queue(&json!({"suspend": {"scaleIn": true}}));
    day(
        &inward,
        10,
        &[("10:00", 20, 10, "suspension"), ("10:02", 110, 11, "lag")],
    );
    let outward = json!({"suspend": {"scaleOut": true, "until": "2026-01-05T10:30:00Z", "reason": "release"}});
    let outward = queue(&outward);
    day(
        &outward,
        10,
        &[
            ("10:00", 110, 10, "suspension"),
            ("10:02", 80, 8, "lag"),
            ("10:32", 110, 11, "lag"),
        ],
    );
    let daily =
        json!({"name": "day", "schedule": "0 8 * * *", "minReplicas": 10, "duration": "2h"});
    let schedules = with(&scheduled(&daily), &json!({"suspend": {"schedules": true}}));
    day(&schedules, 4, &[("08:30", 40, 4, "lag")]);
}

#[test]
fn a_count_that_somebody_else_set_is_left_alone_for_its_time_within_the_bounds() {
    let rest = json!({"minReplicas": 2, "maxReplicas": 8, "overrideFor": "10m"});
    let spec = queue(&rest);
    let by_hand = || {
        Some(Override {
            by: "kubectl".into(),
            at: None,
        })
    };
    let mut scaler = Scaler::default();
    let mut decide = |seconds, replicas, overridden| {
        let look = Observation {
            overridden,
            ..queued(seconds, replicas, 40.0)
        };
        let decision = super::decide(&spec, OffsetReset::Earliest, &mut scaler, &look);
        scaler = Scaler::restore(Some(&scaler.memory()));
        let reclaims = decision.reclaims;
        (decision.to, decision.by, decision.active.reason, reclaims)
    };
    let follows = |to| (to, "lag".to_owned(), Reason::Scaling, false);
    let held = |to, by: &str| (to, by.to_owned(), Reason::Overridden, false);
    assert_eq!(decide(0, 4, None), follows(4));
    // A count that only differs is what was seen.
    assert_eq!(decide(5, 7, None), follows(4));
    assert_eq!(decide(10, 7, by_hand()), held(7, "override"));
    assert_eq!(decide(300, 7, by_hand()), held(7, "override"));
    // Beyond a bound it is pulled there, and left alone there although the field is ours again.
    assert_eq!(decide(310, 20, by_hand()), held(8, "bounds"));
    assert_eq!(decide(320, 8, None), held(8, "override"));
    assert_eq!(decide(909, 8, None), held(8, "override"));
    assert_eq!(decide(910, 8, None), follows(4));
    // After its time it is taken back, also where the count is right.
    assert_eq!(decide(920, 4, by_hand()), held(4, "lag"));
    assert_eq!(decide(1519, 4, by_hand()), held(4, "lag"));
    let back = (4, "lag".to_owned(), Reason::Scaling, true);
    assert_eq!(decide(1520, 4, by_hand()), back);
    assert_eq!(decide(1525, 4, by_hand()), back);
    assert_eq!(decide(1530, 4, None), follows(4));
}

#[test]
fn nobody_wakes_what_a_person_put_to_sleep() {
    let spec = with(&neutral(&lag_policy(10.0)), &json!({"minReplicas": 0}));
    let look = Observation {
        overridden: Some(Override {
            by: "kubectl".into(),
            at: None,
        }),
        ..look(5, 0, &[(0, 40)])
    };
    let decision = decide(&spec, OffsetReset::Earliest, &mut Scaler::default(), &look);
    assert_eq!((decision.to, decision.by.as_str()), (0, "override"));
}

/// L9, L10, L11 and L11t: bounds as such.
#[test]
fn bounds_pull_a_count_that_nobody_wants_changed() {
    for (bounds, replicas, lag, to) in [
        (json!({"maxReplicas": 5}), 8, 80.0, 5),
        (json!({"minReplicas": 4}), 2, 20.0, 4),
        (json!({"minReplicas": 6}), 4, 30.0, 6),
    ] {
        let spec = queue(&bounds);
        let look = queued(0, replicas, lag);
        let decision = decide(&spec, OffsetReset::Earliest, &mut Scaler::default(), &look);
        assert_eq!(decision.to, to, "{}", decision.why);
    }
}
