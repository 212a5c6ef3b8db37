//! The rebalance gate: while partitions are on the move no policy changes the count, in either
//! direction, because every change would start the move again and every rate is wrong meanwhile.
//! A group that never settles must not hold the count for ever, so the gate opens after a time.

use jiff::Timestamp;

use super::{decision::amount, observation::GroupState, policies::Context, time::seconds_between};
use crate::api::policies::{Policy, TargetTracking};

/// Within what time, in seconds, a change must pay for its standstill, unless a policy gives a backlog
/// more time than that: the windows hold a count for about as long.
const HORIZON: f64 = 600.0;

/// The shortest and the longest time, in seconds, that the gate holds.
const LIMITS: (f64, f64) = (30.0, 180.0);

/// What the gate remembers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Gate {
    since: Option<Timestamp>,
    /// How long rebalances take, in seconds: the mean of the last one and those before it.
    pub rebalance_seconds: Option<f64>,
}

/// Whether policies may change the count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passage {
    /// Nothing is on the move.
    Open,
    /// The group is rebalancing.
    Closed,
    /// The group has been rebalancing for too long to wait for it.
    Stuck,
}

/// Why a change to `count` pods is not worth its standstill, where it is not. While the group
/// rebalances all present pods stand still, for the measured time; the change is to gain more than
/// that by the end of the horizon: the work of the pods that it adds, or the pods that it saves.
/// Where the present pods cannot process what arrives, the backlog grows without end, and every pod
/// is worth its standstill. (Flink's autoscaler counts the time of a restart as work to be caught up
/// in the same way.)
pub fn cost(context: &Context<'_>, count: i32) -> Option<String> {
    let seconds = context.memory.gate.rebalance_seconds?;
    let (replicas, arrivals) = (context.replicas(), context.reading.series.arrival_rate?);
    let per_replica = context.memory.capacity.as_ref()?.measured()?;
    let falls_behind = arrivals >= per_replica * f64::from(replicas);
    if count == replicas || (count > replicas && falls_behind) {
        return None;
    }
    let catch_up = |policy: &Policy| {
        let tracking = policy.target_tracking.as_ref();
        tracking
            .filter(|t| t.is_time_lag())
            .map(TargetTracking::catch_up_seconds)
    };
    let horizon = context.active_policies().filter_map(catch_up);
    let horizon = horizon.fold(HORIZON, f64::max);
    let (lost, gained) = (
        seconds * f64::from(replicas),
        horizon * f64::from((count - replicas).abs()),
    );
    (gained <= lost).then(|| {
        let (seconds, horizon) = (amount(seconds), amount(horizon));
        format!("{count} gains less in {horizon} s than {seconds} s of standstill cost")
    })
}

impl Gate {
    /// A gate that knows how long rebalances take, and nothing of one under way.
    pub const fn remembering(rebalance_seconds: Option<f64>) -> Self {
        Self {
            since: None,
            rebalance_seconds,
        }
    }

    /// Takes note of the group's state and says whether policies may act.
    pub fn pass(&mut self, at: Timestamp, group: GroupState) -> Passage {
        if !group.is_rebalancing() {
            if let Some(since) = self.since.take() {
                self.learn(seconds_between(since, at));
            }
            return Passage::Open;
        }
        let since = *self.since.get_or_insert(at);
        if seconds_between(since, at) < self.limit() {
            Passage::Closed
        } else {
            Passage::Stuck
        }
    }

    /// Twice the measured rebalance time, within 30 s and 3 min.
    fn limit(&self) -> f64 {
        let (shortest, longest) = LIMITS;
        (2.0 * self.rebalance_seconds.unwrap_or(0.0)).clamp(shortest, longest)
    }

    /// Whole seconds: what is remembered over a restart is what is used.
    fn learn(&mut self, seconds: f64) {
        let (_, longest) = LIMITS;
        let seconds = seconds.clamp(0.0, longest);
        let mean = self
            .rebalance_seconds
            .map_or(seconds, |before| f64::midpoint(before, seconds));
        self.rebalance_seconds = Some(mean.round());
    }
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + seconds.seconds()
    }

    #[test]
    fn only_a_rebalance_closes_it() {
        use GroupState::{
            Assigning, CompletingRebalance, Dead, Empty, PreparingRebalance, Reconciling, Stable,
            Unknown,
        };
        for state in [
            PreparingRebalance,
            CompletingRebalance,
            Assigning,
            Reconciling,
        ] {
            assert_eq!(Gate::default().pass(at(0), state), Passage::Closed);
        }
        for state in [Unknown, Stable, Empty, Dead] {
            assert_eq!(Gate::default().pass(at(0), state), Passage::Open);
        }
    }

    #[test]
    fn it_opens_after_twice_the_measured_time_within_30_s_and_3_min() {
        for (measured, limit) in [
            (None, 30),
            (Some(5.0), 30),
            (Some(40.0), 80),
            (Some(170.0), 180),
        ] {
            let mut gate = Gate::remembering(measured);
            let mut pass = |seconds| gate.pass(at(seconds), GroupState::PreparingRebalance);
            assert_eq!(pass(0), Passage::Closed);
            assert_eq!(pass(limit - 1), Passage::Closed);
            assert_eq!(pass(limit), Passage::Stuck);
        }
    }

    #[test]
    fn it_measures_how_long_rebalances_take() {
        let mut gate = Gate::default();
        for (seconds, group) in [
            (0, GroupState::PreparingRebalance),
            (10, GroupState::CompletingRebalance),
            (20, GroupState::Stable),
        ] {
            gate.pass(at(seconds), group);
        }
        assert_eq!(gate.rebalance_seconds, Some(20.0));
        gate.pass(at(100), GroupState::Reconciling);
        gate.pass(at(110), GroupState::Stable);
        assert_eq!(gate.rebalance_seconds, Some(15.0));
    }
}
