//! What a decision costs: one connector with 1,000 partitions and 20 policies of all kinds, and a
//! simulated day at looks 5 s apart. By `make bench-autoscaler`; the figures are this machine's.
#![expect(clippy::disallowed_methods, reason = "it tells its own duration")]

use std::{error::Error, time::Instant};

use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};
use sluice::{
    api::{connectors::OffsetReset, scaling::Autoscaling},
    plan::scaling::{Observation, Scaler, decide},
    sim::group::{Arrivals, Group, Model},
};

const PARTITIONS: i64 = 1000;
/// Looks that fill every window before any is measured, and those that are.
const LOOKS: (i64, i64) = (120, 500);

fn main() -> Result<(), Box<dyn Error>> {
    let (median, longest) = decisions()?;
    println!(
        "a decision, {PARTITIONS} partitions and 20 policies: median {median:.3} ms, longest {longest:.3} ms"
    );
    println!(
        "a simulated day, 17,280 looks at 12 partitions: {:.2} s",
        day()?
    );
    Ok(())
}

/// Four of each kind, none of them like another.
fn policies() -> Vec<Value> {
    let of = |i: u32| {
        let number = f64::from(i);
        [
            json!({"name": format!("lag-{i}"), "targetTracking": {"metric": "lag", "target": 1000.0 + number}}),
            json!({"name": format!("age-{i}"), "targetTracking": {"metric": "timeLag", "target": 30.0 + number}}),
            json!({"name": format!("step-{i}"), "step": {
                "metric": "arrivalRate", "threshold": 50_000.0 + number, "period": "30s",
                "steps": [{"lowerBound": 0, "upperBound": 1000, "adjustment": 1}, {"lowerBound": 1000, "adjustment": 2}],
            }}),
            json!({"name": format!("rules-{i}"), "rules": [
                {"metric": "lag", "operator": "GreaterThan", "threshold": 900_000.0 + number, "window": "5m", "direction": "Increase"},
                {"metric": "lag", "operator": "LessThan", "threshold": 100.0 + number, "window": "5m", "direction": "Decrease"},
            ]}),
            json!({"name": format!("keda-{i}"), "lagThreshold": {"lagThreshold": 1000 + i}}),
        ]
    };
    (0..4).flat_map(of).collect()
}

/// Milliseconds of a decision: the median and the longest.
fn decisions() -> Result<(f64, f64), Box<dyn Error>> {
    let spec: Autoscaling = serde_json::from_value(json!({
        "maxReplicas": 1000, "interval": "5s", "policies": policies(),
    }))?;
    assert_eq!(spec.policies.len(), 20);
    let mut scaler = Scaler::default();
    let mut replicas = 100;
    let mut costs = Vec::new();
    for number in 0..LOOKS.0 + LOOKS.1 {
        let observation = look(number, replicas)?;
        let began = Instant::now();
        let decision = decide(&spec, OffsetReset::Earliest, &mut scaler, &observation);
        let cost = began.elapsed().as_secs_f64() * 1000.0;
        replicas = decision.to;
        if number >= LOOKS.0 {
            costs.push(cost);
        }
    }
    costs.sort_by(f64::total_cmp);
    Ok((costs[costs.len() / 2], costs[costs.len() - 1]))
}

/// Each partition gets 30 to 69 records a second, and is read up to a second before.
fn look(number: i64, replicas: i32) -> Result<Observation, serde_json::Error> {
    let partitions = (0..PARTITIONS).map(|partition| {
        let rate = 30 + partition % 40;
        let end = 5 * rate * number;
        json!({"topic": "t", "partition": partition, "start": 0, "committed": (end - rate).max(0), "end": end})
    });
    let at = Timestamp::UNIX_EPOCH + (5 * number).seconds();
    serde_json::from_value(json!({
        "at": at, "replicas": replicas, "ready": replicas, "group": "Stable",
        "partitions": partitions.collect::<Vec<_>>(),
    }))
}

/// Seconds for a day whose load rises and falls every hour.
fn day() -> Result<f64, Box<dyn Error>> {
    let policy = json!({"name": "keep-up", "targetTracking": {"metric": "timeLag", "target": 30}});
    let spec: Autoscaling =
        serde_json::from_value(json!({"maxReplicas": 12, "interval": "5s", "policies": [policy]}))?;
    let model = Model {
        partitions: 12,
        rate_per_replica: 500.0,
        startup: 20.0,
        rebalance: 5.0,
        commit_interval: 5.0,
    };
    let began = Instant::now();
    let mut group = Group::new(model, "t", Timestamp::UNIX_EPOCH, 1);
    let mut scaler = Scaler::default();
    for second in 0..86_400 {
        let hours = f64::from(second) / 3600.0;
        group.step(&Arrivals::Even(
            1500.0 - 1200.0 * (hours * std::f64::consts::TAU).cos(),
        ));
        if second % 5 == 4 {
            let observation = group.observe();
            let decision = decide(&spec, OffsetReset::Earliest, &mut scaler, &observation);
            group.scale(decision.to);
        }
    }
    Ok(began.elapsed().as_secs_f64())
}
