//! One sample of a consumer group: committed and end offsets of every partition in two batched
//! calls. Log starts and the group's state change rarely and follow a slower rhythm, unless a
//! commit is missing or behind. What cannot be read is a gap in the sample, never a zero.

use std::collections::{BTreeMap, HashMap};

use futures::future::OptionFuture;
use jiff::{SignedDuration, Timestamp};

use super::unknown_kafka;
use crate::{
    kafka::{
        self, Client,
        read::{self, ByPartition, Isolation, OffsetSpec, Partition},
    },
    plan::{
        Unknown,
        scaling::{GroupState, Observation, PartitionSample, UnreadRecord},
    },
};

/// How old a log start may be before it is read again.
const STARTS_EVERY: SignedDuration = SignedDuration::from_secs(60);
/// How old a stable group's state may be before it is read again.
const GROUP_EVERY: SignedDuration = SignedDuration::from_secs(15);
/// Steps of the search for the time when a record arrived.
const SEARCH_STEPS: usize = 8;

/// What a group is asked about.
#[derive(Clone, Copy, Debug)]
pub struct GroupQuestion<'a> {
    /// The consumer group.
    pub group: &'a str,
    /// Every partition of its topics.
    pub partitions: &'a [Partition],
    /// When.
    pub now: Timestamp,
    /// Whether pods are being added or removed: then the group's state is read at once.
    pub changing: bool,
}

/// What one connector's samples share: values that need not be read each time. Bounded by the
/// number of partitions.
#[derive(Clone, Debug, Default)]
pub struct Sampler {
    starts: HashMap<Partition, i64>,
    starts_at: Option<Timestamp>,
    group: Option<(Timestamp, GroupState)>,
    arrivals: HashMap<Partition, (i64, Arrival)>,
}

/// When the oldest unread record of a partition arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// The time.
    pub at: Timestamp,
    /// Whether the record may be older still.
    pub lower_bound: bool,
}

impl Sampler {
    /// Takes one sample: puts every partition and the group's state into `observation`.
    ///
    /// # Errors
    /// Why nothing could be read.
    pub async fn sample(
        &mut self,
        client: &Client,
        question: GroupQuestion<'_>,
        observation: &mut Observation,
    ) -> Result<(), Unknown> {
        let GroupQuestion {
            group,
            partitions,
            now,
            ..
        } = question;
        let asks_group = self.asks_group(question);
        let (committed, ends, state) = tokio::join!(
            read::committed(client, group, partitions),
            read::offsets(
                client,
                partitions,
                OffsetSpec::Latest,
                Isolation::ReadCommitted
            ),
            OptionFuture::from(asks_group.then(|| read::group(client, group)))
        );
        let committed = committed.map_err(|error| unknown_kafka(&error))?;
        let ends = ends.map_err(|error| unknown_kafka(&error))?;
        if let Some(Ok(state)) = state {
            self.group = Some((now, group_state(state.state)));
        }
        if self.asks_starts(now, &committed) {
            self.read_starts(client, partitions, now).await;
        }
        let sample = |partition: &Partition| self.partition(partition, &committed, &ends);
        observation.partitions = partitions.iter().map(sample).collect();
        observation.group = self.group.map_or(GroupState::Unknown, |(_, state)| state);
        self.set_arrivals(observation);
        Ok(())
    }

    /// Puts the arrivals that were searched for into an observation.
    pub fn set_arrivals(&self, observation: &mut Observation) {
        for sample in &mut observation.partitions {
            let partition = (sample.topic.clone(), sample.partition);
            let position = sample.committed.or(sample.start);
            let arrival = self
                .arrivals
                .get(&partition)
                .filter(|(at, _)| Some(*at) == position);
            sample.unread_since = arrival.map(|(_, arrival)| arrival.at);
            sample.unread_since_or_earlier =
                arrival.is_some_and(|(_, arrival)| arrival.lower_bound);
        }
    }

    fn asks_group(&self, question: GroupQuestion<'_>) -> bool {
        let calm = |(at, state): (Timestamp, GroupState)| {
            state == GroupState::Stable && question.now.duration_since(at) < GROUP_EVERY
        };
        question.changing || !self.group.is_some_and(calm)
    }

    /// A missing commit counts from the log's start, and a commit before it is no commit any more.
    fn asks_starts(&self, now: Timestamp, committed: &ByPartition<Option<i64>>) -> bool {
        let stale = self
            .starts_at
            .is_none_or(|at| now.duration_since(at) >= STARTS_EVERY);
        let behind = |(partition, commit): (&Partition, &Result<Option<i64>, kafka::Error>)| {
            let start = self.starts.get(partition);
            match (commit, start) {
                (Ok(Some(commit)), Some(start)) => commit < start,
                (Ok(None), None) => true,
                _ => false,
            }
        };
        stale || committed.iter().any(behind)
    }

    async fn read_starts(&mut self, client: &Client, partitions: &[Partition], now: Timestamp) {
        let starts = read::offsets(
            client,
            partitions,
            OffsetSpec::Earliest,
            Isolation::ReadUncommitted,
        );
        if let Ok(starts) = starts.await {
            self.starts = starts
                .into_iter()
                .filter_map(|(partition, start)| Some((partition, start.ok()?)))
                .collect();
            self.starts_at = Some(now);
        }
    }

