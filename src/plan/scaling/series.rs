//! The series that policies follow: lag, time lag, arrival and consume rate, lagging partitions.
//! Computed from offsets alone. What could not be read stays unknown here; what that means is for
//! the later stages.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    history::{Age, History, Look, Standing, StuckPartition, standing},
    observation::{Observation, PartitionSample},
    time::seconds_between,
};
use crate::api::{
    common::Duration,
    connectors::OffsetReset,
    policies::{ARRIVAL_RATE, CONSUME_RATE, LAG, LAGGING_PARTITIONS, TIME_LAG},
};

/// Rates are taken over at least this time, in seconds: commits come in lumps.
const RATE_SECONDS: f64 = 15.0;
/// Rates are taken over at least so many intervals.
const RATE_INTERVALS: f64 = 3.0;

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
    /// The values.
    pub series: Series,
    /// Partitions that could not be read, and the first of them in words.
    pub unreadable: Option<Unreadable>,
    /// Whether no partition is known at all.
    pub no_partitions: bool,
    /// Partitions that make no progress, in order.
    pub stuck: Vec<StuckPartition>,
    /// Records per second and busy pod, when every pod had a backlog all the time.
    pub saturated_rate: Option<f64>,
    /// Records per second and pod that were processed over twice the time of the rates, backlog or
    /// not: a pod can do at least that.
    pub sustained_rate: Option<f64>,
    /// Records per second and pod that arrive, by the rate or by the last interval, whichever is
    /// higher; known only when all pods run, warm, in a settled group.
    pub load: Option<f64>,
}

/// Partitions that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// How many.
    pub count: usize,
    /// The first: which, and why.
    pub first: String,
}

/// Reads the series of this moment and keeps what the next reading needs. `interval` is the time
/// between two readings; `warm` says whether all pods are past their warm-up.
pub fn read(
    interval: Duration,
    reset: OffsetReset,
    history: &mut History,
    observation: &Observation,
    warm: bool,
) -> Reading {
    let unreadable = unreadable(&observation.partitions, reset);
    let flow = history.record(observation, reset);
    let mut lagging = Lagging::default();
    for sample in &observation.partitions {
        if let Some(standing) = standing(sample, reset) {
            lagging.add(observation.at, history, sample, standing);
        }
    }
    let known = lagging.readable > 0;
    let look = Look {
        at: observation.at,
        arrived: flow.arrived + history.looks().back().map_or(0.0, |l| l.arrived),
        consumed: flow.consumed + history.looks().back().map_or(0.0, |l| l.consumed),
        moved: flow.moved,
        active: flow.active,
        backlog_age: lagging.backlog_age(flow.active),
        settled: warm
            && known
            && unreadable.is_none()
            && observation.ready >= observation.replicas
            && !observation.group.is_rebalancing(),
        replicas: observation.replicas,
    };
    let rates = Rates::ending_with(interval, history, look);
    history.keep(look);
    let rates = rates.filter(|_| known);
    let mut reading = Reading {
        series: Series {
            lag: known.then_some(lagging.lag),
            time_lag: known.then_some(lagging.time_lag),
            time_lag_or_more: lagging.or_more,
            arrival_rate: rates.as_ref().map(|r| r.arrival),
            consume_rate: rates.as_ref().map(|r| r.consume),
            lagging_partitions: known.then_some(lagging.partitions),
            others: BTreeMap::new(),
        },
        unreadable,
        no_partitions: observation.partitions.is_empty() && observation.partition_counts.is_empty(),
        stuck: history.stuck(observation.at),
        saturated_rate: rates.as_ref().and_then(|r| r.saturated),
        sustained_rate: rates.as_ref().and_then(|r| r.sustained),
        load: rates.as_ref().and_then(|r| r.load),
    };
    given(&mut reading, observation);
    reading
}

