//! The samples of the policy kinds in a closed loop: what a person tries first must scale out when a
//! load comes, come back when it goes, and not swing meanwhile.

use super::{
    group::{Loop, Model},
    properties::noise,
    *,
};

/// A sample's connector: its `autoscaling` block, and the partitions of its topic.
fn sample(text: &str) -> (Autoscaling, i32) {
    let manifest: Value = serde_yaml::from_str(text).unwrap();
    let spec = &manifest["spec"];
    let partitions = spec["topics"][0]["partitions"].as_i64().unwrap();
    let autoscaling = &spec["connectors"][0]["autoscaling"];
    (block(autoscaling), i32::try_from(partitions).unwrap())
}

fn samples() -> [(&'static str, Autoscaling, i32); 4] {
    [
        (
            "step",
            include_str!("../../../../manifests/step-scaling.yaml"),
        ),
        (
            "simple",
            include_str!("../../../../manifests/simple-scaling.yaml"),
        ),
        (
            "rules",
            include_str!("../../../../manifests/azure-rules.yaml"),
        ),
        (
            "lagThreshold",
            include_str!("../../../../manifests/keda-lag-threshold.yaml"),
        ),
    ]
    .map(|(kind, text)| {
        let (spec, partitions) = sample(text);
        (kind, spec, partitions)
    })
}

fn model(partitions: i32) -> Model {
    Model {
        partitions,
        rate_per_replica: 50.0,
        startup: 10.0,
        rebalance: 5.0,
        commit_interval: 5.0,
    }
}

/// Twenty minutes of what four pods can do, between hours of half of what one can.
#[test]
fn each_sample_goes_out_with_a_load_and_comes_back() {
    let load = |second: i64| {
        if (1800..3000).contains(&second) {
            200.0
        } else {
            25.0
        }
    };
    for (kind, spec, partitions) in samples() {
        let mut story = Loop::new(spec, model(partitions), 1);
        story.run(1800, load);
        assert_eq!(story.changes(), [], "{kind}: quiet before");
        story.run(1200, load);
        let peak = story.decisions.iter().map(|decision| decision.to).max();
        assert!(peak >= Some(4), "{kind} reaches {peak:?}");
        assert!(story.group.unread() < 50.0 * 60.0, "{kind} works it off");
        story.run(2 * 3600, load);
        let changes = story.changes();
        assert_eq!(story.group.replicas(), 1, "{kind}: {changes:?}");
        assert_eq!(story.direction_changes(), 1, "{kind}: {changes:?}");
    }
}

/// A constant load with 20 % of noise: at most two changes of direction in an hour.
#[test]
fn no_sample_swings_under_noise() {
    for (kind, spec, partitions) in samples() {
        for load in [20.0, 90.0, 180.0] {
            let mut noise = noise(7);
            let mut story = Loop::new(spec.clone(), model(partitions), 4);
            story.run(3600, |_| load * noise());
            let changes = story.changes();
            assert!(
                story.direction_changes() <= 2,
                "{kind} at {load}/s: {changes:?}"
            );
        }
    }
}