    fn partition(
        &self,
        partition: &Partition,
        committed: &ByPartition<Option<i64>>,
        ends: &ByPartition<i64>,
    ) -> PartitionSample {
        let (commit, end) = (committed.get(partition), ends.get(partition));
        let error = [commit.and_then(error_of), end.and_then(error_of)]
            .into_iter()
            .flatten()
            .next();
        let missing = (commit.is_none() || end.is_none()).then(|| "no answer".to_owned());
        let commit = commit.and_then(|c| c.as_ref().ok().copied().flatten());
        PartitionSample {
            topic: partition.0.clone(),
            partition: partition.1,
            start: self.starts.get(partition).copied(),
            committed: commit,
            end: end.and_then(|end| end.as_ref().ok().copied()),
            error: error.or(missing),
            ..PartitionSample::default()
        }
    }

    /// Finds out when the records at these offsets arrived, by bisection over time: one batched
    /// call a step for all partitions. Kept until the commit moves.
    pub async fn search_arrivals(
        &mut self,
        client: &Client,
        wanted: &[UnreadRecord],
        now: Timestamp,
    ) {
        let mut open: BTreeMap<Partition, Search> = wanted
            .iter()
            .map(|record| {
                (
                    (record.topic.clone(), record.partition),
                    Search::new(record.offset, now),
                )
            })
            .collect();
        for _ in 0..SEARCH_STEPS {
            if open.is_empty() || !step(client, &mut open).await {
                break;
            }
        }
        let found = open
            .into_iter()
            .map(|(p, search)| (p, (search.offset, search.arrival())));
        self.arrivals.extend(found);
    }
}

fn error_of<T>(result: &Result<T, kafka::Error>) -> Option<String> {
    result.as_ref().err().map(ToString::to_string)
}

/// The arrival of one record, between two times that close in on it.
#[derive(Clone, Copy, Debug)]
struct Search {
    offset: i64,
    early: i64,
    late: i64,
    /// Whether `early` was ever seen to lie before the arrival.
    proven: bool,
}

impl Search {
    /// Starts five minutes back; the first steps look further while the record is older.
    fn new(offset: i64, now: Timestamp) -> Self {
        let late = now.as_millisecond();
        Self {
            offset,
            early: late - 300_000,
            late,
            proven: false,
        }
    }

    const fn probe(self) -> i64 {
        if self.proven {
            self.early + (self.late - self.early) / 2
        } else {
            self.early
        }
    }

    /// `first` is the first offset whose record is not older than the probe.
    const fn narrow(&mut self, first: Option<i64>) {
        let probe = self.probe();
        match first {
            Some(first) if first <= self.offset && self.proven => self.early = probe,
            Some(first) if first <= self.offset => self.proven = true,
            _ if self.proven => self.late = probe,
            // Older than the probe: nothing is proven yet, look further back.
            _ => {
                let span = self.late - self.early;
                self.late = probe;
                self.early = probe - span * 4;
            }
        }
    }

    /// The latest time that the record can have arrived: the lag is never overstated.
    fn arrival(self) -> Arrival {
        let at = Timestamp::from_millisecond(self.late).unwrap_or(Timestamp::UNIX_EPOCH);
        Arrival {
            at,
            lower_bound: !self.proven,
        }
    }
}

/// One batched step; false when Kafka did not answer.
async fn step(client: &Client, open: &mut BTreeMap<Partition, Search>) -> bool {
    let questions: Vec<(Partition, OffsetSpec)> = open
        .iter()
        .map(|(partition, search)| (partition.clone(), OffsetSpec::Timestamp(search.probe())))
        .collect();
    let Ok(answers) = read::offsets_each(client, &questions, Isolation::ReadUncommitted).await
    else {
        return false;
    };
    for (partition, search) in open.iter_mut() {
        match answers.get(partition) {
            // -1: no record is as young as that.
            Some(Ok(first)) => search.narrow((*first >= 0).then_some(*first)),
            _ => return false,
        }
    }
    true
}

const fn group_state(state: read::GroupState) -> GroupState {
    match state {
        read::GroupState::Stable => GroupState::Stable,
        read::GroupState::PreparingRebalance => GroupState::PreparingRebalance,
        read::GroupState::CompletingRebalance => GroupState::CompletingRebalance,
        read::GroupState::Empty => GroupState::Empty,
        read::GroupState::Dead => GroupState::Dead,
        read::GroupState::Unknown => GroupState::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A log with one record a second from second 0 on; offset n arrived at second n.
    fn first_at(probe_ms: i64, end: i64) -> Option<i64> {
        let first = (probe_ms + 999) / 1000;
        (first < end).then_some(first.max(0))
    }

    fn searched(offset: i64, end: i64) -> Search {
        let now = Timestamp::from_second(end).unwrap();
        let mut search = Search::new(offset, now);
        for _ in 0..SEARCH_STEPS {
            search.narrow(first_at(search.probe(), end));
        }
        search
    }

    #[test]
    fn the_search_closes_in_on_the_arrival_and_never_overstates_the_lag() {
        for offset in [9_995, 9_800, 9_000] {
            let search = searched(offset, 10_000);
            let arrival = search.arrival();
            assert!(!arrival.lower_bound);
            let error = arrival.at.as_second() - offset;
            assert!((0..=60).contains(&error), "offset {offset}: {error} s off");
        }
    }

    #[test]
    fn a_record_older_than_five_minutes_is_found_by_looking_further_back() {
        let arrival = searched(1_000, 20_000).arrival();
        assert!(!arrival.lower_bound);
        assert!(arrival.at.as_second() >= 1_000);
    }
}
