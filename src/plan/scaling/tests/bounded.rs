//! What must hold of bounds, zero pods and step limits for any looks.

use proptest::prelude::*;

use super::*;

fn bounds() -> impl Strategy<Value = (i32, i32)> {
    (0..6_i32, 0..12_i32).prop_map(|(min, more)| (min, (min + more).max(1)))
}

prop_compose! {
    /// A block with bounds of its own, of a profile and of schedules, which begin and end between
    /// the looks.
    fn specs()(
        (own, profile, scheduled) in (bounds(), bounds(), bounds()),
        (profile_minute, schedule_minute) in (0..30_i64, 0..30_i64),
        idle_for in 1..120_u32,
        default in 0..8_i32,
        set in prop::option::of(0..12_i32),
        (step_out, step_in) in (prop::option::of(1..5_i32), prop::option::of(1..5_i32)),
        (hold_out, hold_in) in any::<(bool, bool)>(),
        target in 1.0..50.0_f64,
    ) -> Autoscaling {
        let time = |minute: i64| at(60 * minute).to_string();
        let local = |minute: i64| time(minute).trim_end_matches('Z').to_owned();
        let limit = |step: Option<i32>| {
            step.map(|value| json!([{"type": "Pods", "value": value, "period": "1m"}]))
        };
        let mut schedules = vec![json!({"name": "bounds", "at": time(schedule_minute), "duration": "7m",
            "minReplicas": scheduled.0, "maxReplicas": scheduled.1})];
        schedules.extend(set.map(|count| json!({"name": "set", "at": time(schedule_minute + 3), "replicas": count})));
        block(&json!({
            "minReplicas": own.0, "maxReplicas": own.1, "interval": "10s", "warmup": "10s",
            "defaultReplicas": default.clamp(own.0, own.1),
            "cooldown": {"scaleIn": "30s"},
            "behavior": {
                "scaleOut": {"policies": limit(step_out).unwrap_or_else(|| json!([]))},
                "scaleIn": {"stabilizationWindow": "1m", "policies": limit(step_in).unwrap_or_else(|| json!([]))},
            },
            "activation": {"idleFor": format!("{idle_for}s")},
            "suspend": {"scaleOut": hold_out, "scaleIn": hold_in},
            "policies": lag_policy(target),
            "schedules": schedules,
            "profiles": [{"name": "p", "capacity": {"minimum": profile.0, "maximum": profile.1},
                "policies": lag_policy(2.0 * target),
                "fixedDate": {"start": local(profile_minute), "end": local(profile_minute + 9)}}],
        }))
    }
}

/// What one look brings: a partition's lag, or that it cannot be read, or has no commit.
#[derive(Clone, Copy, Debug)]
enum Seen {
    Lag(i64),
    Unreadable,
    NeverCommitted,
}

fn seen() -> impl Strategy<Value = Seen> {
    prop_oneof![
        6 => Just(Seen::Lag(0)),
        3 => (0..400_i64).prop_map(Seen::Lag),
        1 => Just(Seen::Unreadable),
        1 => Just(Seen::NeverCommitted),
    ]
}

/// A step of a story: seconds since the step before, two partitions, and whether records arrived.
type Step = (i64, [Seen; 2], bool);

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (1..90_i64, [seen(), seen()], prop::bool::weighted(0.3));
    prop::collection::vec(step, 1..40)
}

fn looks(steps: &[Step]) -> Vec<Observation> {
    let (mut now, mut end) = (0, 1000);
    let mut looks = Vec::new();
    for (gap, seen, arrives) in steps {
        now += gap;
        end += if *arrives { 10 } else { 0 };
        let mut look = look(now, 0, &[(end, end); 2]);
        for (sample, seen) in look.partitions.iter_mut().zip(seen) {
            match seen {
                Seen::Lag(lag) => sample.committed = Some(end - lag),
                Seen::NeverCommitted => sample.committed = None,
                Seen::Unreadable => {
                    *sample = PartitionSample::unreadable("t", sample.partition, "timed out");
                }
            }
        }
        looks.push(look);
    }
    looks
}

/// A story as it goes, each look with the count that was decided before.
fn story(spec: &Autoscaling, from: i32, steps: &[Step]) -> Vec<(Observation, Decision)> {
    let (mut scaler, mut replicas) = (Scaler::default(), from);
    let mut told = Vec::new();
    for look in looks(steps) {
        let look = Observation {
            replicas,
            ready: replicas,
            ..look
        };
        let decision = decide(spec, OffsetReset::Earliest, &mut scaler, &look);
        replicas = decision.to;
        told.push((look, decision));
    }
    told
}

