//! What the autoscaler saw of each partition before: when which end offset was there, and how many
//! records arrived and were processed in all. Bounded; it dies with the process and fills again.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;

use super::{
    observation::{Observation, PartitionSample},
    time::seconds_between,
};
use crate::api::connectors::OffsetReset;

/// How many end offsets are kept for one partition: 20 minutes at the default interval.
const ENDS: usize = 240;
/// How many looks are kept; rates need only those of a few intervals.
const LOOKS: usize = 64;
/// Looks without progress before a partition may count as stuck.
const STUCK_LOOKS: u32 = 3;
/// Commit intervals without progress before a partition counts as stuck.
const STUCK_COMMITS: f64 = 2.0;
/// The commit interval, in seconds, until one was seen. Twice that is Kafka's default of
/// `max.poll.interval.ms`, after which a consumer that makes no progress is out of the group.
const COMMIT_SECONDS: f64 = 150.0;

/// The bounded past of a group's partitions.
#[derive(Clone, Debug, Default)]
pub struct History {
    topics: BTreeMap<String, BTreeMap<i32, Partition>>,
    looks: VecDeque<Look>,
}

/// The past of one partition.
#[derive(Clone, Debug, Default)]
struct Partition {
    ends: VecDeque<End>,
    committed: Option<i64>,
    position: i64,
    seen: Option<Timestamp>,
    /// The oldest unread record that somebody looked up; holds until the position moves.
    looked_up: Option<(i64, Age)>,
    still: Option<Still>,
    /// Seconds from being behind to the next commit, when last seen.
    commit_seconds: Option<f64>,
}

/// Unread records while the commit stands still and the group runs.
#[derive(Clone, Copy, Debug)]
struct Still {
    since: Timestamp,
    looks: u32,
}

/// A partition whose commit does not move.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StuckPartition {
    /// Its topic.
    pub topic: String,
    /// Its number.
    pub partition: i32,
}

/// An end offset, and the first and the last time that it was seen.
#[derive(Clone, Copy, Debug)]
struct End {
    offset: i64,
    first: Timestamp,
    last: Timestamp,
}

/// When an unread record arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Age {
    /// The moment.
    pub since: Timestamp,
    /// Whether it may have been earlier.
    pub or_earlier: bool,
}

/// What one look brought, over all partitions that could be read.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// When.
    pub at: Timestamp,
    /// Records that had arrived by then, counted from the first look.
    pub arrived: f64,
    /// Records that had been processed by then, counted from the first look.
    pub consumed: f64,
    /// Partitions whose commit had moved since the look before.
    pub moved: u32,
    /// Partitions with unread or newly arrived records.
    pub active: u32,
    /// Nine in ten active partitions had a record unread for at least so many seconds.
    pub backlog_age: f64,
    /// Whether every pod was ready and warm, every partition readable and the group settled.
    pub settled: bool,
    /// Pods asked for.
    pub replicas: i32,
}

/// One partition as it stands now.
#[derive(Clone, Copy, Debug)]
pub struct Standing {
    /// The offset that the group reads next, within the log.
    pub position: i64,
    /// Unread records, never below 0.
    pub lag: i64,
}

/// Where the group stands in a partition: `max(committed, start)`; without a commit, or with one
/// beyond the end (the topic was created again), where `offset_reset` begins. `None` when it
/// cannot be told; the whole end offset is never taken for lag.
pub fn standing(sample: &PartitionSample, reset: OffsetReset) -> Option<Standing> {
    let end = sample.end.filter(|_| sample.error.is_none())?;
    let position = match (sample.committed.filter(|&c| c <= end), reset) {
        (Some(committed), _) => committed.max(sample.start.unwrap_or(committed)),
        (None, OffsetReset::Earliest) => sample.start?,
        (None, OffsetReset::Latest) => end,
    };
    let position = position.min(end);
    Some(Standing {
        position,
        lag: end.saturating_sub(position),
    })
}

impl History {
    /// The looks so far, oldest first.
    pub const fn looks(&self) -> &VecDeque<Look> {
        &self.looks
    }

