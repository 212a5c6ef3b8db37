//! The numbers of KEDA's Kafka scaler, with its known defects put right; the names of the conformance
//! vectors' cases stand beside them.

use super::*;

fn trigger(rest: &Value, block: &Value) -> Autoscaling {
    let mut policy = json!({"lagThreshold": 10});
    merge(&mut policy, rest);
    let policies = json!([{"name": "lag", "lagThreshold": policy}]);
    with(&neutral(&policies), block)
}

fn decided(spec: &Autoscaling, observation: &Observation) -> Decision {
    decide(
        spec,
        OffsetReset::Earliest,
        &mut Scaler::default(),
        observation,
    )
}

/// So many partitions, among which a lag is spread as evenly as it goes.
fn spread(partitions: i64, lag: i64) -> Vec<(i64, i64)> {
    let share = |i| lag / partitions + i64::from(i < lag % partitions);
    (0..partitions).map(|i| (100, 100 + share(i))).collect()
}

/// K1a to K3t: never more pods than partitions, close above the cap either.
#[test]
fn the_partitions_bound_the_count_and_not_the_metric() {
    for (partitions, target, replicas, lag, to) in [
        (10, 10, 5, 92, 10),
        (10, 10, 5, 110, 10),
        (10, 10, 9, 101, 10),
        (10, 10, 10, 109, 10),
        (5, 5, 3, 25, 5),
        (5, 5, 3, 26, 5),
        (5, 5, 4, 29, 5),
        (6, 4, 4, 24, 6),
        (6, 4, 5, 90, 6),
    ] {
        let capped = json!({"partitions": {"allowIdle": false}});
        let spec = trigger(&json!({"lagThreshold": target}), &capped);
        let decision = decided(&spec, &look(0, replicas, &spread(partitions, lag)));
        assert_eq!(decision.to, to, "{lag} on {partitions}: {}", decision.why);
    }
}

/// K4 and K5: the tolerance keeps nobody from the cap.
#[test]
fn the_cap_is_reached_although_the_tolerance_would_hold() {
    for (partitions, target, replicas, lag, to) in [
        (24, 1000, 22, 24_100, 24),
        (24, 1000, 23, 24_100, 24),
        (24, 1000, 22, 23_000, 22),
        (64, 3000, 59, 450_000, 64),
        (64, 3000, 63, 450_000, 64),
    ] {
        let block = json!({
            "partitions": {"allowIdle": false},
            "behavior": {"scaleOut": {"tolerance": 0.1}, "scaleIn": {"tolerance": 0.1}}});
        let spec = trigger(&json!({"lagThreshold": target}), &block);
        let decision = decided(&spec, &look(0, replicas, &spread(partitions, lag)));
        assert_eq!(decision.to, to, "{lag} at {replicas}: {}", decision.why);
    }
}

/// K6 and K6t.
#[test]
fn only_as_many_pods_as_partitions_with_lag_where_that_is_asked_for() {
    let capped = json!({"partitions": {"allowIdle": false}});
    let spec = |limit: bool| trigger(&json!({"limitToPartitionsWithLag": limit}), &capped);
    let one = [(0, 500), (9, 9), (9, 9), (9, 9), (9, 9)];
    let three = [(0, 200), (0, 200), (0, 100), (9, 9), (9, 9)];
    for (limit, offsets, to) in [(true, one, 1), (true, three, 3), (false, one, 5)] {
        let decision = decided(&spec(limit), &look(0, 2, &offsets));
        assert_eq!(decision.to, to, "{}", decision.why);
    }
    let few = [(0, 6), (0, 6), (0, 6), (0, 6), (0, 6)];
    assert_eq!(
        decided(&spec(true), &look(0, 2, &few)).to,
        3,
        "the lag itself asks for fewer"
    );
    assert_eq!(
        decided(&spec(true), &look(0, 2, &[(5, 5); 4])).to,
        1,
        "no lag at all"
    );
}

/// K8, K11a and K11b: not divisors, but the counts that lower the largest share.
#[test]
fn counts_are_aligned_to_levels() {
    for (partitions, lag, to) in [
        (10, 0, 1),
        (10, 10, 1),
        (10, 11, 2),
        (10, 31, 4),
        (10, 41, 5),
        (10, 51, 10),
        (10, 100, 10),
        (7, 11, 2),
        (13, 11, 2),
    ] {
        let aligned = json!({"partitions": {"align": true, "allowIdle": false}});
        let spec = trigger(&json!({}), &aligned);
        let observation = Observation {
            partition_counts: [("t".to_owned(), partitions)].into(),
            ..given(0, 5, &[("lag", Some(f64::from(lag)))])
        };
        let decision = decided(&spec, &observation);
        assert_eq!(decision.to, to, "{lag} on {partitions}: {}", decision.why);
    }
}

/// K12 and K12t.
#[test]
fn idle_pods_may_be_allowed() {
    for (partitions, target, lag, to) in [(10, 10, 500, 50), (6, 8, 100, 13)] {
        let spec = trigger(&json!({"lagThreshold": target}), &json!({}));
        let decision = decided(&spec, &look(0, 5, &spread(partitions, lag)));
        assert_eq!(decision.to, to, "{}", decision.why);
    }
}