/// The bounds that hold at a look.
fn in_force(spec: &Autoscaling, look: &Observation) -> (i32, i32) {
    let block = InForce::at(spec, &mut schedules::Seen::default(), look.at).spec;
    (block.min_replicas, block.max_replicas)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Where a minimum exceeds a maximum, as two schedules can make it, the maximum holds.
    #[test]
    fn never_outside_the_bounds_that_hold_now(spec in specs(), from in 0..20_i32, steps in steps()) {
        for (look, decision) in story(&spec, from, &steps) {
            let (min, max) = in_force(&spec, &look);
            prop_assert!((min.min(max)..=max).contains(&decision.to), "{min}..={max}: {}", decision.why);
        }
    }

    /// Only what is proven idle loses its last pod, unless a person says so.
    #[test]
    fn the_last_pod_goes_only_when_every_partition_is_read_to_its_end(
        spec in specs(), from in 0..20_i32, steps in steps()
    ) {
        for (look, decision) in story(&spec, from, &steps) {
            let by_person = decision.stages.iter().any(|s| s.reason.contains(" sets "));
            if decision.to == 0 && look.replicas > 0 && !by_person {
                let read = |p: &PartitionSample| p.end.is_some() && p.committed == p.end;
                prop_assert!(look.partitions.iter().all(read), "{}", decision.why);
            }
        }
    }

    /// A record that was not there at the look before means that the group is not idle.
    #[test]
    fn no_group_goes_to_sleep_at_a_look_that_shows_new_records(
        spec in specs(), from in 0..20_i32, steps in steps()
    ) {
        let story = story(&spec, from, &steps);
        for (step, (look, decision)) in steps.iter().zip(&story) {
            let by_person = decision.stages.iter().any(|s| s.reason.contains(" sets "));
            if step.2 && look.replicas > 0 && !by_person {
                prop_assert!(decision.to > 0 || look.at == story[0].0.at, "{}", decision.why);
            }
        }
    }

    /// What waits at zero pods is never left waiting, unless scale-out is suspended.
    #[test]
    fn a_readable_backlog_wakes_at_once(spec in specs(), from in 0..20_i32, steps in steps()) {
        let mut spec = spec;
        spec.suspend.scale_out = false;
        for (look, decision) in story(&spec, from, &steps) {
            let lagging = |p: &PartitionSample| p.end.is_some() && p.committed < p.end;
            let by_person = decision.stages.iter().any(|s| s.reason.contains(" sets "));
            if look.replicas == 0 && look.partitions.iter().any(lagging) && !by_person {
                prop_assert!(decision.to > 0, "{}", decision.why);
            }
        }
    }

    /// Policies move no farther from the count at the start of a period than the step limits allow;
    /// bounds of a person do.
    #[test]
    fn policies_keep_to_the_step_limits(spec in specs(), from in 0..20_i32, steps in steps()) {
        let story = story(&spec, from, &steps);
        for (look, decision) in &story {
            let limited = decision.stages.iter().find(|s| s.name == "step limits");
            let by_person = decision.stages.iter().any(|s| s.reason.contains(" sets "));
            let Some(stage) = limited.filter(|_| !by_person) else {
                continue;
            };
            let of_period = story.iter().map(|(_, decision)| decision).filter(|d| {
                d.at < look.at && time::seconds_between(d.at, look.at) < 60.0
            });
            let start = decision.from - of_period.map(|d| d.to - d.from).sum::<i32>();
            let most = |limits: &[crate::api::steadiness::StepLimit]| {
                limits.first().map_or(1000, |limit| limit.value)
            };
            let (out, inward) = (&spec.behavior.scale_out.policies, &spec.behavior.scale_in.policies);
            let highest = (start + most(out)).max(decision.from.max(1));
            let lowest = (start - most(inward)).min(decision.from);
            prop_assert!((lowest..=highest).contains(&stage.output), "{}", decision.why);
        }
    }

    /// A suspended direction is only taken by what a person set: bounds, floors, counts.
    #[test]
    fn a_suspended_direction_is_only_taken_by_persons(spec in specs(), from in 0..20_i32, steps in steps()) {
        for (_, decision) in story(&spec, from, &steps) {
            let last = |name: &str| decision.stages.iter().rfind(|s| s.name == name);
            if let Some(stage) = last("suspension") {
                let out = stage.output > decision.from && spec.suspend.scale_out;
                let inward = stage.output < decision.from && spec.suspend.scale_in;
                prop_assert!(!out && !inward, "{}", decision.why);
            }
        }
    }

    /// A restart between any two looks changes no bound, sets no count twice, and at the most delays
    /// what only samples can tell.
    #[test]
    fn a_restart_sets_nothing_twice(spec in specs(), from in 0..20_i32, steps in steps(), at in any::<prop::sample::Index>()) {
        let undisturbed = story(&spec, from, &steps);
        let at = at.index(undisturbed.len());
        let mut scaler = Scaler::default();
        for (look, _) in &undisturbed[..at] {
            let _ = decide(&spec, OffsetReset::Earliest, &mut scaler, look);
        }
        let mut restarted = Scaler::restore(Some(&scaler.memory()));
        let sets = |decision: &Decision| decision.stages.iter().any(|s| s.reason.contains(" sets "));
        for (look, before) in &undisturbed[at..] {
            let after = decide(&spec, OffsetReset::Earliest, &mut restarted, look);
            prop_assert_eq!(sets(before), sets(&after), "{}", after.why);
            // Whose looks agree goes to sleep no earlier.
            if after.to == 0 && look.replicas > 0 && !sets(&after) {
                prop_assert!(before.to == 0, "{} / {}", after.why, before.why);
            }
            if before.to != look.replicas {
                break;
            }
        }
    }
}
