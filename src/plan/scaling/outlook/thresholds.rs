//! From which value of a metric on another count would be decided: searched for by deciding, on a
//! grid as fine as the value is told.

use std::collections::BTreeSet;

use super::Situation;
use crate::{
    api::policies::{ARRIVAL_RATE, LAG, LAGGING_PARTITIONS, Policy, PolicyKind},
    plan::scaling::{
        bounds::{InForce, policies},
        decision::amount,
        windows::longest,
    },
};

/// For how many metrics thresholds are told.
const METRICS: usize = 4;
/// Beyond this value nothing is searched for.
const HIGHEST: f64 = 1e12;
/// Windows of more samples than this are not filled again and again.
const SAMPLES: usize = 240;

/// One line a metric: from which value on there would be more than `count`, and up to which fewer.
pub fn lines(patient: &Situation, count: i32) -> Vec<String> {
    let mut seen = patient.scaler.memory.schedules;
    let in_force = InForce::at(&patient.spec, &mut seen, patient.observation.at).spec;
    let policies = in_force.policies.iter();
    let active = policies.filter(|policy| !policy.is_shadow());
    let mut metrics: BTreeSet<&str> = active.flat_map(read_by).collect();
    if in_force.min_replicas == 0 {
        metrics.insert(LAG);
    }
    let lines = metrics.into_iter().take(METRICS);
    lines
        .filter_map(|metric| line(patient, metric, count))
        .collect()
}

/// The metrics that a policy follows.
fn read_by(policy: &Policy) -> Vec<&str> {
    match policy.kind() {
        Some(PolicyKind::TargetTracking(tracking)) if tracking.is_time_lag() => {
            vec![&tracking.metric, ARRIVAL_RATE]
        }
        Some(PolicyKind::TargetTracking(tracking)) => vec![&tracking.metric],
        Some(PolicyKind::Step(step)) => vec![&step.metric],
        Some(PolicyKind::Simple(simple)) => vec![&simple.metric],
        Some(PolicyKind::Rules(rules)) => rules.iter().map(|rule| rule.metric.as_str()).collect(),
        Some(PolicyKind::LagThreshold(_)) => vec![LAG],
        Some(PolicyKind::Predictive(_)) | None => Vec::new(),
    }
}

fn line(patient: &Situation, metric: &str, count: i32) -> Option<String> {
    let value = patient.reading.series.value(metric)?;
    let samples = patient.samples_of(metric);
    if samples > SAMPLES {
        return None;
    }
    let grid = Grid::around(metric, value);
    let at = |point: i64| patient.with(metric, grid.value(point), samples);
    let more = first(grid.below(value), |point| {
        (grid.value(point) <= HIGHEST).then(|| at(point) > count)
    });
    let fewer = last(grid.above(value), |point| at(point) < count);
    let told = |point: i64| (amount(grid.value(point)), at(point));
    let more = more
        .map(told)
        .map(|(value, to)| format!("{to} from {value} on"));
    let fewer = fewer
        .map(told)
        .map(|(value, to)| format!("{to} at {value} or less"));
    let both: Vec<String> = more.into_iter().chain(fewer).collect();
    let now = amount(value);
    (!both.is_empty()).then(|| format!("{metric} (now {now}): {}", both.join(", ")))
}

impl Situation {
    /// How many samples of a metric the longest window takes in that looks back on it.
    fn samples_of(&self, metric: &str) -> usize {
        let readers = policies(&self.spec).filter(|policy| read_by(policy).contains(&metric));
        let longest = longest(readers, self.spec.interval);
        let interval = self.spec.interval.as_secs().max(1);
        usize::try_from(longest.as_secs().div_ceil(interval)).unwrap_or(usize::MAX)
    }

    /// What is decided once a metric has had another value for so many samples.
    fn with(&self, metric: &str, value: f64, samples: usize) -> i32 {
        let mut other = self.clone();
        other.reading.series.set(metric, Some(value));
        for _ in 1..samples {
            let (at, series) = (other.observation.at, &other.reading.series);
            let policies = policies(&other.spec);
            other
                .scaler
                .windows
                .keep(policies, other.spec.interval, at, series);
            other.pass(other.spec.interval.as_secs());
        }
        other.decided().to
    }
}

/// The values that are tried.
#[derive(Clone, Copy, Debug)]
struct Grid(f64);

impl Grid {
    /// Whole numbers for what is counted, else three significant digits.
    fn around(metric: &str, value: f64) -> Self {
        let digits = value.abs().max(1.0).log10().floor() - 2.0;
        let unit = match metric {
            LAG | LAGGING_PARTITIONS => 1.0,
            _ => 10_f64.powf(digits.max(-1.0)),
        };
        Self(unit)
    }

    #[expect(clippy::cast_precision_loss, reason = "points are below 2^53")]
    fn value(self, point: i64) -> f64 {
        point as f64 * self.0
    }

    #[expect(clippy::cast_possible_truncation, reason = "values are below 2^53")]
    fn below(self, value: f64) -> i64 {
        (value / self.0).floor() as i64
    }

    #[expect(clippy::cast_possible_truncation, reason = "values are below 2^53")]
    fn above(self, value: f64) -> i64 {
        (value / self.0).ceil() as i64
    }
}

/// The first point above `from` at which `holds`, taken to hold from there on; `None` beyond what
/// can be asked.
fn first(from: i64, holds: impl Fn(i64) -> Option<bool>) -> Option<i64> {
    let (mut below, mut step) = (from, 1);
    loop {
        let point = below.saturating_add(step);
        if holds(point)? {
            return Some(between(below, point, |point| holds(point) == Some(true)));
        }
        (below, step) = (point, step.saturating_mul(2));
    }
}

/// The last point below `from` at which `holds`, taken to hold from there down to 0.
fn last(from: i64, holds: impl Fn(i64) -> bool) -> Option<i64> {
    (from > 0 && holds(0)).then(|| between(from, 0, &holds))
}

/// Of the points from `without` to `with`, the one nearest to `without` that holds.
fn between(mut without: i64, mut with: i64, holds: impl Fn(i64) -> bool) -> i64 {
    while with.abs_diff(without) > 1 {
        let middle = i64::midpoint(with, without);
        if holds(middle) {
            with = middle;
        } else {
            without = middle;
        }
    }
    with
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_found_where_something_begins_and_ends() {
        for edge in [1, 2, 3, 7, 600, 601, 123_456] {
            assert_eq!(first(0, |point| Some(point >= edge)), Some(edge));
            assert_eq!(last(200_000, |point| point <= edge), Some(edge));
        }
        assert_eq!(first(0, |point| (point < 1000).then_some(false)), None);
        assert_eq!(last(0, |_| true), None);
        assert_eq!(last(9, |_| false), None);
    }

    #[test]
    fn what_is_counted_is_searched_in_whole_numbers_and_the_rest_to_three_digits() {
        for (metric, value, unit) in [
            (LAG, 12_345.0, 1.0),
            (ARRIVAL_RATE, 12_345.0, 100.0),
            (ARRIVAL_RATE, 512.0, 1.0),
            (ARRIVAL_RATE, 51.2, 0.1),
            ("cpu", 0.0, 0.1),
        ] {
            let grid = Grid::around(metric, value);
            assert!((grid.0 - unit).abs() < 1e-9, "{metric} {value} {grid:?}");
        }
    }
}
