//! What must hold for any input, however hostile.

use proptest::prelude::*;

use super::{
    group::{Loop, Model, model},
    *,
};
use crate::api::policies::Policy;

fn policy(name: &str, metric: &str, target: f64, disable_scale_in: bool) -> Policy {
    let policy = json!({"name": name, "targetTracking":
        {"metric": metric, "target": target, "disableScaleIn": disable_scale_in}});
    serde_json::from_value(policy).unwrap()
}

prop_compose! {
    fn policies()(
        kinds in prop::collection::vec((any::<bool>(), 0.5..5000.0_f64, prop::bool::weighted(0.1)), 1..5)
    ) -> Vec<Policy> {
        let named = kinds.into_iter().zip(["a", "b", "c", "d"]);
        named
            .map(|((lag, target, out_only), name)| {
                policy(name, if lag { "lag" } else { "timeLag" }, target, out_only)
            })
            .collect()
    }
}

prop_compose! {
    fn specs()(
        policies in policies(),
        (min, more) in (1..20_i32, 0..40_i32),
        interval in 1..20_u32,
        (cooldown, warmup, window) in (0..60_u32, 0..60_u32, 0..120_u32),
        (align, allow_idle) in any::<(bool, bool)>(),
    ) -> Autoscaling {
        let mut spec = block(&json!({
            "minReplicas": min, "maxReplicas": min + more,
            "interval": format!("{interval}s"), "warmup": format!("{warmup}s"),
            "cooldown": {"scaleOut": format!("{cooldown}s"), "scaleIn": format!("{cooldown}s")},
            "behavior": {"scaleIn": {"stabilizationWindow": format!("{window}s")}},
            "partitions": {"align": align, "allowIdle": allow_idle},
            "policies": [],
        }));
        spec.policies = policies;
        spec
    }
}

/// Offsets as Kafka would give them, and as it never should.
fn partitions() -> impl Strategy<Value = Vec<PartitionSample>> {
    let offset = prop_oneof![0..10_000_i64, Just(i64::MAX), Just(-1), Just(0)];
    let sample = (
        prop::option::weighted(0.9, offset.clone()),
        prop::option::weighted(0.9, offset.clone()),
        prop::option::weighted(0.95, offset),
    );
    prop::collection::vec(sample, 0..13).prop_map(|samples| {
        let samples = samples.into_iter().zip(0..);
        samples
            .map(|((start, committed, end), partition)| PartitionSample {
                topic: if partition < 8 { "t" } else { "u" }.into(),
                partition,
                start,
                committed,
                end,
                error: end.is_none().then(|| "timed out".into()),
                ..PartitionSample::default()
            })
            .collect()
    })
}

prop_compose! {
    fn observations()(
        looks in prop::collection::vec((partitions(), 0..50_i32, 0..50_i32, 0..8_usize, 0..40_i64), 1..12)
    ) -> Vec<Observation> {
        let groups = [
            GroupState::Unknown, GroupState::Stable, GroupState::Stable, GroupState::Empty,
            GroupState::PreparingRebalance, GroupState::Reconciling, GroupState::Dead,
            GroupState::Stable,
        ];
        let mut now = 0;
        looks
            .into_iter()
            .map(|(partitions, replicas, ready, group, gap)| {
                now += gap;
                Observation {
                    partitions,
                    ready,
                    group: groups[group],
                    ..look(now, replicas, &[])
                }
            })
            .collect()
    }
}

fn resets() -> impl Strategy<Value = OffsetReset> {
    prop_oneof![Just(OffsetReset::Earliest), Just(OffsetReset::Latest)]
}

fn decisions(spec: &Autoscaling, reset: OffsetReset, looks: &[Observation]) -> Vec<Decision> {
    let mut scaler = Scaler::default();
    looks
        .iter()
        .map(|look| decide(spec, reset, &mut scaler, look))
        .collect()
}

