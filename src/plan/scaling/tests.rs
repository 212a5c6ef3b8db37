//! The autoscaler as a whole: the vendors' numbers, the stages one by one, a consumer group as a
//! closed loop, and what must hold for any input.

mod cases;
mod group;
mod looks;
mod loops;
mod properties;
mod readings;

use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};

use super::*;

/// A moment, in seconds after a fixed one.
fn at(seconds: i64) -> Timestamp {
    "2026-01-05T10:00:00Z".parse::<Timestamp>().unwrap() + seconds.seconds()
}

/// A block where nothing but the policies decides: bounds far away, no pauses, no alignment.
fn neutral(policies: &Value) -> Autoscaling {
    block(&json!({
        "minReplicas": 1, "maxReplicas": 1000, "interval": "10s", "warmup": "0s",
        "cooldown": {"scaleOut": "0s", "scaleIn": "0s"},
        "behavior": {
            "scaleOut": {"stabilizationWindow": "0s", "tolerance": 0},
            "scaleIn": {"stabilizationWindow": "0s", "tolerance": 0},
        },
        "partitions": {"align": false, "allowIdle": true},
        "policies": policies,
    }))
}

fn block(block: &Value) -> Autoscaling {
    serde_json::from_value(block.clone()).unwrap()
}

fn lag_policy(target: f64) -> Value {
    json!([{"name": "lag", "targetTracking": {"metric": "lag", "target": target}}])
}

fn time_lag_policy(target: f64) -> Value {
    json!([{"name": "behind", "targetTracking": {"metric": "timeLag", "target": target}}])
}

/// A look with partitions of one topic, each with its commit and its end.
fn look(seconds: i64, replicas: i32, offsets: &[(i64, i64)]) -> Observation {
    Observation {
        at: at(seconds),
        replicas,
        ready: replicas,
        revision: None,
        partitions: (0..)
            .zip(offsets)
            .map(|(partition, &(committed, end))| PartitionSample {
                topic: "t".into(),
                partition,
                start: Some(0),
                committed: Some(committed),
                end: Some(end),
                ..PartitionSample::default()
            })
            .collect(),
        metrics: std::collections::BTreeMap::new(),
        group: GroupState::Stable,
    }
}
