//! The hindsight optimum: the cheapest course of counts that keeps the SLO for a load that is known
//! to its end. It bends no rule of the group: a new replica needs its start-up, every change of the
//! members costs the standstill, and replicas cost from when they are asked for.
//!
//! Found by dynamic programming over (moment, count, backlog), forwards in steps of 5 s. A course
//! is carried by the backlog of the partition that is served worst, which at `n` replicas gets a
//! share of 1 in `ceil(partitions / n)` of a replica's rate; only counts that lower this share are
//! tried. From each state a course may stay, or go to any other count; a change lasts until its
//! standstill is over, and none begins meanwhile. Of two courses at the same moment and count, one
//! that costs more and has more backlog is dropped, and so is the dearer one of two whose backlogs
//! lie within a tenth of each other.
//!
//! Cost is compared in this order: seconds over the SLO, then replicas times seconds: where the SLO
//! cannot be kept, the fewest misses win. The age of a record is its age when it is committed, so
//! the backlog must be younger than the SLO less what is not committed yet; several such margins
//! are tried. What counts in the end is the plan's outcome when the group itself replays it, so the
//! figures of the table are reached, not computed; a course that is better still may exist, but none
//! below `least`.

use sluice::sim::summary::Summary;

use super::{
    drive::{Case, replay},
    shapes::SETTLE,
};

/// Seconds between two moments at which the count may change.
const STEP: usize = 5;
/// What a second over the SLO costs, in replica-seconds: more than any run.
const MISS: u64 = 1 << 40;
/// Backlogs that are told apart, in steps of about a tenth.
const BUCKETS: usize = 128;
const BUCKETS_A_DOUBLING: f64 = 8.0;

/// The best course found, replayed.
pub fn optimum(case: &Case) -> Summary {
    let commit = case.model.commit_interval;
    let outcome = |margin| {
        let plan = Search::new(case, margin).run();
        replay(case, plan.first, &plan.changes)
    };
    let better = |best: Summary, margin| {
        let other = outcome(margin);
        let cost = |s: &Summary| (s.slo_miss_seconds, s.replica_hours);
        if cost(&other) < cost(&best) {
            other
        } else {
            best
        }
    };
    [commit / 2.0, 0.0]
        .into_iter()
        .fold(outcome(commit), better)
}

/// Replica-hours that no course can go below: every record is processed by somebody, but for those
/// so young at the end that they may wait, and one replica is always there.
#[expect(clippy::cast_precision_loss, reason = "the seconds of a run")]
pub fn least(case: &Case) -> f64 {
    let counted = &case.load.arrivals[SETTLE..];
    let old = counted.len().saturating_sub(whole(case.slo));
    let work: f64 = counted[..old].iter().sum::<f64>() / case.model.rate_per_replica;
    work.max(counted.len() as f64) / 3600.0
}

/// A course of counts.
struct Plan {
    first: i32,
    /// From which counted second on, and the count.
    changes: Vec<(usize, i32)>,
}

/// A course up to some moment.
#[derive(Clone, Copy)]
struct Course {
    /// Records that wait in the partition that is served worst.
    backlog: f64,
    cost: u64,
    /// Its last change.
    change: Change,
}

#[derive(Clone, Copy)]
enum Change {
    /// Kept in the list of changes.
    Kept(usize),
    /// Just made, after the one at that place.
    New { second: usize, after: Option<usize> },
}

struct Made {
    second: usize,
    level: usize,
    after: Option<usize>,
}

struct Search<'a> {
    case: &'a Case,
    /// Counts that are tried, and what the partition served worst gets then, in records per second.
    levels: Vec<(i32, f64)>,
    /// Records that arrived in one partition until the start of each counted second.
    arrived: Vec<f64>,
    /// Seconds after which an unread record is a miss.
    age: usize,
    unit: f64,
    /// For each moment and level, the best course of each bucket; of the moments that may still
    /// be reached.
    states: Vec<Vec<Option<Course>>>,
    made: Vec<Made>,
}

