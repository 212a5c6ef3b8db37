//! From zero pods and back, and the floor while nothing can be read; the names of the conformance
//! vectors' cases stand beside them.

use super::*;

fn spec(rest: &Value) -> Autoscaling {
    let block = json!({"minReplicas": 0, "activation": {"lag": 0, "idleFor": "5m"}});
    with(&with(&neutral(&lag_policy(10.0)), &block), rest)
}

/// A minute, the partitions' commits and ends, and the count that is expected.
type Minute<'a> = (i64, &'a [(i64, i64)], i32);

fn minutes(spec: &Autoscaling, replicas: i32, looks: &[Minute<'_>]) -> Scaler {
    let mut scaler = Scaler::default();
    let mut replicas = replicas;
    for &(minute, offsets, expected) in looks {
        let look = look(60 * minute, replicas, offsets);
        let decision = decide(spec, OffsetReset::Earliest, &mut scaler, &look);
        assert_eq!(decision.to, expected, "at {minute} min: {}", decision.why);
        replicas = decision.to;
    }
    scaler
}

const READ: &[(i64, i64)] = &[(500, 500)];

/// L7: to zero only after `idleFor` of proven zero lag.
#[test]
fn the_last_pod_goes_after_the_time_of_proven_idleness() {
    let looks: Vec<_> = (0..=5).map(|m| (m, READ, i32::from(m < 5))).collect();
    minutes(&spec(&json!({})), 1, &looks);
    // Several pods come in as the policies want it, and go at once where they want one by then.
    let looks: Vec<_> = (0..=5)
        .map(|m| (m, READ, [3, 1, 1, 1, 1, 0][usize::try_from(m).unwrap()]))
        .collect();
    minutes(&spec(&json!({})), 3, &looks);
    let window = json!({"behavior": {"scaleIn": {"stabilizationWindow": "5m"}}});
    let looks: Vec<_> = (0..=5)
        .map(|m| (m, READ, if m < 5 { 3 } else { 0 }))
        .collect();
    minutes(&spec(&window), 3, &looks);
}

/// Policies that only add pods have nothing to say of an idle group: it goes to zero from any count,
/// as KEDA's `cooldownPeriod` has it.
#[test]
fn where_no_policy_has_an_opinion_all_pods_go() {
    let step = json!({"policies": [{"name": "more", "step": {
        "metric": "lag", "threshold": 200, "period": "2m",
        "steps": [{"lowerBound": 0, "adjustment": 1}],
    }}]});
    let looks: Vec<_> = (0..=5)
        .map(|m| (m, READ, if m < 5 { 4 } else { 0 }))
        .collect();
    minutes(&spec(&step), 4, &looks);
}

/// L7b: a record in between starts the time again, whether its lag is seen or only its offset.
#[test]
fn a_record_in_between_starts_the_idle_time_again() {
    let lagging: &[(i64, i64)] = &[(500, 504)];
    let consumed: &[(i64, i64)] = &[(504, 504)];
    for between in [lagging, consumed] {
        let looks = [
            (0, READ, 1),
            (2, between, 1),
            (3, consumed, 1),
            (5, consumed, 1),
            (6, consumed, 1),
            (8, consumed, 0),
        ];
        let known = looks.len() - usize::from(between == consumed);
        minutes(&spec(&json!({})), 1, &looks[..known]);
    }
}

/// L7c: what cannot be read, or has no commit, is not proven zero.
#[test]
fn the_unknown_breaks_the_proof() {
    let spec = spec(&json!({}));
    let breaks: [fn(&mut PartitionSample); 3] = [
        |sample| *sample = PartitionSample::unreadable("t", 0, "timed out"),
        |sample| (sample.committed, sample.start) = (None, Some(500)),
        |sample| sample.committed = Some(501),
    ];
    for (i, change) in breaks.iter().enumerate() {
        let mut scaler = Scaler::default();
        for minute in 0..=7 {
            let mut look = look(60 * minute, 1, READ);
            if minute == 4 {
                change(&mut look.partitions[0]);
            }
            let reset = OffsetReset::Latest;
            let decision = decide(&spec, reset, &mut scaler, &look);
            assert_eq!(
                decision.to, 1,
                "break {i} at {minute} min: {}",
                decision.why
            );
        }
        let look = look(600, 1, READ);
        assert_eq!(decide(&spec, OffsetReset::Latest, &mut scaler, &look).to, 0);
    }
}

/// Nobody has to have looked all the time: as long as no log grew, no record arrived.
#[test]
fn the_proof_survives_a_restart_and_only_where_it_holds() {
    let spec = spec(&json!({}));
    let before = minutes(&spec, 1, &[(0, READ, 1), (1, READ, 1)]).memory();
    for (offsets, to) in [((500, 500), 0), ((504, 504), 1), ((500, 504), 1)] {
        let mut scaler = Scaler::restore(Some(&before));
        // The first look after a restart knows no rates yet; the lag is enough for this policy.
        let decision = decide(
            &spec,
            OffsetReset::Earliest,
            &mut scaler,
            &look(330, 1, &[offsets]),
        );
        assert_eq!(decision.to, to, "{offsets:?}: {}", decision.why);
    }
    let without = &mut Scaler::restore(Some(&ScalingMemory::default()));
    let decision = decide(&spec, OffsetReset::Earliest, without, &look(330, 1, READ));
    assert_eq!(decision.to, 1);
}

/// L8, K17, K18 and K29: above the threshold strictly, and then to the wanted count at once.
#[test]
fn the_first_jump_goes_straight_to_the_wanted_count() {
    let at_zero = |spec: &Autoscaling, lag: i64| {
        let look = look(0, 0, &[(500, 500 + lag)]);
        let mut scaler = Scaler::default();
        decide(spec, OffsetReset::Earliest, &mut scaler, &look)
    };
    let above_five = spec(&json!({"activation": {"lag": 5}}));
    let held = json!({
        "behavior": {"scaleOut": {"stabilizationWindow": "10m"}},
        "cooldown": {"scaleOut": "1h"}, "activation": {"lag": 0},
    });
    let keda = |lag, activation| {
        json!({"policies": [{"name": "lag", "lagThreshold":
            {"lagThreshold": lag, "activationLagThreshold": activation}}]})
    };
    for (spec, lag, to) in [
        (&above_five, 0, 0),
        (&above_five, 5, 0),
        (&above_five, 6, 1),
        (&above_five, 85, 9),
        (&spec(&held), 85, 9),
        (&spec(&keda(10, 50)), 40, 0),
        (&spec(&keda(10, 50)), 50, 0),
        (&spec(&keda(10, 50)), 51, 6),
        (&spec(&keda(1, 1)), 1, 0),
        (&spec(&keda(1, 1)), 2, 2),
        (&spec(&keda(10, 0)), 85, 9),
    ] {
        let decision = at_zero(spec, lag);
        assert_eq!(decision.to, to, "lag {lag}: {}", decision.why);
    }
    assert_eq!(at_zero(&above_five, 5).by, "activation");
    assert_eq!(at_zero(&above_five, 85).by, "lag");
}

/// From zero a policy on the age of the oldest record knows what one pod can do, or begins with one.
#[test]
fn the_first_jump_uses_the_remembered_capacity() {
    let policies = json!({"policies": time_lag_policy(30.0)});
    let spec = spec(&policies);
    let learnt = json!({"capacity": {"perReplica": 100.0, "samples": 10}});
    for (memory, to) in [(json!({}), 1), (learnt, 3)] {
        let memory: ScalingMemory = serde_json::from_value(memory).unwrap();
        let mut scaler = Scaler::restore(Some(&memory));
        let mut to_zero = 0;
        for i in 0..4 {
            // 210 records arrive each second, and the oldest is soon over the target.
            let mut look = look(10 * i, to_zero, &[(500, 500 + 2100 * i)]);
            look.partitions[0].unread_since = (i > 0).then(|| at(-60));
            let decision = decide(&spec, OffsetReset::Earliest, &mut scaler, &look);
            if i == 1 {
                assert_eq!(decision.to, 1, "{}", decision.why);
            }
            if i == 3 {
                assert_eq!(decision.to, to, "{}", decision.why);
            }
            to_zero = 0;
        }
    }
}

/// A group without any commit is woken by what its log holds, whatever `offsetReset` says.
#[test]
fn a_group_without_a_commit_wakes_for_anything_that_its_log_holds() {
    let spec = spec(&json!({"activation": {"lag": 100}}));
    for reset in [OffsetReset::Earliest, OffsetReset::Latest] {
        for (commits, start, to) in [
            ([None, None], 0, 1),
            ([None, None], 4, 0),
            // One with a commit: what the other holds counts as lag, against the threshold.
            ([Some(4), None], 0, 0),
        ] {
            let mut look = look(0, 0, &[(0, 4), (0, 4)]);
            for (sample, committed) in look.partitions.iter_mut().zip(commits) {
                (sample.committed, sample.start) = (committed, Some(start));
            }
            let decision = decide(&spec, reset, &mut Scaler::default(), &look);
            assert_eq!(decision.to, to, "{commits:?} {start}: {}", decision.why);
        }
    }
}

/// At zero as elsewhere: what can be read decides on pods, and nothing at all decides nothing.
#[test]
fn at_zero_the_readable_partitions_wake() {
    let spec = spec(&json!({}));
    for (offsets, to) in [(&[(0, 35)][..], 4), (&[(7, 7)][..], 0), (&[][..], 0)] {
        let mut look = look(0, 0, offsets);
        let failed = PartitionSample::unreadable("t", 9, "timed out");
        look.partitions.push(failed);
        let decision = decide(&spec, OffsetReset::Earliest, &mut Scaler::default(), &look);
        assert_eq!(decision.to, to, "{}", decision.why);
    }
}

/// A policy that cannot tell keeps the last pod.
#[test]
fn the_last_pod_stays_while_a_policy_cannot_tell() {
    let policies = json!({"policies": [
        {"name": "lag", "targetTracking": {"metric": "lag", "target": 10}},
        {"name": "cpu", "targetTracking": {"metric": "cpu", "target": 50}},
    ]});
    let spec = spec(&policies);
    for (cpu, to) in [(None, 1), (Some(10.0), 0), (Some(90.0), 2)] {
        let mut scaler = Scaler::default();
        let mut decision = None;
        for minute in 0..=5 {
            let mut look = look(60 * minute, 1, READ);
            look.metrics = BTreeMap::from([("cpu".to_owned(), cpu)]);
            decision = Some(decide(&spec, OffsetReset::Earliest, &mut scaler, &look));
        }
        let decision = decision.unwrap();
        assert_eq!(decision.to, to, "cpu {cpu:?}: {}", decision.why);
    }
}

/// Commits of an empty group expire; a tenth of the time before, pods come and renew them.
#[test]
fn a_sleeping_group_is_woken_before_its_commits_expire() {
    let spec = spec(&json!({}));
    let hour = 3600;
    let mut scaler = minutes(&spec, 1, &[(0, READ, 1), (5, READ, 0)]);
    for (seconds, replicas, to, reason) in [
        (9 * hour + 299, 0, 0, Reason::Scaling),
        (9 * hour + 300, 0, 1, Reason::OffsetsExpiring),
        (9 * hour + 599, 1, 1, Reason::Scaling),
        (9 * hour + 600, 1, 0, Reason::Scaling),
        (18 * hour, 0, 0, Reason::Scaling),
    ] {
        let mut look = look(seconds, replicas, READ);
        look.offsets_retention_seconds = Some(10 * hour);
        let decision = decide(&spec, OffsetReset::Earliest, &mut scaler, &look);
        assert_eq!(decision.to, to, "at {seconds} s: {}", decision.why);
        assert_eq!(decision.active.reason, reason, "at {seconds} s");
    }
    // Where they are kept for a shorter time than the pods are idle, nobody goes to sleep.
    let mut scaler = Scaler::default();
    for minute in 0..30 {
        let mut look = look(60 * minute, 1, READ);
        look.offsets_retention_seconds = Some(330);
        let decision = decide(&spec, OffsetReset::Earliest, &mut scaler, &look);
        assert_eq!(decision.to, 1);
        assert_eq!(decision.active.reason, Reason::OffsetsExpiring);
    }
}

/// Where zero is no bound, an idle group keeps its fewest pods and remembers no proof.
#[test]
fn zero_is_out_of_reach_with_another_minimum() {
    let spec = spec(&json!({"minReplicas": 1}));
    let scaler = minutes(&spec, 1, &[(0, READ, 1), (10, READ, 1), (20, READ, 1)]);
    assert_eq!(scaler.memory().idle, None);
    minutes(&spec, 0, &[(0, READ, 1)]);
}

/// K21, K23, K26, Z15 and Z27: `defaultReplicas` is a floor while nothing can be read, also from
/// zero, and it never lowers.
#[test]
fn a_floor_holds_while_nothing_can_be_read() {
    let cpu = json!([{"name": "cpu", "targetTracking": {"metric": "cpu", "target": 50}}]);
    let both = json!([cpu[0], lag_policy(10.0)[0]]);
    let profile = json!([{"name": "day", "capacity": {"minimum": 2, "maximum": 20, "default": 7},
        "policies": cpu, "fixedDate": {"start": "2026-01-05T00:00:00", "end": "2026-01-06T00:00:00"}}]);
    for (title, rest, replicas, cpu, to) in [
        ("lifts", json!({}), 2, None, 6),
        ("from zero", json!({}), 0, None, 6),
        ("never lowers", json!({}), 9, None, 9),
        (
            "one can be read",
            json!({"policies": both}),
            2,
            Some(50.0),
            2,
        ),
        ("none can be read", json!({"policies": both}), 2, None, 6),
        (
            "the profile's own",
            json!({"profiles": profile}),
            2,
            None,
            7,
        ),
        (
            "not above the maximum",
            json!({"maxReplicas": 4}),
            2,
            None,
            4,
        ),
        ("no floor", json!({"defaultReplicas": null}), 2, None, 2),
    ] {
        let spec = spec(&with_default(&rest));
        let mut look = look(0, replicas, &[]);
        look.partitions = vec![PartitionSample::unreadable("t", 0, "timed out")];
        look.metrics = BTreeMap::from([("cpu".to_owned(), cpu)]);
        let decision = decide(&spec, OffsetReset::Earliest, &mut Scaler::default(), &look);
        assert_eq!(decision.to, to, "{title}: {}", decision.why);
    }
    // Without any partition there is nothing to read, which is no reason to change anything.
    let empty = look(0, 2, &[]);
    let spec = spec(&with_default(&json!({})));
    let decision = decide(&spec, OffsetReset::Earliest, &mut Scaler::default(), &empty);
    assert_eq!(decision.to, 2, "{}", decision.why);
}

fn with_default(rest: &Value) -> Value {
    let mut block = json!({"defaultReplicas": 6});
    let rest = rest.as_object().unwrap().clone();
    block.as_object_mut().unwrap().extend(rest);
    block
}
