//! How a run is told: one JSON object a decision for programs, columns for people.

use jiff::Timestamp;
use serde::Serialize;

use super::Step;
use crate::plan::scaling::Stage;

/// A decision as a program reads it.
#[derive(Serialize)]
struct Line<'a> {
    at: Timestamp,
    from: i32,
    to: i32,
    by: &'a str,
    why: &'a str,
    stages: &'a [Stage],
}

/// One object a line.
///
/// # Errors
/// When a value has no form in JSON.
pub fn json(steps: &[Step]) -> serde_json::Result<String> {
    let mut text = String::new();
    for Step { decision, .. } in steps {
        text += &serde_json::to_string(&Line {
            at: decision.at,
            from: decision.from,
            to: decision.to,
            by: &decision.by,
            why: &decision.why,
            stages: &decision.stages,
        })?;
        text.push('\n');
    }
    Ok(text)
}

/// The columns of the table for people.
const HEAD: [&str; 8] = [
    "AT", "REPLICAS", "READY", "LAG", "BEHIND", "ARRIVE/S", "BY", "WHY",
];

/// The table for people: the first and the last decision, those that changed the count, and those
/// for which another policy or stage stands than before.
#[must_use]
pub fn rows(steps: &[Step]) -> Vec<[String; 8]> {
    let last = steps.len().saturating_sub(1);
    let mut by = None;
    let told = steps.iter().enumerate().filter(|(index, step)| {
        let decision = &step.decision;
        let differs = by.replace(&decision.by) != Some(&decision.by);
        differs || decision.from != decision.to || *index == last
    });
    let head = HEAD.map(ToOwned::to_owned);
    std::iter::once(head)
        .chain(told.map(|(_, step)| row(step)))
        .collect()
}

fn row(step: &Step) -> [String; 8] {
    let decision = &step.decision;
    let series = &decision.series;
    let replicas = if decision.from == decision.to {
        decision.to.to_string()
    } else {
        format!("{} -> {}", decision.from, decision.to)
    };
    let or_more = if series.time_lag_or_more { "+" } else { "" };
    [
        decision.at.to_string(),
        replicas,
        step.ready.to_string(),
        told(series.lag.map(|lag| lag.to_string())),
        told(
            series
                .time_lag
                .map(|behind| format!("{behind:.0}s{or_more}")),
        ),
        told(series.arrival_rate.map(|rate| format!("{rate:.0}"))),
        decision.by.clone(),
        decision.why.clone(),
    ]
}

/// The unknown is a dash.
fn told(value: Option<String>) -> String {
    value.unwrap_or_else(|| "-".to_owned())
}

/// How many decisions there were, and how many changed the count.
#[must_use]
pub fn count(steps: &[Step]) -> String {
    let changes = steps.iter().filter(|s| s.decision.from != s.decision.to);
    format!("{} decisions, {} changes", steps.len(), changes.count())
}
