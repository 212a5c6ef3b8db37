//! A consumer group in a closed loop with any autoscaler: the group is the product's own model, the
//! autoscaler a function from what it sees to a count. What is counted here is what really happened
//! in the model, not what an autoscaler saw of it.

use jiff::Timestamp;
use sluice::sim::{
    group::{Arrivals, Group, Model},
    summary::{Summary, Tally},
};

use super::shapes::{Load, Noise, SETTLE};

/// The base case's consumers, with 12 partitions.
pub const BASE: Model = Model {
    partitions: 12,
    rate_per_replica: 500.0,
    startup: 20.0,
    rebalance: 5.0,
    commit_interval: 5.0,
};

/// A group under a load.
#[derive(Clone, Debug)]
pub struct Case {
    /// How its replicas behave.
    pub model: Model,
    /// Seconds after which a record that is not committed is a miss.
    pub slo: f64,
    /// What arrives.
    pub load: Load,
}

/// When an autoscaler looks: every so many seconds, from a phase on that the seed draws. Each look
/// is late by 0 or 1 s, so that none always sees the group at the same moment between two commits.
#[derive(Clone, Debug)]
pub struct Looks {
    interval: usize,
    due: usize,
    late: usize,
    noise: Noise,
}

impl Looks {
    /// Every `interval` seconds.
    pub fn every(interval: usize, seed: u64) -> Self {
        let mut noise = Noise(seed);
        let phase = draw(&mut noise, interval);
        Self {
            interval,
            due: 1 + phase,
            late: 0,
            noise,
        }
    }

    fn is_due(&mut self, second: usize) -> bool {
        let is_due = second >= self.due + self.late;
        if is_due {
            self.due += self.interval;
            self.late = draw(&mut self.noise, 2);
        }
        is_due
    }
}

fn draw(noise: &mut Noise, below: usize) -> usize {
    let below = u64::try_from(below).unwrap_or(u64::MAX);
    usize::try_from(noise.below(below)).unwrap_or(0)
}

/// Runs `case` under an autoscaler that begins with one replica and is given the seconds since the
/// start and the group; what happens while the load settles is not counted.
pub fn drive(
    case: &Case,
    mut looks: Looks,
    mut autoscaler: impl FnMut(i64, &Group) -> i32,
) -> Summary {
    let mut tally = Tally::new(case.slo);
    let mut group = Group::new(case.model.clone(), "t", Timestamp::UNIX_EPOCH, 1);
    for second in 0..case.load.arrivals.len() {
        step(case, &mut group, second);
        if second >= SETTLE {
            tally.second(group.replicas(), group.time_lag());
        }
        if looks.is_due(second + 1) {
            let now = i64::try_from(second + 1).unwrap_or(i64::MAX);
            let wanted = autoscaler(now, &group);
            if second >= SETTLE {
                tally.decision(group.replicas(), wanted);
            }
            group.scale(wanted);
        }
    }
    tally.summary()
}

/// Runs the counted seconds of `case` by a plan: the count at the start, and later ones each with
/// the counted second from which on it is asked for.
pub fn replay(case: &Case, first: i32, plan: &[(usize, i32)]) -> Summary {
    let mut tally = Tally::new(case.slo);
    let mut plan = plan.iter().peekable();
    let mut group = Group::new(case.model.clone(), "t", Timestamp::UNIX_EPOCH, first);
    for second in SETTLE..case.load.arrivals.len() {
        while let Some((_, wanted)) = plan.next_if(|(at, _)| SETTLE + at <= second) {
            tally.decision(group.replicas(), *wanted);
            group.scale(*wanted);
        }
        step(case, &mut group, second);
        tally.second(group.replicas(), group.time_lag());
    }
    tally.summary()
}

#[expect(clippy::cast_precision_loss, reason = "seconds of a day")]
fn step(case: &Case, group: &mut Group, second: usize) {
    let outage = &case.load.outage;
    if second == outage.start {
        group.stand_still(outage.len() as f64);
    }
    group.step(&Arrivals::Even(case.load.arrivals[second]));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case() -> Case {
        Case {
            model: BASE,
            slo: 30.0,
            load: Load {
                arrivals: vec![900.0; SETTLE + 600],
                outage: 0..0,
            },
        }
    }

    #[test]
    fn a_fixed_count_costs_its_seconds_and_misses_when_it_is_too_few() {
        let enough = drive(&case(), Looks::every(15, 1), |_, _| 2);
        assert_eq!((enough.slo_miss_seconds, enough.changes), (0, 0));
        assert!((enough.replica_hours - 0.333).abs() < 1e-9, "{enough:?}");
        assert!(enough.max_time_lag <= 6.0, "{enough:?}");
        let too_few = drive(&case(), Looks::every(15, 1), |_, _| 1);
        assert_eq!(too_few.slo_miss_seconds, 600);
    }

    #[test]
    fn changes_and_turns_are_counted_from_the_counted_seconds_on() {
        let settle = i64::try_from(SETTLE).unwrap();
        let outcome = drive(&case(), Looks::every(10, 1), |now, _| match now - settle {
            ..100 | 300..400 => 2,
            100..200 => 3,
            200..300 => 4,
            _ => 6,
        });
        assert_eq!((outcome.changes, outcome.direction_changes), (4, 2));
        let replayed = replay(&case(), 2, &[(100, 3), (200, 4), (300, 2), (400, 6)]);
        assert_eq!((replayed.changes, replayed.direction_changes), (4, 2));
        let seconds = 200.0 + 300.0 + 400.0 + 200.0 + 1200.0;
        assert!((replayed.replica_hours - seconds / 3600.0).abs() < 1e-3);
    }

    #[test]
    fn looks_keep_their_rhythm_though_each_may_be_late() {
        let mut looks = Looks::every(15, 7);
        let due: Vec<_> = (1..=3000).filter(|&s| looks.is_due(s)).collect();
        assert_eq!(due.len(), 200);
        let gaps: Vec<_> = due.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(gaps.iter().all(|gap| (14..=16).contains(gap)));
        assert!(gaps.contains(&14) && gaps.contains(&16));
    }
}
