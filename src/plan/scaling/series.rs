//! The series that policies follow: lag, time lag, arrival and consume rate, lagging partitions.
//! Computed from offsets alone. What could not be read stays unknown here; what that means is for
//! the later stages.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    history::{Age, History, Look, Standing, records, standing},
    observation::{Observation, PartitionSample},
    time::seconds_between,
};
use crate::api::{common::Duration, connectors::OffsetReset};

/// Below this age, in seconds, an unread record may only be waiting for the next commit (5 s in
/// most clients), and says nothing about whether the pods can keep up.
pub const BACKLOG_SECONDS: f64 = 10.0;
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
    /// Records per second and busy pod, when every pod had a backlog all the time.
    pub saturated_rate: Option<f64>,
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
    let window = Window::ending_with(interval, history, look);
    history.keep(look);
    Reading {
        series: Series {
            lag: known.then_some(lagging.lag),
            time_lag: known.then_some(lagging.time_lag),
            time_lag_or_more: lagging.or_more,
            arrival_rate: window.as_ref().filter(|_| known).map(|w| w.arrival_rate),
            consume_rate: window.as_ref().filter(|_| known).map(|w| w.consume_rate),
            lagging_partitions: known.then_some(lagging.partitions),
        },
        unreadable,
        no_partitions: observation.partitions.is_empty(),
        saturated_rate: window.and_then(|w| w.saturated_rate),
    }
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

/// Rates over the time up to a look.
#[derive(Debug)]
struct Window {
    arrival_rate: f64,
    consume_rate: f64,
    saturated_rate: Option<f64>,
}

impl Window {
    /// `None` until there are looks over the whole time: a rate over less would jump about, and
    /// would differ after a restart from what it was before.
    fn ending_with(interval: Duration, history: &History, look: Look) -> Option<Self> {
        let interval = interval.as_secs_f64();
        let length = RATE_SECONDS.max(RATE_INTERVALS * interval);
        let age = |l: &Look| seconds_between(l.at, look.at);
        // Half an interval of tolerance: timers are never exact.
        let reaches = |l: &Look| age(l) >= length - interval / 2.0;
        let first = history.looks().iter().rposition(|l| reaches(l))?;
        let since = history.looks().get(first)?;
        let seconds = age(since);
        if seconds > 2.0 * length {
            return None;
        }
        let consume_rate = (look.consumed - since.consumed) / seconds;
        let looks: Vec<&Look> = history.looks().range(first + 1..).chain([&look]).collect();
        Some(Self {
            arrival_rate: (look.arrived - since.arrived) / seconds,
            consume_rate,
            saturated_rate: saturated(since, &looks, seconds)
                .map(|busy_pods| consume_rate / busy_pods)
                .filter(|&rate| rate > 0.0),
        })
    }
}

/// How many pods were busy, when all of them had a backlog in every look of `seconds`.
///
/// A backlog is more than what waits for the next commit: twice the time between commits, which
/// shows in how many partitions' commits moved, and at least 10 s.
fn saturated(since: &Look, looks: &[&Look], seconds: f64) -> Option<f64> {
    let moved: u32 = looks.iter().map(|l| l.moved).sum();
    let moving = looks.iter().filter(|l| l.moved > 0).count();
    let active = looks.iter().map(|l| l.active).min()?;
    let same_pods = looks.iter().all(|l| l.replicas == since.replicas);
    if moving < 2 || active == 0 || !same_pods {
        return None;
    }
    let between_commits = seconds * f64::from(active) / f64::from(moved);
    let threshold = BACKLOG_SECONDS.max(2.0 * between_commits);
    let busy = |l: &&Look| l.settled && l.backlog_age >= threshold;
    let pods = records(i64::from(since.replicas)).min(f64::from(active));
    (since.settled && looks.iter().all(busy) && pods > 0.0).then_some(pods)
}
