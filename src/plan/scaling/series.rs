//! The series that policies follow: lag, time lag, arrival and consume rate, lagging partitions.
//! Computed from offsets alone. What could not be read stays unknown here; what that means is for
//! the later stages.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    history::{History, Look},
    observation::{Observation, PartitionSample},
    partition::{records, standing},
    rates::Rates,
    retention::Expiry,
    tally::{Backlog, PartitionName, Tally, Terms},
};
use crate::api::{
    common::Duration,
    connectors::OffsetReset,
    policies::{ARRIVAL_RATE, CONSUME_RATE, LAG, LAGGING_PARTITIONS, TIME_LAG},
};

/// The values of the series at one moment. `None` is unknown.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Series {
    /// Unread records over all readable partitions.
    pub lag: Option<i64>,
    /// Seconds since the oldest unread record arrived; 0 without one.
    pub time_lag: Option<f64>,
    /// Whether `time_lag` may be more: the record is older than what was seen.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub time_lag_or_more: bool,
    /// Records that arrive per second, over the last three intervals, at least 15 s.
    pub arrival_rate: Option<f64>,
    /// Records that are processed per second, over the same time.
    pub consume_rate: Option<f64>,
    /// Partitions with unread records.
    pub lagging_partitions: Option<i64>,
    /// The values of further series, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub others: BTreeMap<String, Option<f64>>,
}

impl Series {
    /// The value of the series of this name, in its unit; `None` where it is unknown, or where
    /// nothing of this name was read.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "2^53 records are enough for a decision"
    )]
    pub fn value(&self, name: &str) -> Option<f64> {
        match name {
            LAG => self.lag.map(|lag| lag as f64),
            TIME_LAG => self.time_lag,
            ARRIVAL_RATE => self.arrival_rate,
            CONSUME_RATE => self.consume_rate,
            LAGGING_PARTITIONS => self.lagging_partitions.map(|count| count as f64),
            other => self.others.get(other).copied().flatten(),
        }
    }

    /// Takes values as they are given, in place of those that were computed.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "clamped to what an i64 holds"
    )]
    pub fn set(&mut self, name: &str, value: Option<f64>) {
        match name {
            LAG => self.lag = value.map(|v| v as i64),
            TIME_LAG => {
                self.time_lag = value;
                self.time_lag_or_more = false;
            }
            ARRIVAL_RATE => self.arrival_rate = value,
            CONSUME_RATE => self.consume_rate = value,
            LAGGING_PARTITIONS => self.lagging_partitions = value.map(|v| v as i64),
            other => {
                self.others.insert(other.to_owned(), value);
            }
        }
    }
}

/// The series with what the later stages must know about how they came about.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// The values that sizes follow: without the partitions that more pods cannot help.
    pub series: Series,
    /// The values as they are, of all partitions.
    pub shown: Series,
    /// Partitions that could not be read, and the first of them in words.
    pub unreadable: Option<Unreadable>,
    /// Whether no partition is known at all.
    pub no_partitions: bool,
    /// Stuck partitions: behind, and their commit does not move.
    pub stuck: Vec<PartitionName>,
    /// Hot partitions: more arrives than one pod can process, and not because all get too much.
    pub hot: Vec<PartitionName>,
    /// Whether no partition with unread records makes progress.
    pub is_halted: bool,
    /// The unread records that expire first.
    pub expiry: Option<Expiry>,
    /// Records per second and busy pod, when pods had a backlog all the time.
    pub saturated_rate: Option<f64>,
    /// Records per second and pod that were processed over twice the time of the rates, backlog or
    /// not: a pod can do at least that.
    pub sustained_rate: Option<f64>,
    /// Records per second that arrived since the look before.
    pub newest_arrival_rate: Option<f64>,
    /// Records per second and ready pod that arrive, by the rate or by the last interval, whichever
    /// is higher; known only when these pods run, warm, in a settled group.
    pub load: Option<f64>,
}

impl Reading {
    /// Whether the partition is stuck.
    pub fn is_stuck(&self, sample: &PartitionSample) -> bool {
        let by_name = |stuck: &PartitionName| {
            let topic = stuck.topic.as_str().cmp(&sample.topic);
            topic.then(stuck.partition.cmp(&sample.partition))
        };
        self.stuck.binary_search_by(by_name).is_ok()
    }
}

/// Partitions that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// How many.
    pub count: usize,
    /// The first: which, and why.
    pub first: String,
}

