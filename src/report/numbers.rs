//! What the metrics of a connector show: its status, and its newest decision.

use crate::{
    api::{common::Reason, connectors::ConnectorStatus},
    plan::{
        scaling::{Decision, Newest},
        settle::follows,
    },
    telemetry::metrics::{ConnectorLabels, ConnectorMetrics, ConnectorNumbers},
};

/// Shows the gauges of one connector.
pub fn show(
    metrics: &ConnectorMetrics,
    labels: &ConnectorLabels,
    status: &ConnectorStatus,
    newest: Option<&Newest>,
) {
    let decision = newest.and_then(|newest| newest.decision.as_ref());
    let whole = status.shadow_replicas.map(|count| ("", count));
    let policies = status.shadow.iter();
    let shadow: Vec<(&str, i32)> = policies
        .map(|policy| (policy.name.as_str(), policy.replicas))
        .chain(whole)
        .collect();
    metrics.show(labels, &numbers(status, decision));
    metrics.shadow(labels, &shadow);
}

/// Counts a decision that was just made.
pub fn count(metrics: &ConnectorMetrics, labels: &ConnectorLabels, decision: &Decision) {
    let held_by = decision.held_by().unwrap_or_default();
    metrics.decided(labels, decision.direction(), held_by);
}

fn numbers(status: &ConnectorStatus, decision: Option<&Decision>) -> ConnectorNumbers {
    let inputs = decision.map(|decision| &decision.inputs);
    let capacity = inputs.and_then(|inputs| inputs.capacity.as_ref());
    let reason = status.scaling_reason.as_deref().and_then(Reason::of);
    ConnectorNumbers {
        lag: status.lag.map(float),
        time_lag: status.time_lag_seconds.map(float),
        arrival_rate: status.arrival_rate,
        consume_rate: status.consume_rate,
        replicas: status.replicas.map(f64::from),
        desired_replicas: status.desired_replicas.map(f64::from),
        wanted_replicas: decision.map(|decision| f64::from(decision.wanted)),
        min_replicas: inputs.map(|inputs| f64::from(inputs.min_replicas)),
        max_replicas: inputs.map(|inputs| f64::from(inputs.max_replicas)),
        capacity: capacity.map(|capacity| capacity.per_replica),
        capacity_samples: capacity.map(|capacity| f64::from(capacity.samples)),
        scaling_active: reason.map(|reason| f64::from(u8::from(follows(reason)))),
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "records and seconds of lag are far below 2^53"
)]
fn float(value: i64) -> f64 {
    value as f64
}