    /// When the partition's oldest unread record arrived, as far as the samples tell: looked up,
    /// interpolated between two samples (the error is at most one interval), or, when it is older
    /// than the samples, not later than the first of them.
    pub fn age(&self, sample: &PartitionSample, position: i64) -> Option<Age> {
        if let Some(since) = sample.unread_since {
            return Some(Age {
                since,
                or_earlier: sample.unread_since_or_earlier,
            });
        }
        let partition = self.partition(sample)?;
        match partition.looked_up {
            Some((offset, age)) if offset == position => Some(age),
            _ => partition.age(position),
        }
    }

    /// Whether only a look-up by timestamp can tell when the record at `position` arrived.
    pub fn needs_look_up(&self, sample: &PartitionSample, position: i64) -> bool {
        self.age(sample, position).is_none_or(|age| {
            let looked_up = self.partition(sample).and_then(|p| p.looked_up);
            age.or_earlier && looked_up.is_none_or(|(offset, _)| offset != position)
        })
    }

    fn partition(&self, sample: &PartitionSample) -> Option<&Partition> {
        self.topics
            .get(sample.topic.as_str())?
            .get(&sample.partition)
    }

    /// Takes in the end offsets and commits of `observation` and returns what arrived and was
    /// processed since the look before. A look that is not later than the last adds nothing.
    pub fn record(&mut self, observation: &Observation, reset: OffsetReset) -> Flow {
        let last = self.looks.back().map(|look| look.at);
        if last.is_some_and(|last| observation.at < last) {
            *self = Self::default();
        }
        let is_running = observation.ready > 0 && !observation.group.is_rebalancing();
        let mut flow = Flow::default();
        for sample in &observation.partitions {
            let Some(standing) = standing(sample, reset) else {
                continue;
            };
            if !self.topics.contains_key(sample.topic.as_str()) {
                self.topics.insert(sample.topic.clone(), BTreeMap::new());
            }
            if let Some(topic) = self.topics.get_mut(sample.topic.as_str()) {
                let partition = topic.entry(sample.partition).or_default();
                partition.see_progress(observation.at, sample, standing, is_running);
                flow.add(&partition.record(observation.at, last, sample, standing));
            }
        }
        flow
    }

    /// The partitions that are behind and whose commit has not moved for at least three looks and two
    /// commit intervals, as seen at `at`; in order.
    pub fn stuck(&self, at: Timestamp) -> Vec<StuckPartition> {
        let partitions = || {
            self.topics
                .iter()
                .flat_map(|(t, ps)| ps.iter().map(move |p| (t, p)))
        };
        let (mut sum, mut count) = (0.0, 0.0);
        for seconds in partitions().filter_map(|(_, (_, past))| past.commit_seconds) {
            sum += seconds;
            count += 1.0;
        }
        let typical = if count > 0.0 {
            sum / count
        } else {
            COMMIT_SECONDS
        };
        let stuck = partitions().filter(|(_, (_, past))| past.is_stuck(at, typical));
        stuck
            .map(|(topic, (&partition, _))| StuckPartition {
                topic: topic.clone(),
                partition,
            })
            .collect()
    }

    /// Keeps a look for the rates.
    pub fn keep(&mut self, look: Look) {
        if self.looks.len() == LOOKS {
            self.looks.pop_front();
        }
        self.looks.push_back(look);
    }
}

/// What happened in the partitions since the look before.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Flow {
    /// Records that arrived.
    pub arrived: f64,
    /// Records that were processed.
    pub consumed: f64,
    /// Partitions whose commit moved.
    pub moved: u32,
    /// Partitions with unread or newly arrived records.
    pub active: u32,
}

impl Flow {
    fn add(&mut self, other: &Self) {
        self.arrived += other.arrived;
        self.consumed += other.consumed;
        self.moved += other.moved;
        self.active += other.active;
    }
}

impl Partition {
    fn record(
        &mut self,
        at: Timestamp,
        last: Option<Timestamp>,
        sample: &PartitionSample,
        standing: Standing,
    ) -> Flow {
        let end = standing.position.saturating_add(standing.lag);
        let flow = self.flow(at, last, sample, standing, end);
        self.see_end(at, end);
        self.committed = sample.committed;
        self.position = standing.position;
        self.seen = Some(at);
        self.looked_up = match sample.unread_since {
            Some(since) => Some((
                standing.position,
                Age {
                    since,
                    or_earlier: sample.unread_since_or_earlier,
                },
            )),
            None => self.looked_up.filter(|(p, _)| *p == standing.position),
        };
        flow
    }

