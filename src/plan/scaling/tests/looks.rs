//! Decisions from whole looks: the unknown, the gate, the bounds, and what is told of a decision.

use super::*;
use crate::plan::scaling::series::Unreadable;

/// L1 and L2: an unreadable partition forbids a scale-in, and not a scale-out.
#[test]
fn an_unreadable_partition_forbids_only_scale_in() {
    let spec = neutral(&lag_policy(10.0));
    for (replicas, offsets, expected) in [(6, [(0, 5), (0, 5)], 6), (3, [(0, 25), (0, 35)], 6)] {
        let mut observation = look(0, replicas, &offsets);
        let failed = PartitionSample::unreadable("t", 2, "request timed out");
        observation.partitions.push(failed);
        let mut scaler = Scaler::default();
        let decision = decide(&spec, OffsetReset::Earliest, &mut scaler, &observation);
        assert_eq!(decision.to, expected, "{}", decision.why);
        assert_eq!(decision.active.reason, Reason::LagUnknown);
        if decision.is_held {
            assert!(
                decision.why.contains("partition 2 of topic t"),
                "{}",
                decision.why
            );
        }
    }
}

/// L5: a commit beyond the end is one of another log.
#[test]
fn a_commit_beyond_the_end_counts_like_none() {
    let spec = neutral(&lag_policy(10.0));
    let mut observation = look(0, 2, &[(300, 250), (0, 45)]);
    observation.partitions[0].start = Some(250);
    let decision = decide(
        &spec,
        OffsetReset::Earliest,
        &mut Scaler::default(),
        &observation,
    );
    assert_eq!(decision.to, 5, "{}", decision.why);
}

/// L6: an empty list of partitions holds the count, and says what to check.
#[test]
fn without_partitions_the_count_holds() {
    let spec = neutral(&lag_policy(10.0));
    let mut scaler = Scaler::default();
    for (observation, reason) in [
        (look(0, 3, &[(0, 25)]), Reason::Scaling),
        (look(60, 3, &[]), Reason::LagUnknown),
    ] {
        let decision = decide(&spec, OffsetReset::Earliest, &mut scaler, &observation);
        assert_eq!((decision.to, decision.active.reason), (3, reason));
    }
}

/// L13: no policy changes the count while the group rebalances; a person's bounds do.
#[test]
fn the_rebalance_gate_holds_policies_and_not_bounds() {
    let mut spec = neutral(&lag_policy(10.0));
    let mut scaler = Scaler::default();
    let mut first = look(0, 3, &[(0, 30), (0, 30)]);
    first.group = GroupState::PreparingRebalance;
    let decision = decide(&spec, OffsetReset::Earliest, &mut scaler, &first);
    assert_eq!((decision.to, decision.by.as_str()), (3, "rebalance gate"));
    let mut stuck = first.clone();
    stuck.at = at(40);
    let decision = decide(&spec, OffsetReset::Earliest, &mut scaler.clone(), &stuck);
    assert_eq!(
        (decision.to, decision.active.reason),
        (6, Reason::RebalanceStuck)
    );
    let later = look(600, 3, &[(0, 35), (0, 35)]);
    let decision = decide(&spec, OffsetReset::Earliest, &mut scaler, &later);
    assert_eq!((decision.to, decision.by.as_str()), (7, "lag"));

    spec.min_replicas = 4;
    let decision = decide(&spec, OffsetReset::Earliest, &mut Scaler::default(), &first);
    assert_eq!((decision.to, decision.by.as_str()), (4, "bounds"));
}

/// Bounds set by a person apply even when nothing can be read (L11t and the second law).
#[test]
fn bounds_apply_blind() {
    let mut spec = neutral(&lag_policy(10.0));
    (spec.min_replicas, spec.max_replicas) = (4, 6);
    for (replicas, expected) in [(2, 4), (5, 5), (9, 6)] {
        let observation = Observation {
            partitions: vec![PartitionSample::unreadable("t", 0, "timed out")],
            ..look(0, replicas, &[])
        };
        let decision = decide(
            &spec,
            OffsetReset::Earliest,
            &mut Scaler::default(),
            &observation,
        );
        assert_eq!(decision.to, expected);
    }
}

#[test]
fn the_condition_names_what_limits() {
    let mut spec = neutral(&lag_policy(10.0));
    spec.partitions = crate::api::steadiness::PartitionLevels::default();
    let reason = |spec: &Autoscaling, offsets: &[(i64, i64)]| {
        let observation = look(0, 1, offsets);
        let decision = decide(
            spec,
            OffsetReset::Earliest,
            &mut Scaler::default(),
            &observation,
        );
        decision.active.reason
    };
    assert_eq!(reason(&spec, &[(0, 20), (0, 20)]), Reason::PartitionLimited);
    assert_eq!(reason(&spec, &[(0, 10), (0, 10)]), Reason::Scaling);
    spec.max_replicas = 2;
    assert_eq!(reason(&spec, &[(0, 20), (0, 20)]), Reason::AtMaximum);
}

#[test]
fn every_stage_is_told_in_order() {
    let spec = neutral(&lag_policy(10.0));
    let observation = look(0, 1, &[(0, 45)]);
    let decision = decide(
        &spec,
        OffsetReset::Earliest,
        &mut Scaler::default(),
        &observation,
    );
    let names: Vec<&str> = decision.stages.iter().map(|s| s.name.as_str()).collect();
    let order = [
        "series",
        "policy/lag",
        "combined",
        "partitions",
        "known lag",
        "behind target",
        "rehearsal",
        "stabilization",
        "cooldown",
        "warm-up",
        "rebalance gate",
        "bounds",
    ];
    assert_eq!(names, order);
    assert_eq!((decision.by.as_str(), decision.to), ("lag", 5));
    assert_eq!(decision.why, "lag 45 at 10 a replica: 5");
}

#[test]
fn unreadable_partitions_are_named() {
    let sample = PartitionSample::unreadable("t", 7, "broker not available");
    let observation = Observation {
        partitions: vec![sample],
        ..look(0, 1, &[])
    };
    let spec = neutral(&lag_policy(10.0));
    let mut history = History::default();
    let manner = readings::manner(spec.interval);
    let reading = series::read(manner, &mut history, &observation);
    let first = "partition 7 of topic t: broker not available".to_owned();
    assert_eq!(reading.unreadable, Some(Unreadable { count: 1, first }));
}
