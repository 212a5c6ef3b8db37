//! A measured figure beside its goal, and how all of them are shown: a table for people, JSON for
//! programs. Measures nothing.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::{Value, json};

/// One figure.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Figure {
    /// What was measured, in words.
    pub what: String,
    /// The value, in `unit`.
    pub value: f64,
    /// What it is counted in; empty for a plain count.
    pub unit: &'static str,
    /// The largest value that is good enough, where there is a goal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub goal_at_most: Option<f64>,
    /// Whether the goal is met.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub met: Option<bool>,
    /// What it was computed from.
    pub details: Value,
}

impl Figure {
    /// A figure without a goal.
    pub fn new(what: impl Into<String>, value: f64, unit: &'static str, details: Value) -> Self {
        Self {
            what: what.into(),
            value: rounded(value),
            unit,
            goal_at_most: None,
            met: None,
            details,
        }
    }

    /// The same with a goal.
    pub fn at_most(self, goal: f64) -> Self {
        Self {
            goal_at_most: Some(goal),
            met: Some(self.value <= goal),
            ..self
        }
    }
}

/// Everything of one run.
pub struct Results {
    /// The day.
    pub date: String,
    /// Version and commit of the operator that was measured.
    pub build: String,
    /// What it ran on.
    pub machine: Value,
    /// The load average of the minute before, which others on the machine cause.
    pub load_before: f64,
    /// The load average of the last minute.
    pub load_after: f64,
    /// How long all of it took.
    pub seconds: u64,
    /// The figures.
    pub figures: Vec<Figure>,
}

impl Results {
    /// A table in Markdown that also reads well as it is.
    pub fn table(&self) -> String {
        let mut rows = vec![["what".to_owned(), "measured".to_owned(), "goal".to_owned()]];
        rows.extend(self.figures.iter().map(row));
        let widths = [0, 1, 2].map(|column| {
            let widths = rows.iter().map(|row| row[column].chars().count());
            widths.max().unwrap_or(0)
        });
        rows.insert(1, widths.map(|width| "-".repeat(width)));
        rows.iter()
            .fold(String::new(), |mut text, [what, value, goal]| {
                let [a, b, c] = widths;
                let _ = writeln!(text, "| {what:<a$} | {value:>b$} | {goal:<c$} |");
                text
            })
    }

    /// Every value, goal and detail.
    pub fn json(&self) -> String {
        let all = json!({
            "date": self.date,
            "build": self.build,
            "machine": self.machine,
            "loadAverageBefore": self.load_before,
            "loadAverageAfter": self.load_after,
            "seconds": self.seconds,
            "figures": self.figures,
        });
        serde_json::to_string_pretty(&all).unwrap() + "\n"
    }
}

fn row(figure: &Figure) -> [String; 3] {
    let amount = |value: f64| format!("{value} {}", figure.unit).trim_end().to_owned();
    let goal = figure.goal_at_most.zip(figure.met).map(|(goal, met)| {
        let most = if goal == 0.0 { "" } else { "at most " };
        format!(
            "{most}{}: {}",
            amount(goal),
            if met { "met" } else { "missed" }
        )
    });
    [
        figure.what.clone(),
        amount(figure.value),
        goal.unwrap_or_default(),
    ]
}

/// To two digits after the point: more is noise.
pub fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// The one in the middle; of an even number, the mean of the two.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() % 2 {
        0 => f64::midpoint(sorted[middle - 1], sorted[middle]),
        _ => sorted[middle],
    }
}

/// The largest.
pub fn largest(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::MIN, f64::max)
}