/// Series that were given: they hold as they are. A given consume rate is what ready pods process
/// while there is a backlog.
fn given(reading: &mut Reading, observation: &Observation) {
    for (name, value) in &observation.metrics {
        reading.series.set(name, *value);
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

/// The unread records over all partitions.
#[derive(Debug, Default)]
struct Lagging {
    readable: usize,
    lag: i64,
    partitions: i64,
    time_lag: f64,
    or_more: bool,
    ages: Vec<f64>,
}

impl Lagging {
    fn add(
        &mut self,
        at: Timestamp,
        history: &History,
        sample: &PartitionSample,
        standing: Standing,
    ) {
        self.readable += 1;
        if standing.lag == 0 {
            return;
        }
        let age = history.age(sample, standing.position).unwrap_or(Age {
            since: at,
            or_earlier: true,
        });
        let seconds = seconds_between(age.since, at).max(0.0);
        self.lag = self.lag.saturating_add(standing.lag);
        self.partitions += 1;
        self.time_lag = self.time_lag.max(seconds);
        self.or_more |= age.or_earlier;
        self.ages.push(seconds);
    }

    /// The age that nine in ten of the active partitions reach; those without lag have age 0.
    fn backlog_age(&mut self, active: u32) -> f64 {
        let active = active as usize;
        let youngest = active / 10;
        match youngest.checked_sub(active.saturating_sub(self.ages.len())) {
            Some(rank) if rank < self.ages.len() => {
                *self.ages.select_nth_unstable_by(rank, f64::total_cmp).1
            }
            _ => 0.0,
        }
    }
}

/// Records per second over the time up to a look, in all or per pod; see [`Reading`].
#[derive(Debug)]
struct Rates {
    arrival: f64,
    consume: f64,
    saturated: Option<f64>,
    sustained: Option<f64>,
    load: Option<f64>,
}

impl Rates {
    /// `None` until there are looks over the whole time: a rate over less would jump about, and
    /// would differ after a restart from what it was before.
    fn ending_with(interval: Duration, history: &History, look: Look) -> Option<Self> {
        let interval = interval.as_secs_f64();
        let length = RATE_SECONDS.max(RATE_INTERVALS * interval);
        let window = Window::over(history, look, length, interval)?;
        let double = Window::over(history, look, 2.0 * length, interval);
        let arrival = window.rate(|l| l.arrived);
        let newest = window.newest_arrival_rate().max(arrival);
        Some(Self {
            arrival,
            consume: window.rate(|l| l.consumed),
            saturated: window.saturated(interval),
            sustained: double.map(|w| w.sustained()),
            load: look
                .settled
                .then(|| newest / f64::from(look.replicas.max(1))),
        })
    }
}

/// The looks of some time, oldest first; at least two.
#[derive(Debug)]
struct Window {
    looks: Vec<Look>,
    seconds: f64,
}

impl Window {
    /// The looks of the last `length` seconds, if they reach so far back and not much farther.
    fn over(history: &History, look: Look, length: f64, interval: f64) -> Option<Self> {
        let age = |l: &Look| seconds_between(l.at, look.at);
        // Half an interval of tolerance: timers are never exact.
        let reaches = |l: &Look| age(l) >= length - interval / 2.0;
        let first = history.looks().iter().rposition(reaches)?;
        let looks: Vec<Look> = history
            .looks()
            .range(first..)
            .copied()
            .chain([look])
            .collect();
        let seconds = looks.first().map(age)?;
        (seconds <= 2.0 * length).then_some(Self { looks, seconds })
    }

    fn rate(&self, total: impl Fn(&Look) -> f64) -> f64 {
        let (first, last) = (
            self.looks.first().map(&total),
            self.looks.last().map(&total),
        );
        (last.unwrap_or(0.0) - first.unwrap_or(0.0)) / self.seconds
    }

    fn newest_arrival_rate(&self) -> f64 {
        let [.., before, last] = self.looks.as_slice() else {
            return 0.0;
        };
        let seconds = seconds_between(before.at, last.at);
        if seconds > 0.0 {
            (last.arrived - before.arrived) / seconds
        } else {
            0.0
        }
    }

    /// Records per second and pod without the largest lump, which may have waited for its commit
    /// since before the window: a bound must not be too high.
    fn sustained(&self) -> f64 {
        let lumps = self.looks.windows(2).map(|pair| match pair {
            [before, after] => after.consumed - before.consumed,
            _ => 0.0,
        });
        let largest = lumps.fold(0.0, f64::max);
        let rate = self.rate(|l| l.consumed) - largest / self.seconds;
        rate.max(0.0) / self.most_pods()
    }

    fn most_pods(&self) -> f64 {
        let pods = self.looks.iter().map(|l| l.replicas).max();
        f64::from(pods.unwrap_or(0).max(1))
    }

    /// Whether the same pods ran all the time, warm, in a settled group.
    fn is_settled(&self) -> bool {
        let replicas = self.looks.first().map(|l| l.replicas);
        self.looks
            .iter()
            .all(|l| l.settled && Some(l.replicas) == replicas)
    }

    /// Records per second and busy pod, when all of them had a backlog in every look.
    ///
    /// A backlog is more than what waits for the next commit: twice the time between commits,
    /// which shows in how many partitions' commits moved, and at least two intervals.
    fn saturated(&self, interval: f64) -> Option<f64> {
        let looks = self.looks.get(1..)?;
        let moved: u32 = looks.iter().map(|l| l.moved).sum();
        let moving = looks.iter().filter(|l| l.moved > 0).count();
        let active = looks.iter().map(|l| l.active).min()?;
        if moving < 2 || active == 0 || !self.is_settled() {
            return None;
        }
        let between_commits = self.seconds * f64::from(active) / f64::from(moved);
        let threshold = 2.0 * between_commits.max(interval);
        let busy_pods = self.most_pods().min(f64::from(active));
        let rate = self.rate(|l| l.consumed) / busy_pods;
        let all_behind = looks.iter().all(|l| l.backlog_age >= threshold);
        (all_behind && rate > 0.0).then_some(rate)
    }
}
