//! What the partitions of one look add up to. Every partition is shown; some are left out of the
//! sizes that policies follow, because more pods cannot help them: a stuck one, whose commit does
//! not move, and a hot one, which gets more records than one pod can process.

use std::fmt;

use jiff::Timestamp;

use super::{history::Seen, partition::Age, retention::Expiry, time::seconds_between};

/// Over how long, in seconds, a partition's arrivals are averaged before it counts as hot.
const HOT_SECONDS: f64 = 60.0;
/// Which share of the active partitions must have been busy for their rate to count.
const BUSY_SHARE: f64 = 0.5;

/// A partition by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PartitionName {
    /// Its topic.
    pub topic: String,
    /// Its number.
    pub partition: i32,
}

impl fmt::Display for PartitionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "partition {} of topic {}", self.partition, self.topic)
    }
}

/// Unread records over some partitions.
#[derive(Clone, Copy, Debug, Default)]
pub struct Backlog {
    /// Records.
    pub lag: i64,
    /// Partitions.
    pub partitions: i64,
    /// Seconds since the oldest arrived.
    pub time_lag: f64,
    /// Whether that may be more.
    pub or_more: bool,
}

impl Backlog {
    fn add(&mut self, other: Self) {
        self.lag = self.lag.saturating_add(other.lag);
        self.partitions += other.partitions;
        self.time_lag = self.time_lag.max(other.time_lag);
        self.or_more |= other.or_more;
    }
}

/// What the sums are taken for.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// The moment of the look.
    pub at: Timestamp,
    /// Seconds between two looks.
    pub interval: f64,
    /// Since when the same pods are ready, warm, in a settled group; only then is anything learnt.
    /// Others may be starting: until they join, these have all the partitions.
    pub settled_since: Option<Timestamp>,
    /// Ready pods.
    pub ready: i32,
    /// Records per second of one pod, where it was measured.
    pub per_replica: Option<f64>,
    /// Whether no pod has more than one partition.
    pub is_one_each: bool,
}

/// A partition that gets more records than one pod can process.
#[derive(Debug)]
struct Hot {
    name: PartitionName,
    backlog: Backlog,
    /// Records per second that arrive.
    arrivals: f64,
    /// Records per second that one pod processes.
    most: f64,
}

/// The partitions of one look.
#[derive(Debug, Default)]
pub struct Tally {
    /// Partitions that could be read.
    pub readable: usize,
    /// Records that arrived since the look before.
    pub arrived: f64,
    /// Records that were processed since the look before.
    pub consumed: f64,
    /// All unread records.
    pub shown: Backlog,
    /// Those that pods can help with.
    pub sizing: Backlog,
    /// Stuck partitions, in order.
    pub stuck: Vec<PartitionName>,
    /// Hot partitions, in order.
    pub hot: Vec<PartitionName>,
    /// Records per second that arrive beyond what one pod processes for each hot partition.
    pub hot_excess: f64,
    /// The unread records that expire first.
    pub expiry: Option<Expiry>,
    maybe_hot: Vec<Hot>,
    active: f64,
    busy: f64,
    busy_rates: f64,
}

impl Tally {
    /// Adds a partition. `retention` is how many seconds its topic keeps records.
    pub fn add(&mut self, terms: &Terms, seen: &Seen<'_>, retention: Option<f64>) {
        let (flow, lag) = (seen.past.flow(), seen.standing.lag);
        self.readable += 1;
        self.arrived += flow.arrived;
        self.consumed += flow.consumed;
        if lag > 0 || flow.arrived > 0.0 {
            self.active += 1.0;
        }
        if lag == 0 {
            return;
        }
        let age = seen.past.age(seen.standing.position).unwrap_or(Age {
            since: terms.at,
            or_earlier: true,
        });
        let backlog = Backlog {
            lag,
            partitions: 1,
            time_lag: seconds_between(age.since, terms.at).max(0.0),
            or_more: age.or_earlier,
        };
        self.shown.add(backlog);
        if seen.past.is_stuck() {
            self.stuck.push(name(seen));
            return;
        }
        let expiry = Expiry::of(terms.at, seen, backlog, retention);
        self.expiry = Expiry::sooner(self.expiry.take(), expiry);
        let busy = busy_rate(terms, seen);
        if let Some(rate) = busy {
            self.busy += 1.0;
            self.busy_rates += rate;
        }
        match hot(terms, seen, backlog, busy) {
            Some(hot) => self.maybe_hot.push(hot),
            None => self.sizing.add(backlog),
        }
    }

    /// Ends the sums: a partition with more than a pod can process is hot if what arrives would fit
    /// when it was spread evenly. Else there are too few partitions, and none of them is to blame.
    pub fn conclude(&mut self, arrivals: Option<f64>) {
        let even = arrivals.map_or(0.0, |rate| rate / self.active.max(1.0));
        for hot in std::mem::take(&mut self.maybe_hot) {
            if even <= hot.most {
                self.hot_excess += hot.arrivals - hot.most;
                self.hot.push(hot.name);
            } else {
                self.sizing.add(hot.backlog);
            }
        }
        self.hot.sort_unstable();
        self.stuck.sort_unstable();
    }

    /// Whether no partition with unread records makes progress.
    pub fn is_halted(&self) -> bool {
        !self.stuck.is_empty() && i64::try_from(self.stuck.len()) == Ok(self.shown.partitions)
    }

    /// Records per second of one pod that was busy: the mean of the partitions that had a backlog
    /// all the while, as many as one pod has. Half of the partitions must have had one, so that
    /// some pods had nothing else; where the others had none, those pods are the fullest ones.
    pub fn saturated_rate(&self, terms: &Terms) -> Option<f64> {
        if self.busy == 0.0 || self.busy < BUSY_SHARE * self.active {
            return None;
        }
        let even = (self.active / f64::from(terms.ready.max(1))).max(1.0);
        let of_one_pod = if self.busy < self.active {
            even.ceil()
        } else {
            even
        };
        let rate = self.busy_rates / self.busy * of_one_pod;
        (rate > 0.0).then_some(rate)
    }
}

fn name(seen: &Seen<'_>) -> PartitionName {
    PartitionName {
        topic: seen.sample.topic.clone(),
        partition: seen.sample.partition,
    }
}

/// Records per second that were processed while the partition had a backlog.
fn busy_rate(terms: &Terms, seen: &Seen<'_>) -> Option<f64> {
    seen.past
        .busy_rate(terms.settled_since?, 2.0 * terms.interval)
}

/// The partition, when it is behind and gets more records than one pod processes. Without a measured
/// rate a pod that has only this partition shows what it can do.
fn hot(terms: &Terms, seen: &Seen<'_>, backlog: Backlog, busy: Option<f64>) -> Option<Hot> {
    if backlog.time_lag < 2.0 * terms.interval {
        return None;
    }
    let most = terms.per_replica.or(busy.filter(|_| terms.is_one_each))?;
    let arrivals = seen.past.arrival_rate(terms.at, HOT_SECONDS)?;
    (arrivals > most).then(|| Hot {
        name: name(seen),
        backlog,
        arrivals,
        most,
    })
}
