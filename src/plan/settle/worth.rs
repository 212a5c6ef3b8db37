//! What of a status is worth a write: at once, with the numbers, or with neither.

use super::summary;
use crate::api::{
    IngestionPipelineStatus,
    decisions::{LearntCapacity, ScalingMemory},
};

/// A status whose measured numbers are rounded to two significant digits: only a difference after
/// rounding is worth a write.
#[must_use]
pub fn rounded(status: &IngestionPipelineStatus) -> IngestionPipelineStatus {
    let mut status = status.clone();
    for connector in &mut status.connectors {
        connector.lag = connector.lag.map(two_digits);
        connector.arrival_rate = connector
            .arrival_rate
            .map(|rate| float(two_digits(whole(rate))));
        connector.consume_rate = connector
            .consume_rate
            .map(|rate| float(two_digits(whole(rate))));
    }
    status.summary = Some(summary(&status));
    status
}

/// A status as [`rounded`], without what the autoscaler remembers: a difference here is written as
/// soon as numbers may be.
#[must_use]
pub fn numbers(status: &IngestionPipelineStatus) -> IngestionPipelineStatus {
    let mut status = rounded(status);
    for connector in &mut status.connectors {
        connector.memory = None;
    }
    status
}

/// A status without what is only measured: a difference here is written at once.
#[must_use]
pub fn structure(status: &IngestionPipelineStatus) -> IngestionPipelineStatus {
    let mut status = status.clone();
    for connector in &mut status.connectors {
        connector.lag = None;
        connector.time_lag_seconds = None;
        connector.arrival_rate = None;
        connector.consume_rate = None;
        connector.shadow_replicas = None;
        connector.shadow = Vec::new();
        connector.memory = connector.memory.as_ref().map(essence);
    }
    if let Some(summary) = &mut status.summary {
        summary.lag = None;
        summary.time_lag_seconds = None;
    }
    status
}

/// Memory without what changes all the time and what a restart may lose: it then waits longer, and
/// never acts sooner.
fn essence(memory: &ScalingMemory) -> ScalingMemory {
    let capacity = memory.capacity.as_ref().map(|capacity| LearntCapacity {
        per_replica: 0.0,
        samples: capacity.samples.min(1),
        spread_percent: None,
        confidence: None,
        too_much: capacity.too_much.map(|_| 0.0),
        revision: capacity.revision.clone(),
    });
    ScalingMemory {
        highest_wishes: Vec::new(),
        lowest_wishes: Vec::new(),
        capacity,
        rebalance_seconds: None,
        idle: None,
        hours: None,
        ..memory.clone()
    }
}

fn two_digits(value: i64) -> i64 {
    let mut unit = 1;
    while value.abs() / unit >= 100 {
        unit *= 10;
    }
    (value + unit / 2) / unit * unit
}

#[expect(clippy::cast_possible_truncation, reason = "rates are far below 2^53")]
fn whole(rate: f64) -> i64 {
    rate.round() as i64
}

#[expect(clippy::cast_precision_loss, reason = "rates are far below 2^53")]
fn float(rate: i64) -> f64 {
    rate as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_rounded_to_two_digits() {
        for (value, rounded) in [
            (0, 0),
            (7, 7),
            (99, 99),
            (104, 100),
            (12_345, 12_000),
            (9_960, 10_000),
        ] {
            assert_eq!(two_digits(value), rounded, "{value}");
        }
    }
}