    /// A commit that moves ends a standstill; unread records whose commit does not move begin one.
    fn see_progress(
        &mut self,
        at: Timestamp,
        sample: &PartitionSample,
        standing: Standing,
        is_running: bool,
    ) {
        if self.seen.is_some() && sample.committed != self.committed {
            let still = self.still.take();
            let seconds = still.map(|still| seconds_between(still.since, at));
            self.commit_seconds = seconds.or(self.commit_seconds);
        }
        self.still = (standing.lag > 0 && is_running).then(|| {
            self.still.map_or(
                Still {
                    since: at,
                    looks: 0,
                },
                |still| Still {
                    looks: still.looks.saturating_add(1),
                    ..still
                },
            )
        });
    }

    /// `typical` is the group's commit interval in seconds.
    fn is_stuck(&self, at: Timestamp, typical: f64) -> bool {
        let commits = self.commit_seconds.unwrap_or(0.0).max(typical);
        self.still.is_some_and(|still| {
            still.looks >= STUCK_LOOKS
                && seconds_between(still.since, at) >= STUCK_COMMITS * commits
        })
    }

    /// A partition that was unreadable for some looks has many records to tell of at once; only
    /// the last look's share counts, so that a gap does not look like a surge.
    fn flow(
        &self,
        at: Timestamp,
        last: Option<Timestamp>,
        sample: &PartitionSample,
        standing: Standing,
        end: i64,
    ) -> Flow {
        let before = self.ends.back().map(|e| e.offset);
        let (Some(seen), Some(last), Some(before)) = (self.seen, last, before) else {
            return Flow {
                active: u32::from(standing.lag > 0),
                ..Flow::default()
            };
        };
        let gap = seconds_between(seen, at);
        let share = if gap > 0.0 {
            (seconds_between(last, at) / gap).min(1.0)
        } else {
            0.0
        };
        let arrived = records(end.saturating_sub(before));
        let moved = sample.committed != self.committed;
        let consumed = if moved {
            records(standing.position.saturating_sub(self.position))
        } else {
            0.0
        };
        Flow {
            arrived: arrived * share,
            consumed: consumed * share,
            moved: u32::from(moved),
            active: u32::from(standing.lag > 0 || arrived > 0.0),
        }
    }

    fn see_end(&mut self, at: Timestamp, offset: i64) {
        match self.ends.back_mut() {
            Some(end) if end.offset == offset => {
                end.last = at;
                return;
            }
            Some(end) if end.offset > offset => self.ends.clear(),
            _ => {}
        }
        if self.ends.len() == ENDS {
            self.ends.pop_front();
        }
        self.ends.push_back(End {
            offset,
            first: at,
            last: at,
        });
    }

    fn age(&self, position: i64) -> Option<Age> {
        let after = self.ends.partition_point(|end| end.offset <= position);
        let next = self.ends.get(after);
        let Some(before) = after.checked_sub(1).and_then(|i| self.ends.get(i)) else {
            return next.map(|end| Age {
                since: end.first,
                or_earlier: true,
            });
        };
        let next = next?;
        let share = records(position.saturating_sub(before.offset))
            / records(next.offset.saturating_sub(before.offset));
        let span = next.first.duration_since(before.last);
        Some(Age {
            since: before
                .last
                .checked_add(scaled(span, share))
                .unwrap_or(before.last),
            or_earlier: false,
        })
    }
}

fn scaled(span: jiff::SignedDuration, share: f64) -> jiff::SignedDuration {
    jiff::SignedDuration::try_from_secs_f64(span.as_secs_f64() * share)
        .unwrap_or(jiff::SignedDuration::ZERO)
}

/// A number of records; never below 0, since offsets that fall belong to another log.
#[expect(
    clippy::cast_precision_loss,
    reason = "2^53 records are enough for a rate"
)]
pub fn records(count: i64) -> f64 {
    count.max(0) as f64
}
