//! The results as people read them, in Markdown, and what they say of the goals.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    peers::Autoscaler,
    worlds::{Row, World},
};

/// Everything that was measured.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Results {
    /// When, as year, month and day.
    pub date: String,
    /// The commit of the code.
    pub commit: String,
    /// On what; the figures do not depend on it.
    pub machine: Value,
    /// How long it took.
    pub seconds: u64,
    /// Of the base cases.
    pub seeds: Vec<u64>,
    /// With halved and doubled constants.
    pub varied_seeds: Vec<u64>,
    /// A row for each autoscaler, load and world.
    pub rows: Vec<Row>,
}

/// One load in one world: all autoscalers side by side.
struct Contest<'a>(&'a [Row]);

impl Contest<'_> {
    fn of(&self, autoscaler: Autoscaler) -> &Row {
        let mut rows = self.0.iter();
        let row = rows.find(|row| row.autoscaler == autoscaler.name());
        row.expect("a row for each autoscaler")
    }

    fn times_optimum(&self, row: &Row) -> f64 {
        row.replica_hours / self.of(Autoscaler::Optimum).replica_hours
    }

    /// No more misses than the better of the HPA and AWS.
    fn keeps_up(&self) -> bool {
        let misses = |autoscaler| self.of(autoscaler).slo_miss_seconds;
        misses(Autoscaler::Sluice) <= misses(Autoscaler::Keda).min(misses(Autoscaler::Aws))
    }

    /// At most 1.25 times the optimum's replica-hours.
    fn is_frugal(&self) -> bool {
        self.times_optimum(self.of(Autoscaler::Sluice)) <= 1.25
    }

    /// At most half as many changes as another autoscaler makes.
    fn is_calmer_than(&self, other: Autoscaler) -> bool {
        2.0 * self.of(Autoscaler::Sluice).changes <= self.of(other).changes
    }

    fn goals(&self) -> [bool; 4] {
        [
            self.keeps_up(),
            self.is_frugal(),
            self.is_calmer_than(Autoscaler::Keda),
            self.is_calmer_than(Autoscaler::KedaTuned),
        ]
    }
}

/// The rows by world and load, each with all autoscalers.
fn contests(rows: &[Row]) -> impl Iterator<Item = Contest<'_>> {
    rows.chunk_by(|a, b| a.world == b.world && a.shape == b.shape)
        .map(Contest)
}

impl Results {
    /// The whole text.
    pub fn markdown(&self) -> String {
        let mut text = String::new();
        for partitions in super::worlds::PARTITIONS {
            let world = World {
                partitions,
                varied: None,
            };
            let rows = self.of(|row| row.world == world);
            if !rows.is_empty() {
                figures(&mut text, partitions, &rows);
            }
        }
        let base = self.of(|row| row.world.varied.is_none());
        goals(&mut text, &base);
        let varied = self.of(|row| row.world.varied.is_some());
        if !varied.is_empty() {
            self::varied(&mut text, &varied);
        }
        text
    }

    fn of(&self, belongs: impl Fn(&Row) -> bool) -> Vec<Row> {
        let rows = self.rows.iter().filter(|row| belongs(row));
        rows.cloned().collect()
    }
}

fn line(text: &mut String, cells: &[String]) {
    let _ = writeln!(text, "| {} |", cells.join(" | "));
}

fn head(text: &mut String, names: &[&str]) {
    let _ = writeln!(text, "\n| {} |", names.join(" | "));
    let _ = writeln!(text, "|{}", "---|".repeat(names.len()));
}

fn figures(text: &mut String, partitions: u32, rows: &[Row]) {
    let _ = writeln!(text, "\n{partitions} partitions:");
    head(
        text,
        &[
            "load",
            "autoscaler",
            "SLO-miss s",
            "replica-hours",
            "x optimum",
            "changes",
            "direction changes",
            "oldest record s",
        ],
    );
    for contest in contests(rows) {
        for row in contest.0 {
            let cells = [
                row.shape.clone(),
                row.autoscaler.clone(),
                short(row.slo_miss_seconds),
                format!("{:.2}", row.replica_hours),
                format!("{:.2}", contest.times_optimum(row)),
                short(row.changes),
                short(row.direction_changes),
                format!("{:.0}", row.max_time_lag),
            ];
            line(text, &cells);
        }
    }
}

fn goals(text: &mut String, rows: &[Row]) {
    let _ = writeln!(text, "\nSluice's goals:");
    head(
        text,
        &[
            "partitions",
            "load",
            "misses <= the better of HPA and AWS",
            "replica-hours <= 1.25 x optimum",
            "changes <= half of the HPA's",
            "changes <= half of the tuned HPA's",
        ],
    );
    for contest in contests(rows) {
        let row = contest.of(Autoscaler::Sluice);
        let yes_or_no = contest
            .goals()
            .map(|goal| if goal { "yes" } else { "no" }.to_owned());
        let cells = [row.world.partitions.to_string(), row.shape.clone()];
        line(text, &[&cells[..], &yes_or_no].concat());
    }
}

/// One line a world: sums over its loads, and how many of them reach each goal.
fn varied(text: &mut String, rows: &[Row]) {
    let _ = writeln!(
        text,
        "\nEach constant halved and doubled, all loads together:"
    );
    head(
        text,
        &[
            "partitions",
            "constant",
            "SLO-miss s: Sluice",
            "HPA",
            "AWS",
            "optimum",
            "x optimum: Sluice",
            "HPA",
            "AWS",
            "changes: Sluice",
            "HPA",
            "AWS",
            "loads that reach each goal",
        ],
    );
    for rows in rows.chunk_by(|a, b| a.world == b.world) {
        use Autoscaler::{Aws, Keda, Optimum, Sluice};
        let sum = |autoscaler: Autoscaler, value: fn(&Row) -> f64| -> f64 {
            let own = rows.iter().filter(|r| r.autoscaler == autoscaler.name());
            own.map(value).sum()
        };
        let misses = |autoscaler| short(sum(autoscaler, |row| row.slo_miss_seconds));
        let hours = |autoscaler| sum(autoscaler, |row| row.replica_hours);
        let times = |a| format!("{:.2}", hours(a) / hours(Autoscaler::Optimum));
        let changes = |autoscaler| short(sum(autoscaler, |row| row.changes));
        let reached: Vec<_> = contests(rows).map(|contest| contest.goals()).collect();
        let count = |goal: usize| reached.iter().filter(|goals| goals[goal]).count();
        let world = rows[0].world;
        let constant = world.varied.map_or_else(String::new, |(constant, factor)| {
            format!("{} x {factor}", constant.name())
        });
        let cells = [
            world.partitions.to_string(),
            constant,
            misses(Sluice),
            misses(Keda),
            misses(Aws),
            misses(Optimum),
            times(Sluice),
            times(Keda),
            times(Aws),
            changes(Sluice),
            changes(Keda),
            changes(Aws),
            format!(
                "{}, {}, {} of {}",
                count(0),
                count(1),
                count(2),
                reached.len()
            ),
        ];
        line(text, &cells);
    }
}

/// Without decimals that say nothing.
fn short(value: f64) -> String {
    let text = format!("{value:.1}");
    text.trim_end_matches(".0").to_owned()
}
