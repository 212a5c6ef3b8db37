//! One policy: exactly one kind, metrics that exist, numbers that are numbers, bands that cover
//! every value once.

use std::collections::BTreeSet;

use super::Report;
use crate::api::policies::{
    Direction, LagThreshold, Policy, Predictive, ScaleRule, Simple, Step, StepAdjustment,
    TargetTracking,
};

const HOUR: u64 = 3600;
/// The longest time lag that can be a target, in seconds.
const WEEK: f64 = 604_800.0;

/// Checks one policy. `series` are the names of those that can be read.
pub fn policy(policy: &Policy, path: &str, series: &BTreeSet<&str>, report: &mut Report) {
    let kinds = [
        policy.target_tracking.is_some(),
        policy.step.is_some(),
        policy.simple.is_some(),
        !policy.rules.is_empty(),
        policy.lag_threshold.is_some(),
        policy.predictive.is_some(),
    ];
    if kinds.iter().filter(|is_set| **is_set).count() != 1 {
        report.refuse(
            path,
            "a policy has exactly one of targetTracking, step, simple, rules, lagThreshold, \
             predictive: split it into one policy a kind",
        );
    }
    if let Some(tracking) = &policy.target_tracking {
        target_tracking(tracking, &format!("{path}.targetTracking"), series, report);
    }
    if let Some(step) = &policy.step {
        self::step(step, &format!("{path}.step"), series, report);
    }
    if let Some(simple) = &policy.simple {
        self::simple(simple, &format!("{path}.simple"), series, report);
    }
    rules(&policy.rules, &format!("{path}.rules"), series, report);
    if let Some(threshold) = &policy.lag_threshold {
        lag_threshold(threshold, &format!("{path}.lagThreshold"), report);
    }
    if let Some(predictive) = &policy.predictive {
        self::predictive(predictive, &format!("{path}.predictive"), report);
    }
}

fn metric(path: &str, name: &str, series: &BTreeSet<&str>, report: &mut Report) {
    if !series.contains(name) {
        let known: Vec<&str> = series.iter().copied().collect();
        report.refuse(
            format!("{path}.metric"),
            format!(
                "there is no series {name}: use one of {}, or add it to metrics",
                known.join(", ")
            ),
        );
    }
}

fn target_tracking(
    tracking: &TargetTracking,
    path: &str,
    series: &BTreeSet<&str>,
    report: &mut Report,
) {
    metric(path, &tracking.metric, series, report);
    let target = tracking.target;
    let place = format!("{path}.target");
    let is_number = report.finite(&place, target);
    if is_number && target <= 0.0 {
        report.refuse(place, format!("{target} must be above 0: for example 30"));
    } else if is_number && tracking.is_time_lag() && target > WEEK {
        let message = format!("{target} is in seconds and must not exceed 604800 (7 days)");
        report.refuse(place, message);
    }
    if tracking.is_time_lag() {
        if tracking.of.is_some() {
            report.refuse(
                format!("{path}.of"),
                "it does not apply to timeLag, which follows what a pod can process: remove it",
            );
        }
    } else if tracking.utilization.is_some() || tracking.catch_up.is_some() {
        report.refuse(
            path,
            "utilization and catchUp only work with metric: timeLag: remove them",
        );
    }
    utilization(&format!("{path}.utilization"), tracking.utilization, report);
    if let Some(catch_up) = tracking.catch_up {
        report.lasts(format!("{path}.catchUp"), catch_up, 1..=24 * HOUR);
    }
}

fn utilization(path: &str, value: Option<f64>, report: &mut Report) {
    if let Some(value) = value
        && report.finite(path, value)
        && !(0.1..=1.0).contains(&value)
    {
        let message = format!("{value} does not lie between 0.1 and 1: for example 0.85");
        report.refuse(path, message);
    }
}

fn step(step: &Step, path: &str, series: &BTreeSet<&str>, report: &mut Report) {
    metric(path, &step.metric, series, report);
    report.finite(format!("{path}.threshold"), step.threshold);
    report.lasts(format!("{path}.period"), step.period, 1..=HOUR);
    let place = format!("{path}.evaluationPeriods");
    report.within(place, step.evaluation_periods, 1..=60);
    bands(&step.steps, &format!("{path}.steps"), report);
}

fn simple(simple: &Simple, path: &str, series: &BTreeSet<&str>, report: &mut Report) {
    metric(path, &simple.metric, series, report);
    report.finite(format!("{path}.threshold"), simple.threshold);
    report.lasts(format!("{path}.period"), simple.period, 1..=HOUR);
    let place = format!("{path}.evaluationPeriods");
    report.within(place, simple.evaluation_periods, 1..=60);
    report.lasts(format!("{path}.cooldown"), simple.cooldown, 0..=24 * HOUR);
}

/// A band with its place in the list; an open side is infinite.
#[derive(Clone, Copy)]
struct Band {
    index: usize,
    lower: f64,
    upper: f64,
}

