//! The autoscaler as a whole: the vendors' numbers, the stages one by one, a consumer group as a
//! closed loop, and what must hold for any input.

mod aws;
mod azure;
mod bounded;
mod cases;
mod combined;
mod further;
mod group;
mod hands;
mod hpa;
mod keda;
mod kinds;
mod looks;
mod loops;
mod outlook;
mod properties;
mod readings;
mod remembered;
mod stories;
mod unhelped;
mod zero;

use std::collections::BTreeMap;

use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};

use super::*;
use crate::api::common::Reason;

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
        partition_counts: BTreeMap::new(),
        metrics: BTreeMap::new(),
        group: GroupState::Stable,
        ..Observation::default()
    }
}

/// A look that brings series and the number of partitions, and nothing else of Kafka.
fn given(seconds: i64, replicas: i32, metrics: &[(&str, Option<f64>)]) -> Observation {
    let metrics = metrics
        .iter()
        .map(|&(name, value)| (name.to_owned(), value));
    Observation {
        partition_counts: [("t".to_owned(), 1000)].into(),
        metrics: metrics.collect(),
        ..look(seconds, replicas, &[])
    }
}

/// Where a table leaves the count to what was decided before.
const AS_DECIDED: i32 = -1;

/// A line of a table: seconds, count, the metric's value, and the count that is expected.
type MetricLine = (i64, i32, f64, i32);

/// Decides line by line on one metric; NaN is one that could not be read.
fn follow(title: &str, spec: &Autoscaling, metric: &str, lines: &[MetricLine]) -> Vec<Decision> {
    let mut scaler = Scaler::default();
    let mut decisions: Vec<Decision> = Vec::new();
    for &(seconds, replicas, value, expected) in lines {
        let decided = decisions.last().map_or(0, |decision| decision.to);
        let replicas = if replicas == AS_DECIDED {
            decided
        } else {
            replicas
        };
        let value = Some(value).filter(|value| !value.is_nan());
        let observation = given(seconds, replicas, &[(metric, value)]);
        let decision = decide(spec, OffsetReset::Earliest, &mut scaler, &observation);
        let why = &decision.why;
        assert_eq!(decision.to, expected, "{title} at {seconds} s: {why}");
        decisions.push(decision);
    }
    decisions
}

/// `spec` with a part of it replaced.
fn with(spec: &Autoscaling, part: &Value) -> Autoscaling {
    let mut value = serde_json::to_value(spec).unwrap();
    merge(&mut value, part);
    block(&value)
}

fn merge(into: &mut Value, part: &Value) {
    match (into, part) {
        (Value::Object(into), Value::Object(part)) => {
            for (key, value) in part {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, part) => *into = part.clone(),
    }
}