/// The count right now, without pauses: what the policies and the partitions make of one look.
fn count_at(spec: &Autoscaling, observation: &Observation) -> i32 {
    decide(
        spec,
        OffsetReset::Earliest,
        &mut Scaler::default(),
        observation,
    )
    .to
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn never_outside_the_bounds(spec in specs(), reset in resets(), looks in observations()) {
        for decision in decisions(&spec, reset, &looks) {
            prop_assert!((spec.min_replicas..=spec.max_replicas).contains(&decision.to));
        }
    }

    #[test]
    fn never_grows_beyond_the_partitions_unless_idle_pods_are_allowed(
        spec in specs(), reset in resets(), looks in observations()
    ) {
        for (look, decision) in looks.iter().zip(decisions(&spec, reset, &looks)) {
            let cap = Levels::of(&look.partitions, &look.partition_counts, spec.partitions).cap().unwrap_or(i32::MAX);
            let most = cap.max(spec.min_replicas).max(look.replicas);
            prop_assert!(decision.to <= most, "{} > {most}: {}", decision.to, decision.why);
        }
    }

    #[test]
    fn no_policy_scales_in_while_a_partition_is_unreadable(
        spec in specs(), reset in resets(), looks in observations()
    ) {
        for (look, decision) in looks.iter().zip(decisions(&spec, reset, &looks)) {
            if look.partitions.iter().any(|p| p.end.is_none()) {
                let floor = look.replicas.min(spec.max_replicas);
                prop_assert!(decision.to >= floor, "{}", decision.why);
            }
        }
    }

    #[test]
    fn nothing_readable_holds_within_the_bounds(
        spec in specs(), replicas in 1..60_i32, unreadable in 0..5_i32
    ) {
        let partitions = (0..unreadable).map(|p| PartitionSample::unreadable("t", p, "no"));
        let observation = Observation {
            partitions: partitions.collect(),
            ..look(0, replicas, &[])
        };
        let decision = &decisions(&spec, OffsetReset::Earliest, &[observation])[0];
        prop_assert_eq!(decision.to, replicas.clamp(spec.min_replicas, spec.max_replicas));
        prop_assert_eq!(decision.active.reason, Reason::LagUnknown);
    }

    #[test]
    fn more_lag_never_means_fewer_pods(
        spec in specs(), replicas in 1..60_i32, lags in prop::collection::vec(0..5000_i64, 1..13),
        which in any::<prop::sample::Index>(), more in 1..5000_i64
    ) {
        let look_at = |lags: &[i64]| {
            let offsets: Vec<_> = lags.iter().map(|&lag| (100, 100 + lag)).collect();
            look(0, replicas, &offsets)
        };
        let mut higher = lags.clone();
        higher[which.index(lags.len())] += more;
        prop_assert!(count_at(&spec, &look_at(&higher)) >= count_at(&spec, &look_at(&lags)));
    }

    #[test]
    fn the_order_of_policies_plays_no_part(
        spec in specs(), reset in resets(), looks in observations(), turn in 0..4_usize
    ) {
        let mut other = spec.clone();
        let turn = turn % other.policies.len();
        other.policies.rotate_left(turn);
        for (a, b) in decisions(&spec, reset, &looks).iter().zip(decisions(&other, reset, &looks)) {
            prop_assert_eq!((a.to, &a.by, &a.why), (b.to, &b.by, &b.why));
        }
    }

    #[test]
    fn the_order_of_partitions_plays_no_part(
        spec in specs(), reset in resets(), looks in observations()
    ) {
        let mut turned = looks.clone();
        for look in &mut turned {
            look.partitions.reverse();
        }
        for (a, b) in decisions(&spec, reset, &looks).iter().zip(decisions(&spec, reset, &turned)) {
            prop_assert_eq!(a.to, b.to);
        }
    }

    #[test]
    fn deciding_is_repeatable_and_the_stages_lead_to_the_count(
        spec in specs(), reset in resets(), looks in observations()
    ) {
        let first = decisions(&spec, reset, &looks);
        prop_assert_eq!(&first, &decisions(&spec, reset, &looks));
        for decision in first {
            let stages: Vec<&Stage> = decision.stages.iter()
                .filter(|stage| !stage.name.starts_with("policy/"))
                .collect();
            prop_assert_eq!(stages[0].input, decision.from);
            prop_assert!(stages.windows(2).all(|pair| pair[0].output == pair[1].input));
            prop_assert_eq!(stages[stages.len() - 1].output, decision.to);
        }
    }

    #[test]
    fn series_are_never_negative_nor_absurd(
        spec in specs(), reset in resets(), looks in observations()
    ) {
        for decision in decisions(&spec, reset, &looks) {
            let series = decision.series;
            prop_assert!(series.lag.is_none_or(|lag| lag >= 0));
            for value in [series.time_lag, series.arrival_rate, series.consume_rate] {
                prop_assert!(value.is_none_or(|v| v >= 0.0 && v.is_finite()), "{value:?}");
            }
        }
    }

    #[test]
    fn memory_survives_status_and_stays_small(
        spec in specs(), reset in resets(), looks in observations()
    ) {
        let mut scaler = Scaler::default();
        for look in &looks {
            let _ = decide(&spec, reset, &mut scaler, look);
        }
        let memory = scaler.memory();
        let text = serde_json::to_string(&memory).unwrap();
        prop_assert!(text.len() <= 8 * 1024);
        let back: ScalingMemory = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(&back, &memory);
        prop_assert_eq!(Scaler::restore(Some(&back)).memory(), memory);
    }

    #[test]
    fn status_keeps_at_most_ten_decisions_and_nothing_twice(
        spec in specs(), reset in resets(), looks in observations()
    ) {
        let mut kept = Vec::new();
        for decision in decisions(&spec, reset, &looks) {
            remember(&mut kept, &decision);
            let once = kept.clone();
            if decision.from == decision.to {
                remember(&mut kept, &decision);
            }
            prop_assert_eq!(&once, &kept);
        }
        prop_assert!(kept.len() <= 10);
    }
}

