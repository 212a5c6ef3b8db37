//! How a run is told: one JSON object a decision for programs, columns for people.

use jiff::Timestamp;
use serde::Serialize;

use super::{Step, summary::Summary};
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

/// A decision as one line.
///
/// # Errors
/// When a value has no form in JSON.
pub fn json(step: &Step) -> serde_json::Result<String> {
    let decision = &step.decision;
    serde_json::to_string(&Line {
        at: decision.at,
        from: decision.from,
        to: decision.to,
        by: &decision.by,
        why: &decision.why,
        stages: &decision.stages,
    })
}

/// The last line of a closed loop.
///
/// # Errors
/// When a value has no form in JSON.
pub fn summary(summary: Summary) -> serde_json::Result<String> {
    #[derive(Serialize)]
    struct Last {
        summary: Summary,
    }
    serde_json::to_string(&Last { summary })
}

/// The columns of the table for people.
const HEAD: [&str; 8] = [
    "AT", "REPLICAS", "READY", "LAG", "BEHIND", "ARRIVE/S", "BY", "WHY",
];

/// The table for people, as it comes about: the first and the last decision, those that changed the
/// count, and those for which another policy or stage stands than before.
#[derive(Clone, Debug)]
pub struct Table {
    rows: Vec<[String; 8]>,
    by: Option<String>,
    /// The last decision, where it is no row yet.
    last: Option<Step>,
    decisions: usize,
    changes: usize,
}

impl Default for Table {
    fn default() -> Self {
        Self {
            rows: vec![HEAD.map(ToOwned::to_owned)],
            by: None,
            last: None,
            decisions: 0,
            changes: 0,
        }
    }
}

impl Table {
    /// Takes in the next decision.
    pub fn add(&mut self, step: Step) {
        let decision = &step.decision;
        let changes = decision.from != decision.to;
        self.decisions += 1;
        self.changes += usize::from(changes);
        if changes || self.by.as_ref() != Some(&decision.by) {
            self.by = Some(decision.by.clone());
            self.rows.push(row(&step));
            self.last = None;
        } else {
            self.last = Some(step);
        }
    }

    /// The rows, the first of them the head.
    #[must_use]
    pub fn rows(mut self) -> Vec<[String; 8]> {
        self.rows.extend(self.last.as_ref().map(row));
        self.rows
    }

    /// How many decisions there were, and how many changed the count.
    #[must_use]
    pub fn count(&self) -> String {
        format!("{} decisions, {} changes", self.decisions, self.changes)
    }
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
