//! AWS target tracking on the backlog of an instance, as AWS's guide on scaling by a queue sets it
//! up: a metric published once a minute, the two alarms that the policy creates, and the default
//! warm-up. Where AWS does not say what happens, the reading that is better for AWS is taken, and a
//! comment says so.

/// Minutes above the target until the alarm for more goes off.
const HIGH_MINUTES: u32 = 3;
/// Minutes below the low threshold until the alarm for less goes off.
const LOW_MINUTES: u32 = 15;
/// The low threshold, as a share of the target.
const LOW: f64 = 0.9;
/// Default warm-up and cooldown, in seconds.
const COOLDOWN: i64 = 300;

/// A group with its policy.
#[derive(Clone, Debug)]
pub struct TargetTracking {
    /// The acceptable backlog of an instance: acceptable latency over the time that one record
    /// takes.
    target: f64,
    max: i32,
    high: u32,
    low: u32,
    last_out: Option<i64>,
    last_in: Option<i64>,
}

impl TargetTracking {
    /// From 1 to `max` instances.
    pub const fn new(target: f64, max: i32) -> Self {
        Self {
            target,
            max,
            high: 0,
            low: 0,
            last_out: None,
            last_in: None,
        }
    }

    /// The metric of one minute at second `now`, and what the policy does about it. `desired`: the
    /// group's desired capacity; `in_service`: instances that run.
    pub fn minute(&mut self, now: i64, desired: i32, in_service: i32, backlog: f64) -> i32 {
        let metric = backlog / f64::from(in_service.max(1));
        self.high = count_up(self.high, metric > self.target);
        self.low = count_up(self.low, metric < LOW * self.target);
        let wanted = self.wanted(backlog);
        if self.high >= HIGH_MINUTES && wanted > desired {
            self.last_out = Some(now);
            return wanted;
        }
        let waits = |last: Option<i64>| last.is_some_and(|at| now < at + COOLDOWN);
        let may_scale_in = !waits(self.last_out) && !waits(self.last_in);
        if self.low >= LOW_MINUTES && wanted < desired && may_scale_in {
            self.last_in = Some(now);
            return wanted;
        }
        desired
    }

    /// In proportion to the metric, rounded so that too many stay rather than too few. Instances
    /// that warm up are in the metric: as soon as they run they take a part of the backlog, and a
    /// larger backlog asks for more at once.
    #[expect(clippy::cast_possible_truncation, reason = "clamped to the bounds")]
    fn wanted(&self, backlog: f64) -> i32 {
        let wanted = (backlog / self.target).ceil();
        wanted.clamp(1.0, f64::from(self.max)) as i32
    }
}

const fn count_up(count: u32, holds: bool) -> u32 {
    if holds { count.saturating_add(1) } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lets `n` minutes pass with the same backlog; the desired capacity after each.
    fn minutes(
        group: &mut TargetTracking,
        from: i64,
        desired: i32,
        backlog: f64,
        n: i64,
    ) -> Vec<i32> {
        let mut desired = desired;
        let counts = (from..from + n).map(|minute| {
            desired = group.minute(60 * minute, desired, desired, backlog);
            desired
        });
        counts.collect()
    }

    /// The example of AWS's guide: 1,500 messages, ten instances, a target of 100: five more.
    #[test]
    fn the_guides_example_adds_five_in_the_third_minute() {
        let mut group = TargetTracking::new(100.0, 100);
        assert_eq!(minutes(&mut group, 0, 10, 1500.0, 4), [10, 10, 15, 15]);
    }

    #[test]
    fn a_minute_at_the_target_starts_the_alarm_anew() {
        let mut group = TargetTracking::new(100.0, 100);
        let backlogs = [1500.0, 1500.0, 1000.0, 1500.0, 1500.0, 1500.0];
        let counts: Vec<_> = (0..)
            .zip(backlogs)
            .map(|(minute, backlog)| group.minute(60 * minute, 10, 10, backlog))
            .collect();
        assert_eq!(counts, [10, 10, 10, 10, 10, 15]);
    }

    #[test]
    fn it_scales_in_after_fifteen_minutes_below_nine_tenths_and_rounds_up() {
        let mut group = TargetTracking::new(100.0, 100);
        let counts = minutes(&mut group, 0, 10, 850.0, 15);
        assert_eq!((counts[13], counts[14]), (10, 9), "8.5 instances are 9");
        let mut group = TargetTracking::new(100.0, 100);
        assert_eq!(minutes(&mut group, 0, 10, 950.0, 30), [10; 30]);
    }

    #[test]
    fn the_cooldown_holds_a_further_scale_in_and_not_a_scale_out() {
        let mut group = TargetTracking::new(100.0, 100);
        minutes(&mut group, 0, 10, 500.0, 15);
        assert_eq!(minutes(&mut group, 15, 5, 300.0, 5), [5, 5, 5, 5, 3]);
        assert_eq!(minutes(&mut group, 20, 3, 2000.0, 3), [3, 3, 20]);
    }

    #[test]
    fn bounds_hold() {
        let mut group = TargetTracking::new(100.0, 12);
        assert_eq!(minutes(&mut group, 0, 3, 1e9, 3), [3, 3, 12]);
        let mut group = TargetTracking::new(100.0, 12);
        assert_eq!(minutes(&mut group, 0, 3, 0.0, 15)[14], 1);
    }
}
