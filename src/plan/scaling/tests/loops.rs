//! Stories: a consumer group and its autoscaler in a closed loop.

use super::{
    group::{Loop, Model, model},
    properties::noise,
    *,
};

/// The settings of the demo's manifest.
fn demo(policies: &Value, interval: &str) -> Autoscaling {
    block(&json!({
        "minReplicas": 1, "maxReplicas": 12, "interval": interval, "warmup": "10s",
        "cooldown": {"scaleIn": "15s"},
        "behavior": {"scaleIn": {"stabilizationWindow": "15s"}},
        "policies": policies,
    }))
}

fn surge(second: i64) -> f64 {
    if (120..180).contains(&second) {
        3000.0
    } else {
        100.0
    }
}

fn demo_story(policies: &Value, interval: i64, model: Model) -> Loop {
    let spec = demo(policies, &format!("{interval}s"));
    let mut story = Loop::new(spec, model, 1);
    story.run(120, surge);
    assert_eq!(story.changes(), [], "quiet before the surge");
    story.run(60, surge);
    let (first, _, _) = story.changes()[0];
    assert!(first - 120 <= 2 * interval, "out after {} s", first - 120);
    while story.group.unread() > 500.0 {
        story.run(1, surge);
        assert!(story.decisions.len() < 1000, "drains");
    }
    let drained = story.decisions.len() * usize::try_from(interval).unwrap();
    story.run(60, surge);
    assert_eq!(
        story.group.replicas(),
        1,
        "in 60 s after {drained}: {:?}",
        story.changes()
    );
    story.run(600, surge);
    assert_eq!(
        story.group.replicas(),
        1,
        "and stays: {:?}",
        story.changes()
    );
    assert_eq!(story.direction_changes(), 1, "{:?}", story.changes());
    story
}

#[test]
fn the_demo_scales_out_drains_and_scales_in_by_lag() {
    for interval in [2, 5] {
        for startup in [1.0, 5.0, 10.0] {
            for commit_interval in [1.0, 2.0, 5.0] {
                let model = Model {
                    startup,
                    commit_interval,
                    rebalance: 3.0,
                    ..model()
                };
                let story = demo_story(&lag_policy(1000.0), interval, model);
                let peak = story.decisions.iter().map(|d| d.to).max();
                assert!(peak >= Some(8), "peak {peak:?}");
            }
        }
    }
}

/// What a surge of 3000/s does with a target in seconds: the first decision waits until the
/// target is passed or the rate of a pod is known.
#[test]
fn the_demo_story_by_time_lag() {
    let spec = demo(
        &json!([{"name": "keep-up", "targetTracking":
            {"metric": "timeLag", "target": 5, "catchUp": "30s"}}]),
        "2s",
    );
    let mut story = Loop::new(spec, model(), 1);
    story.run(180, surge);
    let (first, _, _) = story.changes()[0];
    assert!(first - 120 <= 10, "out after {} s", first - 120);
    story.run(150, surge);
    assert!(story.group.unread() < 500.0, "{:?}", story.changes());
    assert_eq!(story.group.replicas(), 1, "{:?}", story.changes());
}

/// Defaults, a constant load with noise of 20 %: at most two changes of direction an hour.
#[test]
fn noise_around_a_constant_load_does_not_make_it_flap() {
    for policy in [lag_policy(2000.0), time_lag_policy(30.0)] {
        for load in [150.0, 380.0, 700.0, 1000.0, 1450.0, 2000.0, 2700.0, 3300.0] {
            let spec = block(&json!({"maxReplicas": 12, "policies": policy}));
            let model = Model {
                startup: 20.0,
                rebalance: 5.0,
                commit_interval: 5.0,
                ..model()
            };
            let mut story = Loop::new(spec, model, 6);
            let mut noise = noise(42);
            story.run(3600, |_| load * noise());
            let changes = story.changes();
            assert!(story.direction_changes() <= 2, "{load}/s: {changes:?}");
            let behind = story.decisions.last().and_then(|d| d.series.time_lag);
            assert!(behind < Some(30.0), "{load}/s: {behind:?} {changes:?}");
        }
    }
}

/// Six pods are a little too few for the load, and the commits come in lumps: what was processed
/// in a window that begins just before a commit must not pass for what pods can do.
#[test]
fn lumps_of_commits_do_not_make_pods_look_faster() {
    let spec = block(&json!({"maxReplicas": 12, "policies": lag_policy(3000.0)}));
    let model = Model {
        startup: 15.0,
        rebalance: 4.0,
        commit_interval: 5.0,
        ..model()
    };
    let mut noise = noise(0);
    let mut story = Loop::new(spec, model, 6);
    story.run(3600, |_| 2420.0 * noise());
    assert!(story.direction_changes() <= 2, "{:?}", story.changes());
    assert_eq!(story.group.replicas(), 12, "{:?}", story.changes());
}

/// After a step of the load the count settles within three changes, and stays.
#[test]
fn it_settles_after_a_step_of_the_load() {
    for policy in [lag_policy(2000.0), time_lag_policy(15.0)] {
        for (before, after) in [(200.0, 2500.0), (300.0, 4000.0), (2500.0, 200.0)] {
            let spec = block(&json!({"maxReplicas": 12, "policies": policy}));
            let model = Model {
                startup: 10.0,
                ..model()
            };
            let mut story = Loop::new(spec, model, 8);
            story.run(3600, |_| before);
            let settled = story.changes().len();
            story.run(1800, |_| after);
            let changes = story.changes().split_off(settled);
            assert!(changes.len() <= 3, "{before} -> {after}: {changes:?}");
            let count = story.changes().len();
            story.run(1800, |_| after);
            let late = story.changes().split_off(count);
            assert!(
                late.len() <= 1,
                "{before} -> {after}: {changes:?} then {late:?}"
            );
            let load = after / 400.0;
            assert!(
                f64::from(story.group.replicas()) >= load,
                "{:?}",
                story.changes()
            );
        }
    }
}

/// A thousand partitions decide well within the time between two samples.
#[test]
fn a_thousand_partitions_are_quick() {
    let spec = block(&json!({"maxReplicas": 100, "policies": time_lag_policy(30.0)}));
    let model = Model {
        partitions: 1000,
        ..model()
    };
    let mut story = Loop::new(spec, model, 100);
    story.run(600, |_| 30_000.0);
    let observation = story.group.observe();
    #[expect(clippy::disallowed_methods, reason = "this test measures time")]
    let start = std::time::Instant::now();
    for i in 0..100 {
        let mut observation = observation.clone();
        observation.at = at(600 + 5 * i);
        let _ = decide(
            &spec_of(&story),
            OffsetReset::Earliest,
            &mut story.scaler,
            &observation,
        );
    }
    let each = start.elapsed() / 100;
    eprintln!("1,000 partitions: {each:?} a decision, the observation's copy included");
    // A debug build on a busy machine; a release build takes a small part of it.
    assert!(each < std::time::Duration::from_millis(50), "{each:?}");
}

fn spec_of(story: &Loop) -> Autoscaling {
    story.spec.clone()
}