/// How a look is to be read.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// The time between two looks.
    pub interval: Duration,
    /// Where the group begins in a partition without a commit.
    pub reset: OffsetReset,
    /// Whether the ready pods are past their warm-up, and nobody is missing who is not just starting.
    pub is_warm: bool,
    /// Records per second of one pod, where it was measured.
    pub per_replica: Option<f64>,
}

/// Reads the series of this moment and keeps what the next reading needs.
pub fn read(manner: Manner, history: &mut History, observation: &Observation) -> Reading {
    let unreadable = unreadable(&observation.partitions, manner.reset);
    let settled = manner.is_warm
        && unreadable.is_none()
        && observation.ready > 0
        && !observation.group.is_rebalancing();
    let terms = Terms {
        at: observation.at,
        interval: manner.interval.as_secs_f64(),
        settled_since: history.settled_since(observation.ready).filter(|_| settled),
        ready: observation.ready,
        per_replica: manner.per_replica,
        is_one_each: usize::try_from(observation.ready)
            .is_ok_and(|ready| ready >= observation.partitions.len()),
    };
    let mut tally = Tally::default();
    history.record(observation, manner.reset, |seen| {
        let retention = observation.retention_seconds.get(&seen.sample.topic);
        tally.add(&terms, seen, retention.copied().map(records));
    });
    let known = tally.readable > 0;
    let last = history.looks().back();
    let look = Look {
        at: observation.at,
        arrived: tally.arrived + last.map_or(0.0, |l| l.arrived),
        consumed: tally.consumed + last.map_or(0.0, |l| l.consumed),
        settled: settled && known,
        replicas: observation.replicas,
        ready: observation.ready,
    };
    let rates = Rates::ending_with(manner.interval, history, look);
    history.keep(look);
    let rates = rates.filter(|_| known);
    tally.conclude(rates.as_ref().map(|r| r.arrival));
    let mut reading = reading(tally, &terms, rates.as_ref());
    reading.unreadable = unreadable;
    reading.no_partitions =
        observation.partitions.is_empty() && observation.partition_counts.is_empty();
    given(&mut reading, observation);
    reading
}

fn reading(tally: Tally, terms: &Terms, rates: Option<&Rates>) -> Reading {
    let known = tally.readable > 0;
    let series = |backlog: Backlog, excess: f64| Series {
        lag: known.then_some(backlog.lag),
        time_lag: known.then_some(backlog.time_lag),
        time_lag_or_more: backlog.or_more,
        arrival_rate: rates.map(|r| (r.arrival - excess).max(0.0)),
        consume_rate: rates.map(|r| r.consume),
        lagging_partitions: known.then_some(backlog.partitions),
        others: BTreeMap::new(),
    };
    Reading {
        series: series(tally.sizing, tally.hot_excess),
        shown: series(tally.shown, 0.0),
        is_halted: tally.is_halted(),
        saturated_rate: tally.saturated_rate(terms),
        sustained_rate: rates.and_then(|r| r.sustained),
        newest_arrival_rate: rates.map(|r| (r.newest_arrival - tally.hot_excess).max(0.0)),
        load: rates.and_then(|r| r.load),
        stuck: tally.stuck,
        hot: tally.hot,
        expiry: tally.expiry,
        ..Reading::default()
    }
}

/// Series that were given: they hold as they are. A given consume rate is what ready pods process
/// while there is a backlog.
fn given(reading: &mut Reading, observation: &Observation) {
    for (name, value) in &observation.metrics {
        reading.series.set(name, *value);
        reading.shown.set(name, *value);
    }
    let Some(Some(rate)) = observation.metrics.get(CONSUME_RATE) else {
        return;
    };
    let per_pod = rate / f64::from(observation.ready.max(1));
    let has_backlog = reading.series.lag.is_some_and(|lag| lag > 0);
    reading.saturated_rate = has_backlog.then_some(per_pod);
    reading.sustained_rate = Some(per_pod);
}

fn unreadable(partitions: &[PartitionSample], reset: OffsetReset) -> Option<Unreadable> {
    let mut failed = partitions.iter().filter(|p| standing(p, reset).is_none());
    let first = failed.next()?;
    let error = first.error.as_deref().unwrap_or("its offsets are unknown");
    Some(Unreadable {
        count: 1 + failed.count(),
        first: format!(
            "partition {} of topic {}: {error}",
            first.partition, first.topic
        ),
    })
}
