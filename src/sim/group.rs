//! A model of a consumer group, for closed loops: partitions, a rate for each replica, a time to
//! start, a standstill at each change of the members, commits in lumps. Records flow like water:
//! fractions are kept, and what is observed is rounded down as offsets are. It knows nothing of the
//! autoscaler.
//!
//! Time goes in steps of one second; what happens within one (a start, the end of a standstill, a
//! commit) happens at its own moment.

mod log;

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use self::log::{Log, floor};
use crate::plan::scaling::{GroupState, Observation, PartitionSample};

/// How a group's replicas behave.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Model {
    /// Partitions that the group reads, 1 to 10,000.
    pub partitions: i32,
    /// Records per second that one replica processes, above 0.
    pub rate_per_replica: f64,
    /// Seconds until a new replica is ready and joins the group, 0 to 86,400.
    pub startup: f64,
    /// Seconds for which the whole group stands still when its members change, 0 to 86,400.
    pub rebalance: f64,
    /// Seconds between two commits, 0.1 to 86,400. Members commit too before they change.
    pub commit_interval: f64,
}

/// Seconds of a day: no time of a model is longer.
const DAY: f64 = 86_400.0;

impl Model {
    /// Whether a group can be like that.
    ///
    /// # Errors
    /// The field that is wrong, and its bounds.
    pub fn check(&self) -> Result<(), String> {
        if !(1..=10_000).contains(&self.partitions) {
            return Err(format!(
                "partitions: {} must lie between 1 and 10000",
                self.partitions
            ));
        }
        let rate = self.rate_per_replica;
        if !(rate.is_finite() && rate > 0.0) {
            return Err(format!(
                "ratePerReplica: {rate} must be above 0, in records per second"
            ));
        }
        for (name, value, least) in [
            ("startup", self.startup, 0.0),
            ("rebalance", self.rebalance, 0.0),
            ("commitInterval", self.commit_interval, 0.1),
        ] {
            if !(least..=DAY).contains(&value) {
                return Err(format!(
                    "{name}: {value} must lie between {least} and {DAY} seconds"
                ));
            }
        }
        Ok(())
    }
}

/// Records that arrive per second.
#[derive(Clone, Debug, PartialEq)]
pub enum Arrivals {
    /// So many, the same for each partition.
    Even(f64),
    /// So many for each partition, in order.
    ByPartition(Vec<f64>),
}

impl Arrivals {
    /// Over all partitions.
    #[must_use]
    pub fn total(&self) -> f64 {
        match self {
            Self::Even(rate) => *rate,
            Self::ByPartition(rates) => rates.iter().sum(),
        }
    }
}

/// The group as it runs.
#[derive(Clone, Debug)]
pub struct Group {
    model: Model,
    topic: String,
    start: Timestamp,
    /// Seconds since `start`.
    now: f64,
    logs: Vec<Log>,
    members: i32,
    /// When each replica that starts will be ready, the soonest first.
    starting: VecDeque<f64>,
    still_until: f64,
    commits: u32,
}

impl Group {
    /// A group of one topic at `start`, with nothing to read and so many members.
    #[must_use]
    pub fn new(model: Model, topic: &str, start: Timestamp, replicas: i32) -> Self {
        let partitions = usize::try_from(model.partitions).unwrap_or_default();
        Self {
            model,
            topic: topic.to_owned(),
            start,
            now: 0.0,
            logs: vec![Log::default(); partitions],
            members: replicas.max(0),
            starting: VecDeque::new(),
            still_until: 0.0,
            commits: 0,
        }
    }

    /// Asks for so many replicas from now on. New ones need their time to start; of those that go,
    /// the ones that are still starting go first, and all go at once.
    pub fn scale(&mut self, replicas: i32) {
        let replicas = replicas.max(0);
        for _ in self.replicas()..replicas {
            self.starting.push_back(self.now + self.model.startup);
        }
        for _ in replicas..self.replicas() {
            if self.starting.pop_back().is_none() {
                self.change_members(replicas);
                break;
            }
        }
    }

    /// One second with so many arriving records.
    pub fn step(&mut self, arrivals: &Arrivals) {
        let end = self.now.floor() + 1.0;
        while self.now < end {
            let until = self.next_event().min(end);
            self.flow(arrivals, until - self.now);
            self.now = until;
            self.events();
        }
    }

    /// The next moment at which something changes.
    fn next_event(&self) -> f64 {
        let ready = self.starting.front().copied();
        let moves = (self.still_until > self.now).then_some(self.still_until);
        let moments = [ready, moves, Some(self.next_commit())];
        moments.into_iter().flatten().fold(f64::INFINITY, f64::min)
    }

