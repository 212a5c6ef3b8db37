//! What is wrong with an `autoscaling` block, beyond what its types say: found before it is used, at
//! the place where it stands, with the fix. The apiserver checks most of it at admission; a
//! simulation has no apiserver, and some of it no schema can express. Total: whatever comes in,
//! there is an answer.

mod flapping;
mod metrics;
mod policies;
mod steadiness;
mod times;

use std::{collections::BTreeSet, fmt::Display, ops::RangeInclusive};

use crate::api::{
    common::Duration,
    policies::{ARRIVAL_RATE, CONSUME_RATE, LAG, LAGGING_PARTITIONS, Policy, TIME_LAG},
    scaling::Autoscaling,
};

/// The series that are always there.
pub(super) const ALWAYS: [&str; 5] = [
    LAG,
    TIME_LAG,
    ARRIVAL_RATE,
    CONSUME_RATE,
    LAGGING_PARTITIONS,
];
/// The counts that a bound may have.
const COUNTS: RangeInclusive<i64> = 0..=1000;

/// Something wrong with a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where, relative to the block: `policies[0].step.steps`.
    pub path: String,
    /// What is wrong, and what to do.
    pub message: String,
    /// How grave it is.
    pub severity: Severity,
}

/// How grave a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The block works, and probably not as meant.
    Warning,
    /// The block is not used as it is.
    Refused,
}

impl Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

/// What is wrong with a block; nothing for one that can be used as it is.
#[must_use]
pub fn problems(spec: &Autoscaling) -> Vec<Problem> {
    problems_beside(spec, &BTreeSet::new())
}

/// The first reason why a block cannot be used as it is.
#[must_use]
pub fn refused(spec: &Autoscaling) -> Option<Problem> {
    let mut problems = problems(spec).into_iter();
    problems.find(|problem| problem.severity == Severity::Refused)
}

/// As [`problems`], where series of these names are given beside those that the block declares: by
/// a trace.
#[must_use]
pub fn problems_beside(spec: &Autoscaling, given: &BTreeSet<String>) -> Vec<Problem> {
    let mut report = Report::default();
    bounds(spec, &mut report);
    steadiness::steadiness(spec, &mut report);
    times::schedules(spec, &mut report);
    times::profiles(spec, &mut report);
    let mut series: BTreeSet<&str> = ALWAYS.into();
    series.extend(given.iter().map(String::as_str));
    metrics::metrics(&spec.metrics, &mut series, &mut report);
    let counts = (spec.min_replicas, spec.max_replicas);
    list(counts, "policies", &spec.policies, &series, &mut report);
    for (index, profile) in spec.profiles.iter().enumerate() {
        let path = format!("profiles[{index}].policies");
        let counts = (profile.capacity.minimum, profile.capacity.maximum);
        list(counts, &path, &profile.policies, &series, &mut report);
    }
    report.0
}

/// A list of policies that hold together, between the fewest and the most pods.
fn list(
    counts: (i32, i32),
    path: &str,
    list: &[Policy],
    series: &BTreeSet<&str>,
    report: &mut Report,
) {
    report.unique(path, list.iter().map(|policy| policy.name.as_str()));
    for (index, policy) in list.iter().enumerate() {
        policies::policy(policy, &format!("{path}[{index}]"), series, report);
    }
    flapping::flapping(counts, path, list, report);
}

fn bounds(spec: &Autoscaling, report: &mut Report) {
    let (min, max) = (spec.min_replicas, spec.max_replicas);
    report.within("minReplicas", min, COUNTS);
    report.within("maxReplicas", max, 1..=1000);
    report.ordered(("minReplicas", min), ("maxReplicas", max));
    if let Some(default) = spec.default_replicas
        && !(min..=max).contains(&default)
    {
        report.refuse(
            "defaultReplicas",
            format!("{default} does not lie between minReplicas {min} and maxReplicas {max}"),
        );
    }
    let none = spec.policies.is_empty() && spec.schedules.is_empty() && spec.profiles.is_empty();
    if none {
        report.refuse(
            "policies",
            "nothing decides: add at least one of policies, schedules and profiles",
        );
    }
    report.lasts("interval", spec.interval, 1..=300);
}

/// The problems as they are found.
#[derive(Debug, Default)]
struct Report(Vec<Problem>);

impl Report {
    fn refuse(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.add(Severity::Refused, path, message);
    }

    fn warn(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.add(Severity::Warning, path, message);
    }

    fn add(&mut self, severity: Severity, path: impl Into<String>, message: impl Into<String>) {
        self.0.push(Problem {
            path: path.into(),
            message: message.into(),
            severity,
        });
    }

    /// A whole number within bounds.
    fn within(
        &mut self,
        path: impl Into<String>,
        value: impl Into<i64>,
        bounds: RangeInclusive<i64>,
    ) {
        let value = value.into();
        if !bounds.contains(&value) {
            let (low, high) = (bounds.start(), bounds.end());
            self.refuse(
                path,
                format!("{value} does not lie between {low} and {high}"),
            );
        }
    }

    /// A length of time within bounds, in seconds.
    fn lasts(&mut self, path: impl Into<String>, value: Duration, bounds: RangeInclusive<u64>) {
        if !bounds.contains(&value.as_secs()) {
            let [low, high] = [bounds.start(), bounds.end()].map(|s| Duration::from_secs(*s));
            self.refuse(
                path,
                format!("{value} does not lie between {low} and {high}"),
            );
        }
    }

    /// A number that is one; whether it is.
    fn finite(&mut self, path: impl Into<String>, value: f64) -> bool {
        if !value.is_finite() {
            self.refuse(path, format!("{value} is no number: write one such as 30"));
        }
        value.is_finite()
    }

    /// A smallest and a largest count.
    fn ordered(&mut self, (low, min): (&str, i32), (high, max): (&str, i32)) {
        if min > max {
            let name = |path: &str| path.rsplit('.').next().unwrap_or_default().to_owned();
            let (least, most) = (name(low), name(high));
            self.refuse(
                low,
                format!("{least} {min} exceeds {most} {max}: lower {least} or raise {most}"),
            );
        }
    }

    /// Entries of a list have names of their own.
    fn unique<'a>(&mut self, path: &str, names: impl Iterator<Item = &'a str>) {
        let mut seen = BTreeSet::new();
        for (index, name) in names.enumerate() {
            if !seen.insert(name) {
                self.refuse(
                    format!("{path}[{index}].name"),
                    format!("{name} is there twice: give each entry a name of its own"),
                );
            }
        }
    }
}

#[cfg(test)]
mod tests;