/// The rules that AWS has for step adjustments: every value beyond the threshold is in one band.
fn bands(steps: &[StepAdjustment], path: &str, report: &mut Report) {
    if steps.is_empty() {
        report.refuse(
            path,
            "there is no step: a single one is written lowerBound: 0",
        );
    }
    let mut bands = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        let place = format!("{path}[{index}]");
        match (step.lower_bound, step.upper_bound) {
            (None, None) => report.refuse(
                place,
                "a step needs lowerBound, upperBound or both: a single step is written lowerBound: 0",
            ),
            (lower, upper) => {
                let lower = lower.unwrap_or(f64::NEG_INFINITY);
                let upper = upper.unwrap_or(f64::INFINITY);
                if lower.is_nan() || upper.is_nan() || lower >= upper {
                    report.refuse(place, format!("lowerBound {lower} is not below upperBound {upper}"));
                } else {
                    bands.push(Band { index, lower, upper });
                }
            }
        }
    }
    bands.sort_by(|a, b| {
        a.lower
            .total_cmp(&b.lower)
            .then(a.upper.total_cmp(&b.upper))
    });
    for pair in bands.windows(2) {
        if let [before, after] = pair {
            adjacent(*before, *after, path, report);
        }
    }
    ends(&bands, path, report);
}

fn adjacent(before: Band, after: Band, path: &str, report: &mut Report) {
    let (end, begin) = (before.upper, after.lower);
    let (first, second) = (before.index, after.index);
    if end < begin {
        report.refuse(
            path,
            format!(
                "no step covers {end} to {begin}: set upperBound: {begin} in steps[{first}] or \
                 lowerBound: {end} in steps[{second}]"
            ),
        );
    } else if end > begin {
        let overlap = end.min(after.upper);
        let side = |value: f64, open: &str| {
            if value.is_finite() {
                value.to_string()
            } else {
                open.to_owned()
            }
        };
        report.refuse(
            path,
            format!(
                "steps[{first}] and steps[{second}] both cover {} to {}: let one end where the \
                 other begins",
                side(begin, "everything below"),
                side(overlap, "everything above")
            ),
        );
    }
}

/// A band below the threshold needs one that is open below, and likewise above.
fn ends(bands: &[Band], path: &str, report: &mut Report) {
    let lowest = bands.iter().map(|b| b.lower).fold(f64::INFINITY, f64::min);
    let highest = bands
        .iter()
        .map(|b| b.upper)
        .fold(f64::NEG_INFINITY, f64::max);
    if lowest.is_finite() && lowest < 0.0 {
        report.refuse(
            path,
            format!(
                "no step covers what is below {lowest}: leave lowerBound out of the lowest step"
            ),
        );
    }
    if highest.is_finite() && highest > 0.0 {
        report.refuse(
            path,
            format!(
                "no step covers what is above {highest}: leave upperBound out of the highest step"
            ),
        );
    }
}

fn rules(rules: &[ScaleRule], path: &str, series: &BTreeSet<&str>, report: &mut Report) {
    for (index, rule) in rules.iter().enumerate() {
        let place = format!("{path}[{index}]");
        metric(&place, &rule.metric, series, report);
        report.finite(format!("{place}.threshold"), rule.threshold);
        report.lasts(format!("{place}.timeGrain"), rule.time_grain, 1..=12 * HOUR);
        report.lasts(
            format!("{place}.timeWindow"),
            rule.time_window,
            1..=12 * HOUR,
        );
        if rule.time_grain > rule.time_window {
            let (grain, window) = (rule.time_grain, rule.time_window);
            let message = format!("timeGrain {grain} exceeds timeWindow {window}");
            report.refuse(format!("{place}.timeGrain"), message);
        }
        report.within(format!("{place}.value"), rule.value, 1..=100_000);
        let out = |other: &ScaleRule| {
            other.direction == Direction::Increase && other.metric == rule.metric
        };
        if rule.direction == Direction::Decrease && !rules.iter().any(out) {
            report.warn(
                place,
                format!(
                    "nothing adds pods by {0} again after this rule has removed some: add a rule \
                     with direction: Increase on {0}",
                    rule.metric
                ),
            );
        }
    }
}

fn lag_threshold(threshold: &LagThreshold, path: &str, report: &mut Report) {
    report.within(
        format!("{path}.lagThreshold"),
        threshold.lag_threshold,
        1..=i64::MAX,
    );
    let activation = threshold.activation_lag_threshold;
    report.within(
        format!("{path}.activationLagThreshold"),
        activation,
        0..=i64::MAX,
    );
}

fn predictive(predictive: &Predictive, path: &str, report: &mut Report) {
    report.lasts(format!("{path}.lookAhead"), predictive.look_ahead, 0..=HOUR);
    report.lasts(
        format!("{path}.history"),
        predictive.history,
        24 * HOUR..=7 * 24 * HOUR,
    );
    utilization(
        &format!("{path}.utilization"),
        predictive.utilization,
        report,
    );
}