    fn next_commit(&self) -> f64 {
        f64::from(self.commits + 1) * self.model.commit_interval
    }

    fn events(&mut self) {
        let due = self.starting.iter().filter(|&&ready| ready <= self.now);
        let joining = due.count();
        if joining > 0 {
            self.starting.drain(..joining);
            let joining = i32::try_from(joining).unwrap_or(i32::MAX);
            self.change_members(self.members.saturating_add(joining));
        }
        if self.next_commit() <= self.now {
            self.commits += 1;
            self.commit();
        }
    }

    fn change_members(&mut self, members: i32) {
        self.commit();
        self.members = members;
        self.still_until = self.now + self.model.rebalance;
    }

    fn commit(&mut self) {
        for log in &mut self.logs {
            log.commit();
        }
    }

    /// Lets records arrive and be read for so many seconds.
    fn flow(&mut self, arrivals: &Arrivals, seconds: f64) {
        let even = arrivals.total() / f64::from(self.model.partitions.max(1));
        for (index, log) in self.logs.iter_mut().enumerate() {
            let rate = match arrivals {
                Arrivals::Even(_) => even,
                Arrivals::ByPartition(rates) => rates.get(index).copied().unwrap_or_default(),
            };
            log.arrive(self.now, rate, seconds);
        }
        if self.now < self.still_until {
            return;
        }
        let members = usize::try_from(self.members).unwrap_or_default();
        for member in 0..members.min(self.logs.len()) {
            let share = self.logs.iter_mut().skip(member).step_by(members);
            log::consume(share.collect(), self.model.rate_per_replica * seconds);
        }
    }

    /// Replicas asked for.
    #[must_use]
    pub fn replicas(&self) -> i32 {
        let starting = i32::try_from(self.starting.len()).unwrap_or(i32::MAX);
        self.members.saturating_add(starting)
    }

    /// Replicas that are ready and members of the group.
    #[must_use]
    pub const fn ready(&self) -> i32 {
        self.members
    }

    /// Unread records, committed or not.
    #[must_use]
    pub fn unread(&self) -> f64 {
        self.logs.iter().map(Log::unread).sum()
    }

    /// Seconds since the oldest record arrived that the group has not committed; 0 without one.
    #[must_use]
    pub fn time_lag(&self) -> f64 {
        let arrivals = self.logs.iter().filter_map(Log::unread_since);
        arrivals.fold(0.0, |lag, since| (self.now - since).max(lag))
    }

