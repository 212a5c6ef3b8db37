//! What the autoscaler saw of a group before: its partitions, and how many records arrived and were
//! processed in all. Bounded; it dies with the process and fills again.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;

use super::{
    observation::{Observation, PartitionSample},
    partition::{Age, Partition, Sighting, Standing, standing},
    stuck::Stuck,
};
use crate::api::connectors::OffsetReset;

/// How many looks are kept; rates need only those of a few intervals.
const LOOKS: usize = 64;
/// The commit interval, in seconds, until one was seen. Twice that is Kafka's default of
/// `max.poll.interval.ms`, after which a consumer that makes no progress is out of the group.
const COMMIT_SECONDS: f64 = 150.0;

/// The bounded past of a group's partitions.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// By topic; there are few of them.
    topics: Vec<(String, BTreeMap<i32, Partition>)>,
    looks: VecDeque<Look>,
    /// Since when so many pods are ready, warm, in a settled group.
    settled_since: Option<(Timestamp, i32)>,
    /// Partitions that were stuck before a restart, until they are seen again.
    stuck_before: Stuck,
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
    /// Whether the ready pods were warm, every partition readable and the group settled.
    pub settled: bool,
    /// Pods asked for.
    pub replicas: i32,
    /// Ready pods.
    pub ready: i32,
}

/// A partition at this look.
#[derive(Debug)]
pub struct Seen<'a> {
    /// The sample.
    pub sample: &'a PartitionSample,
    /// Where the group stands.
    pub standing: Standing,
    /// Its past, with this look.
    pub past: &'a Partition,
}

impl History {
    /// A history that knows which partitions were stuck before a restart, and nothing else.
    pub fn remembering(stuck: Stuck) -> Self {
        Self {
            stuck_before: stuck,
            ..Self::default()
        }
    }

    /// The looks so far, oldest first.
    pub const fn looks(&self) -> &VecDeque<Look> {
        &self.looks
    }

    /// Since when `ready` pods run, warm, in a settled group.
    pub fn settled_since(&self, ready: i32) -> Option<Timestamp> {
        let (since, same) = self.settled_since?;
        (same == ready).then_some(since)
    }

    /// Whether only a look-up by timestamp can tell when the record at `position` arrived.
    pub fn needs_look_up(&self, sample: &PartitionSample, position: i64) -> bool {
        if sample.unread_since.is_some() {
            return false;
        }
        self.partition(sample).is_none_or(|past| {
            let is_known = |age: Age| !age.or_earlier || past.was_looked_up(position);
            !past.age(position).is_some_and(is_known)
        })
    }

    /// Takes in the end offsets and commits of `observation`, and shows every partition that could
    /// be read with its past. A look before the last one begins a new history.
    pub fn record(
        &mut self,
        observation: &Observation,
        reset: OffsetReset,
        mut show: impl FnMut(&Seen<'_>),
    ) {
        let at = observation.at;
        let last = self.looks.back().map(|look| look.at);
        if last.is_some_and(|last| at < last) {
            *self = Self::default();
        }
        let is_running = observation.ready > 0 && !observation.group.is_rebalancing();
        let readable = || {
            let samples = observation.partitions.iter();
            samples.filter_map(|sample| Some((sample, standing(sample, reset)?)))
        };
        for (sample, standing) in readable() {
            let stuck_before = self.stuck_before.take(sample);
            self.partition_mut(sample).record(Sighting {
                at,
                last,
                is_running,
                sample,
                standing,
                stuck_before,
            });
        }
        let typical = self.commit_seconds();
        for (sample, standing) in readable() {
            let past = self.partition_mut(sample);
            past.judge(at, typical);
            show(&Seen {
                sample,
                standing,
                past,
            });
        }
    }

    /// Keeps a look for the rates.
    pub fn keep(&mut self, look: Look) {
        let same = self.settled_since.filter(|&(_, ready)| ready == look.ready);
        self.settled_since = same
            .or(Some((look.at, look.ready)))
            .filter(|_| look.settled);
        if self.looks.len() == LOOKS {
            self.looks.pop_front();
        }
        self.looks.push_back(look);
    }

    /// The partitions that are stuck, also those from before a restart that were not seen since.
    pub fn stuck(&self) -> Stuck {
        let mut stuck = self.stuck_before.clone();
        for (topic, partitions) in &self.topics {
            for (&partition, past) in partitions {
                if past.is_stuck() {
                    stuck.add(topic, partition, past.committed());
                }
            }
        }
        stuck
    }

    /// The mean time from being behind to the next commit.
    fn commit_seconds(&self) -> f64 {
        let partitions = self
            .topics
            .iter()
            .flat_map(|(_, partitions)| partitions.values());
        let (mut sum, mut count) = (0.0, 0.0);
        for seconds in partitions.filter_map(Partition::commit_seconds) {
            sum += seconds;
            count += 1.0;
        }
        if count > 0.0 {
            sum / count
        } else {
            COMMIT_SECONDS
        }
    }

    fn partition(&self, sample: &PartitionSample) -> Option<&Partition> {
        let (_, partitions) = self.topics.iter().find(|(name, _)| *name == sample.topic)?;
        partitions.get(&sample.partition)
    }

    fn partition_mut(&mut self, sample: &PartitionSample) -> &mut Partition {
        let known = self
            .topics
            .iter()
            .position(|(name, _)| *name == sample.topic);
        let index = known.unwrap_or_else(|| {
            self.topics.push((sample.topic.clone(), BTreeMap::new()));
            self.topics.len() - 1
        });
        let (_, partitions) = &mut self.topics[index];
        partitions.entry(sample.partition).or_default()
    }
}