impl<'a> Search<'a> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "seconds of a day"
    )]
    fn new(case: &'a Case, margin: f64) -> Self {
        let partitions = case.model.partitions;
        let counted = &case.load.arrivals[SETTLE..];
        let mut arrived = vec![0.0];
        let mut sum = 0.0;
        for arrivals in counted {
            sum += arrivals / f64::from(partitions);
            arrived.push(sum);
        }
        Self {
            case,
            levels: levels(partitions, case.model.rate_per_replica),
            unit: sum / counted.len() as f64 / 4.0,
            arrived,
            age: (case.slo - margin).max(1.0) as usize,
            states: Vec::new(),
            made: Vec::new(),
        }
    }

    fn seconds(&self) -> usize {
        self.arrived.len() - 1
    }

    fn run(mut self) -> Plan {
        let moments = self.seconds() / STEP;
        self.states = vec![Vec::new(); moments + 1];
        for level in 0..self.levels.len() {
            let change = Change::New {
                second: 0,
                after: None,
            };
            let course = Course {
                backlog: 0.0,
                cost: 0,
                change,
            };
            self.reach(0, level, course);
        }
        for moment in 0..moments {
            for (level, course) in self.take(moment) {
                self.stay(moment, level, course);
                self.leave(moment, level, course);
            }
        }
        let courses = self.take(moments);
        let best = courses.iter().min_by_key(|(_, course)| course.cost);
        let mut at = best.map(|(_, course)| course.change);
        let mut changes = Vec::new();
        while let Some(Change::Kept(index)) = at {
            let made = &self.made[index];
            changes.push((made.second, self.levels[made.level].0));
            at = made.after.map(Change::Kept);
        }
        changes.reverse();
        Plan {
            first: changes.first().map_or(1, |&(_, count)| count),
            changes: changes.split_off(1.min(changes.len())),
        }
    }

    /// The courses that reached a moment and are not dropped.
    fn take(&mut self, moment: usize) -> Vec<(usize, Course)> {
        let state = std::mem::take(&mut self.states[moment]);
        let mut kept = Vec::new();
        for (level, buckets) in state.chunks(BUCKETS).enumerate() {
            let mut cheapest = u64::MAX;
            // From the least backlog on: one with more must cost less.
            for mut course in buckets.iter().flatten().copied() {
                if course.cost >= cheapest {
                    continue;
                }
                cheapest = course.cost;
                if let Change::New { second, after } = course.change {
                    course.change = Change::Kept(self.made.len());
                    self.made.push(Made {
                        second,
                        level,
                        after,
                    });
                }
                kept.push((level, course));
            }
        }
        kept
    }

    fn stay(&mut self, moment: usize, level: usize, course: Course) {
        let (from, to) = (moment * STEP, (moment + 1) * STEP);
        let mut course = self.flow(course, from..to, self.levels[level].1);
        course.cost += self.price(level, STEP);
        self.reach(moment + 1, level, course);
    }

    /// Goes to every other count.
    fn leave(&mut self, moment: usize, level: usize, course: Course) {
        let Change::Kept(after) = course.change else {
            return;
        };
        let from = moment * STEP;
        let startup = whole(self.case.model.startup);
        let rebalance = whole(self.case.model.rebalance);
        let served = self.levels[level].1;
        let change = Change::New {
            second: from,
            after: Some(after),
        };
        let fewer = self.flow(course, from..from + rebalance, 0.0);
        let started = self.flow(course, from..from + startup, served);
        let settled = from + startup + rebalance;
        let more = self.flow(started, from + startup..settled, 0.0);
        for target in (0..self.levels.len()).filter(|&target| target != level) {
            let (course, until) = if target < level {
                (fewer, from + rebalance)
            } else {
                (more, settled)
            };
            let next = until.div_ceil(STEP);
            if next >= self.states.len() {
                continue;
            }
            let mut course = self.flow(course, until..next * STEP, self.levels[target].1);
            course.cost += self.price(target, next * STEP - from);
            self.reach(next, target, Course { change, ..course });
        }
    }

    fn price(&self, level: usize, seconds: usize) -> u64 {
        u64::from(self.levels[level].0.unsigned_abs()) * seconds as u64
    }

    /// Lets the seconds pass while the partition served worst gets so many records of a second.
    fn flow(&self, mut course: Course, seconds: std::ops::Range<usize>, served: f64) -> Course {
        let outage = &self.case.load.outage;
        for second in seconds.start..seconds.end.min(self.seconds()) {
            let is_down = outage.contains(&(SETTLE + second));
            let served = if is_down { 0.0 } else { served };
            let end = self.arrived[second + 1];
            let arrived = end - self.arrived[second];
            course.backlog = (course.backlog + arrived - served).max(0.0);
            let old = (second + 1).checked_sub(self.age).map(|s| self.arrived[s]);
            if old.is_some_and(|old| end - course.backlog < old) {
                course.cost += MISS;
            }
        }
        course
    }

    /// Keeps a course that reached a moment, unless one with about the same backlog is cheaper; while
    /// records are too old, unless one with as many misses has the smaller backlog, because the time
    /// until they end is the price that counts.
    fn reach(&mut self, moment: usize, level: usize, course: Course) {
        let bucket = self.bucket(course.backlog);
        let size = self.levels.len() * BUCKETS;
        let second = moment * STEP;
        let old = second.checked_sub(self.age).map(|old| self.arrived[old]);
        let young = old.map_or(f64::INFINITY, |old| self.arrived[second] - old);
        let state = &mut self.states[moment];
        if state.is_empty() {
            state.resize(size, None);
        }
        let best = &mut state[level * BUCKETS + bucket];
        let key = |c: &Course| {
            let too_old = if c.backlog > young { c.backlog } else { 0.0 };
            (c.cost / MISS, too_old, c.cost, c.backlog)
        };
        if best.is_none_or(|best| key(&course) < key(&best)) {
            *best = Some(course);
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a small positive number"
    )]
    fn bucket(&self, backlog: f64) -> usize {
        let doublings = (1.0 + backlog / self.unit).log2();
        ((doublings * BUCKETS_A_DOUBLING).ceil() as usize).min(BUCKETS - 1)
    }
}