/// K13 to K16t and K28: what a partition without a commit, or with one outside of its log, counts.
#[test]
fn the_lag_is_that_of_the_real_log() {
    let sample = |partition, start, committed, end| PartitionSample {
        topic: "t".into(),
        partition,
        start,
        committed,
        end: Some(end),
        ..PartitionSample::default()
    };
    let none = |partition| sample(partition, None, None, 150);
    for (title, reset, replicas, partitions, to) in [
        (
            "latest",
            "latest",
            1,
            vec![none(0), none(1), sample(2, Some(0), Some(100), 130)],
            3,
        ),
        (
            "an empty log",
            "earliest",
            1,
            vec![
                sample(0, Some(150), None, 150),
                sample(1, Some(0), Some(0), 20),
            ],
            2,
        ),
        (
            "what the log holds",
            "earliest",
            1,
            vec![sample(0, Some(100), None, 150)],
            5,
        ),
        (
            "end less committed",
            "latest",
            1,
            vec![sample(0, Some(0), Some(100), 150)],
            5,
        ),
        (
            "not below the start",
            "latest",
            1,
            vec![sample(0, Some(120), Some(40), 150)],
            3,
        ),
        (
            "beyond the end",
            "latest",
            4,
            vec![
                sample(0, Some(0), Some(500), 400),
                sample(1, Some(0), Some(100), 200),
            ],
            10,
        ),
    ] {
        let spec = trigger(&json!({"offsetResetPolicy": reset}), &json!({}));
        let observation = Observation {
            partitions,
            ..look(0, replicas, &[])
        };
        let decision = decided(&spec, &observation);
        assert_eq!(decision.to, to, "{title}: {}", decision.why);
    }
}

/// The policy's own reset rules for it: without the log's start `earliest` cannot tell.
#[test]
fn what_the_policy_cannot_tell_forbids_scale_in() {
    let spec = trigger(&json!({"offsetResetPolicy": "earliest"}), &json!({}));
    let decision = |lag| {
        let mut observation = look(0, 5, &[(0, lag), (0, 0)]);
        observation.partitions[1] = PartitionSample {
            start: None,
            committed: None,
            end: Some(40),
            ..observation.partitions[1].clone()
        };
        decide(
            &spec,
            OffsetReset::Latest,
            &mut Scaler::default(),
            &observation,
        )
    };
    assert_eq!(decision(20).to, 5);
    assert_eq!(decision(80).to, 8);
}

/// K17, K18 and K29: strictly above the threshold, and then straight to the wanted count.
#[test]
fn at_zero_the_activation_threshold_decides_whether_it_has_a_say() {
    let wish = |threshold: i64, lag| {
        let rest = json!({"activationLagThreshold": threshold});
        let spec = with(&trigger(&rest, &json!({})), &json!({"minReplicas": 0}));
        let decision = decided(&spec, &look(0, 0, &spread(4, lag)));
        let stage = decision
            .stages
            .iter()
            .find(|s| s.name == "policy/lag")
            .cloned();
        stage.unwrap().output
    };
    for (threshold, lag, count) in [(50, 40, 0), (50, 50, 0), (50, 51, 6), (0, 0, 0), (0, 85, 9)] {
        assert_eq!(wish(threshold, lag), count, "{lag} above {threshold}");
    }
}

/// It scales in at once where nothing was learnt of the pods, as KEDA does, and only to what bears
/// the load where something was.
#[test]
fn a_scale_in_goes_to_what_bears_the_load_once_that_is_known() {
    let spec = trigger(&json!({}), &json!({}));
    assert_eq!(decided(&spec, &look(0, 8, &[(0, 0); 8])).to, 1);
    let mut scaler = Scaler::default();
    let busy = |second: i64| {
        let read = 50 * second;
        look(second, 8, &[(read, read + 500); 8])
    };
    for second in (0..=60).step_by(10) {
        let _ = decide(&spec, OffsetReset::Earliest, &mut scaler, &busy(second));
    }
    // 50/s arrive on each of 8 partitions, and a pod did 50/s: none of them can go.
    let decision = decide(
        &spec,
        OffsetReset::Earliest,
        &mut scaler,
        &look(70, 8, &[(4000, 4000); 8]),
    );
    assert_eq!(
        (decision.to, decision.by.as_str()),
        (8, "rehearsal"),
        "{}",
        decision.why
    );
}

/// K20a and K20b: a poll without a commit is not yet persistent; three of them and two commit
/// intervals are. As soon as the commit moves the partition counts again.
#[test]
fn a_partition_that_makes_no_progress_is_left_out_where_that_is_asked_for() {
    for (exclude, after) in [(true, 2), (false, 10)] {
        let spec = trigger(&json!({"excludePersistentLag": exclude}), &json!({}));
        let mut scaler = Scaler::default();
        let mut decide = |minute: i64, stuck: i64, replicas| {
            let read = 1000 + 100 * minute;
            let offsets = [(stuck, 150 + 10 * minute), (read, read + 20)];
            let observation = look(60 * minute, replicas, &offsets);
            decide(&spec, OffsetReset::Earliest, &mut scaler, &observation).to
        };
        for (minute, to) in [(0, 7), (1, 8), (2, 9)] {
            assert_eq!(decide(minute, 100, 7), to, "minute {minute}");
        }
        assert_eq!(decide(3, 100, 9), after);
        assert_eq!(decide(4, 110, after), 10, "it moves");
    }
}