/// A load with noise and a step, and a group that follows it.
fn story() -> impl Strategy<Value = Loop> {
    let loads = (100.0..4000.0_f64, 100.0..4000.0_f64);
    (loads, 1..20_u32, 1..6_u32, any::<bool>(), 0..1000_u64).prop_map(
        |((before, after), startup, commit, by_time, seed)| {
            let policy = if by_time {
                time_lag_policy(20.0)
            } else {
                lag_policy(2000.0)
            };
            let spec = block(&json!({
                "maxReplicas": 12, "warmup": "10s", "cooldown": {"scaleIn": "15s"},
                "behavior": {"scaleIn": {"stabilizationWindow": "30s"}}, "policies": policy,
            }));
            let model = Model {
                startup: startup.into(),
                commit_interval: commit.into(),
                ..model()
            };
            let mut noise = noise(seed);
            let mut story = Loop::new(spec, model, 4);
            story.run(500, |now| noise() * if now < 150 { before } else { after });
            story
        },
    )
}

/// Factors from 0.8 to 1.2.
pub fn noise(mut seed: u64) -> impl FnMut() -> f64 {
    move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let share = f64::from(u32::try_from(seed >> 33).unwrap()) / f64::from(1_u32 << 31);
        0.8 + 0.4 * share
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// From any look on, a restarted autoscaler sees what the other one sees. Until that one
    /// changes the count, it must not do so either; and then not farther. What was learnt is not
    /// forgotten; but where the other one goes on to learn from samples that the restart lost, the
    /// two hold a pod for differently fast, or a rebalance for differently long, from then on, and
    /// may rightly decide differently.
    #[test]
    fn a_restart_never_scales_where_an_undisturbed_run_would_not(story in story()) {
        let looks = &story.observations;
        let mut scalers = vec![Scaler::default()];
        for look in looks {
            let mut scaler = scalers[scalers.len() - 1].clone();
            let _ = decide(&story.spec, OffsetReset::Earliest, &mut scaler, look);
            scalers.push(scaler);
        }
        for (k, scaler) in scalers.iter().enumerate() {
            let mut restarted = Scaler::restore(Some(&scaler.memory()));
            for (i, (look, undisturbed)) in looks.iter().zip(&story.decisions).enumerate().skip(k) {
                let decision =
                    decide(&story.spec, OffsetReset::Earliest, &mut restarted, look);
                let rate = |scaler: &Scaler| scaler.memory().capacity.map(|c| c.per_replica);
                prop_assert!(rate(&restarted).is_some() || rate(scaler).is_none());
                let learnt = |scaler: &Scaler| (rate(scaler), scaler.memory().rebalance_seconds);
                if learnt(&restarted) != learnt(&scalers[i + 1]) {
                    break;
                }
                let (lowest, highest) =
                    (undisturbed.to.min(undisturbed.from), undisturbed.to.max(undisturbed.from));
                prop_assert!(
                    (lowest..=highest).contains(&decision.to),
                    "restarted before {k}, at {}: {} -> {} ({}), undisturbed {} ({})",
                    look.at, decision.from, decision.to, decision.why, undisturbed.to,
                    undisturbed.why,
                );
                if undisturbed.to != undisturbed.from {
                    break;
                }
            }
        }
    }

    /// The share of a partition that the group can work off is never left to grow: after the step
    /// the group keeps up.
    #[test]
    fn it_keeps_up_after_a_step(story in story()) {
        let mut story = story;
        let last = story.decisions.len();
        let load = 3000.0;
        let mut noise = noise(7);
        story.run(900, |_| load * noise());
        let late = story.decisions.iter().skip(last + 120);
        for decision in late {
            prop_assert!(decision.series.time_lag < Some(60.0), "{:?}", story.changes());
        }
    }

    /// A policy on the number of records may need more: it tries one level fewer, and takes it back.
    #[test]
    fn it_settles_within_three_changes_after_a_step(
        before in 100.0..4000.0_f64, after in 100.0..4000.0_f64,
        startup in 1..30_u32, commit in 1..8_u32,
    ) {
        let spec = block(&json!({"maxReplicas": 12, "policies": time_lag_policy(30.0)}));
        let model = Model { startup: startup.into(), commit_interval: commit.into(), ..model() };
        let mut story = Loop::new(spec, model, 4);
        story.run(3600, |_| before);
        let settled = story.changes().len();
        story.run(3600, |_| after);
        let changes = story.changes().split_off(settled);
        prop_assert!(changes.len() <= 3, "{before} -> {after}: {changes:?}");
    }

    #[test]
    fn noise_changes_the_direction_at_most_twice_an_hour(
        load in 100.0..3600.0_f64, by_time in any::<bool>(), seed in 0..1000_u64
    ) {
        let policy = if by_time { time_lag_policy(30.0) } else { lag_policy(3000.0) };
        let spec = block(&json!({"maxReplicas": 12, "policies": policy}));
        let model = Model { startup: 15.0, rebalance: 4.0, commit_interval: 5.0, ..model() };
        let mut noise = noise(seed);
        let mut story = Loop::new(spec, model, 6);
        story.run(3600, |_| load * noise());
        prop_assert!(story.direction_changes() <= 2, "{:?}", story.changes());
    }
}