/// Counts at which the largest share of the partitions is smaller than at any lower count.
fn levels(partitions: i32, rate: f64) -> Vec<(i32, f64)> {
    let share = |count: i32| (partitions + count - 1) / count;
    (1..=partitions)
        .filter(|&count| count == 1 || share(count) < share(count - 1))
        .map(|count| (count, rate / f64::from(share(count))))
        .collect()
}

/// Seconds, rounded up.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "seconds of a start"
)]
fn whole(seconds: f64) -> usize {
    seconds.ceil() as usize
}

#[cfg(test)]
mod tests {
    use super::{
        super::{drive::BASE, shapes::Load},
        *,
    };

    fn case(counted: Vec<f64>, outage: std::ops::Range<usize>) -> Case {
        let first = counted[0];
        let arrivals = [vec![first; SETTLE], counted].concat();
        Case {
            model: BASE,
            slo: 30.0,
            load: Load { arrivals, outage },
        }
    }

    #[test]
    fn the_counts_that_are_worth_it_are_the_levels() {
        let counts = |partitions| -> Vec<i32> {
            levels(partitions, 500.0).iter().map(|(n, _)| *n).collect()
        };
        assert_eq!(counts(12), [1, 2, 3, 4, 6, 12]);
        assert_eq!(counts(10), [1, 2, 3, 4, 5, 10]);
        assert_eq!(counts(1), [1]);
    }

    #[test]
    fn a_load_that_one_replica_bears_needs_no_change() {
        let outcome = optimum(&case(vec![400.0; 3600], 0..0));
        assert_eq!((outcome.slo_miss_seconds, outcome.changes), (0, 0));
        assert!((outcome.replica_hours - 1.0).abs() < 1e-9, "{outcome:?}");
    }

    /// A fixed count keeps the SLO; to let records wait and to catch up in turns is cheaper.
    #[test]
    fn it_is_no_dearer_than_a_fixed_count_that_is_enough() {
        for (load, count) in [(510.0, 2.0), (1400.0, 3.0), (2100.0, 6.0)] {
            let case = case(vec![load; 3600], 0..0);
            let outcome = optimum(&case);
            assert_eq!(outcome.slo_miss_seconds, 0, "{load}/s");
            let hours = outcome.replica_hours;
            assert!((least(&case)..=count).contains(&hours), "{load}/s: {hours}");
        }
    }

    /// Worked by hand: two replicas bear 900/s, and 2,300/s need six from the step on. Asked for
    /// 20 s ahead they are there at once.
    #[test]
    fn it_is_no_dearer_than_a_step_that_is_met_in_time() {
        let load = [vec![900.0; 1800], vec![2300.0; 1800]].concat();
        let case = case(load, 0..0);
        let outcome = optimum(&case);
        assert_eq!(outcome.slo_miss_seconds, 0);
        let in_time = 0.5 * 2.0 + 0.5 * 6.0 + 20.0 * 4.0 / 3600.0;
        let hours = outcome.replica_hours;
        assert!((least(&case)..=in_time).contains(&hours), "{outcome:?}");
    }

    /// Nothing is processed for 300 s. The misses begin 30 s into it, and end when twelve replicas
    /// have brought down the age from 300 s to 30 s; fewer would take longer.
    #[test]
    fn where_the_slo_cannot_be_kept_the_fewest_misses_win() {
        let outage = SETTLE + 600..SETTLE + 900;
        let outcome = optimum(&case(vec![1200.0; 3600], outage));
        let drained = 270.0 * 1200.0 / (6000.0 - 1200.0);
        let least = 270.0 + drained;
        let misses = f64::from(u32::try_from(outcome.slo_miss_seconds).unwrap());
        assert!(
            (least - 6.0..=least + 15.0).contains(&misses),
            "{outcome:?}, not {least}"
        );
        assert!(outcome.replica_hours < 6.0, "{outcome:?}");
    }

    #[test]
    fn no_course_is_cheaper_than_the_least() {
        let load = [vec![300.0; 900], vec![2600.0; 300], vec![700.0; 900]].concat();
        let case = case(load, 0..0);
        let outcome = optimum(&case);
        assert!(outcome.replica_hours >= least(&case), "{outcome:?}");
    }
}