    /// The moment that the group has come to.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.moment(self.now)
    }

    /// When the oldest record of a partition arrived that the group has not committed.
    #[must_use]
    pub fn unread_since(&self, partition: i32) -> Option<Timestamp> {
        let log = self.logs.get(usize::try_from(partition).ok()?)?;
        log.unread_since().map(|since| self.moment(since))
    }

    fn moment(&self, seconds: f64) -> Timestamp {
        let since = SignedDuration::try_from_secs_f64(seconds).unwrap_or_default();
        self.start.checked_add(since).unwrap_or(self.start)
    }

    /// What the operator would see: the Deployment's counts, the offsets and the group's state.
    #[must_use]
    pub fn observe(&self) -> Observation {
        let partitions = self
            .logs
            .iter()
            .zip(0..)
            .map(|(log, partition)| PartitionSample {
                topic: self.topic.clone(),
                partition,
                start: Some(0),
                committed: Some(floor(log.committed())),
                end: Some(floor(log.end())),
                ..PartitionSample::default()
            });
        let group = if self.members == 0 {
            GroupState::Empty
        } else if self.now < self.still_until {
            GroupState::PreparingRebalance
        } else {
            GroupState::Stable
        };
        Observation {
            at: self.now(),
            replicas: self.replicas(),
            ready: self.members,
            partitions: partitions.collect(),
            group,
            ..Observation::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model() -> Model {
        Model {
            partitions: 12,
            rate_per_replica: 500.0,
            startup: 20.0,
            rebalance: 5.0,
            commit_interval: 5.0,
        }
    }

    fn group(model: Model, replicas: i32) -> Group {
        Group::new(model, "t", Timestamp::UNIX_EPOCH, replicas)
    }

    fn run(group: &mut Group, seconds: usize, rate: f64) {
        for _ in 0..seconds {
            group.step(&Arrivals::Even(rate));
        }
    }

    fn lag(observation: &Observation) -> i64 {
        let lag = |p: &PartitionSample| p.end.unwrap() - p.committed.unwrap();
        observation.partitions.iter().map(lag).sum()
    }

    #[test]
    fn a_group_that_keeps_up_is_behind_by_what_it_has_not_committed() {
        let mut group = group(model(), 2);
        run(&mut group, 60, 1000.0 / 3.0);
        assert_eq!(
            lag(&group.observe()),
            0,
            "just committed, to the last record"
        );
        run(&mut group, 4, 1200.0);
        // 1200/s arrive and 1000/s are read: 800 unread, 4000 read and not committed.
        assert!((group.unread() - 800.0).abs() < 1e-6, "{}", group.unread());
        assert_eq!(lag(&group.observe()), 4800);
        assert!(
            (group.time_lag() - 4.0).abs() < 0.02,
            "{}",
            group.time_lag()
        );
    }

    #[test]
    fn new_replicas_start_stand_still_and_then_share_the_work() {
        let mut group = group(model(), 1);
        run(&mut group, 10, 1500.0);
        assert!((group.unread() - 10_000.0).abs() < 1e-6);
        group.scale(3);
        run(&mut group, 19, 1500.0);
        let starting = group.observe();
        assert_eq!((starting.replicas, starting.ready), (3, 1));
        run(&mut group, 1, 1500.0);
        let joined = group.observe();
        assert_eq!(
            (joined.ready, joined.group),
            (3, GroupState::PreparingRebalance)
        );
        let before = group.unread();
        run(&mut group, 5, 1500.0);
        assert!(
            (group.unread() - before - 7500.0).abs() < 1e-6,
            "nobody reads for 5 s"
        );
        assert_eq!(group.observe().group, GroupState::Stable);
        let before = group.unread();
        run(&mut group, 10, 500.0);
        assert!((before - group.unread() - 10_000.0).abs() < 1e-6);
    }

    /// Every replica has its own time to start: asking for more does not delay those before.
    #[test]
    fn a_second_scale_out_does_not_delay_the_first_and_scale_in_takes_the_youngest() {
        let mut group = group(model(), 1);
        group.scale(3);
        run(&mut group, 15, 0.0);
        group.scale(6);
        run(&mut group, 5, 0.0);
        assert_eq!((group.replicas(), group.ready()), (6, 3));
        group.scale(4);
        assert_eq!((group.replicas(), group.ready()), (4, 3));
        run(&mut group, 15, 0.0);
        assert_eq!((group.replicas(), group.ready()), (4, 4));
        run(&mut group, 5, 0.0);
        group.scale(0);
        assert_eq!((group.replicas(), group.ready()), (0, 0));
        assert_eq!(group.observe().group, GroupState::Empty);
    }

    /// The times of the model may be fractions of a second.
    #[test]
    fn what_happens_within_a_second_happens_at_its_moment() {
        let model = Model {
            startup: 0.5,
            rebalance: 0.25,
            commit_interval: 2.5,
            ..model()
        };
        let mut group = group(model, 0);
        group.scale(2);
        run(&mut group, 1, 1000.0);
        // Ready at 0.5 s, reading from 0.75 s on: 250 records of two replicas.
        assert!((group.unread() - 750.0).abs() < 1e-6, "{}", group.unread());
        run(&mut group, 2, 0.0);
        assert_eq!(lag(&group.observe()), 0, "committed at 2.5 s");
    }

    /// One partition alone gets what its member can do, and a member does no more than that.
    #[test]
    fn a_hot_partition_is_bound_by_one_replica() {
        let mut rates = vec![10.0; 12];
        rates[3] = 700.0;
        let mut group = group(model(), 12);
        for _ in 0..100 {
            group.step(&Arrivals::ByPartition(rates.clone()));
        }
        assert!(
            (group.unread() - 20_000.0).abs() < 1e-6,
            "{}",
            group.unread()
        );
        // The oldest committed record of that partition is the 50,000th of 700/s.
        assert!((group.time_lag() - (100.0 - 50_000.0 / 700.0)).abs() < 0.01);
    }

    #[test]
    fn a_model_out_of_bounds_is_refused_with_its_field() {
        assert_eq!(model().check(), Ok(()));
        for (model, field) in [
            (
                Model {
                    partitions: 0,
                    ..model()
                },
                "partitions: 0 ",
            ),
            (
                Model {
                    rate_per_replica: 0.0,
                    ..model()
                },
                "ratePerReplica: 0 ",
            ),
            (
                Model {
                    rate_per_replica: f64::NAN,
                    ..model()
                },
                "ratePerReplica: NaN ",
            ),
            (
                Model {
                    startup: -1.0,
                    ..model()
                },
                "startup: -1 ",
            ),
            (
                Model {
                    rebalance: f64::INFINITY,
                    ..model()
                },
                "rebalance: inf ",
            ),
            (
                Model {
                    commit_interval: 0.0,
                    ..model()
                },
                "commitInterval: 0 ",
            ),
        ] {
            let message = model.check().unwrap_err();
            assert!(message.starts_with(field), "{message}");
        }
    }
}
