//! Traces: JSON Lines in order of time. A whole trace is read before anything is decided, and what
//! is wrong with it is told with its line: unknown keys, times that go back, numbers that no
//! cluster could show. Empty lines are passed over.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, de::DeserializeOwned};

use super::group::Arrivals;
use crate::plan::scaling::{GroupState, Override, PartitionSample};

/// Why a trace is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// One of its lines is wrong.
    #[error("line {line}: {message}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What is wrong, where in the line, and what to do.
        message: String,
    },
    /// There is no line in it.
    #[error("there is no line in it: the first says the time and what was seen then")]
    Empty,
}

/// One line of an open loop: what was seen of a consumer group and its Deployment.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Look {
    /// When.
    pub at: Timestamp,
    /// Pods asked for. Left out: what the last decision made it.
    pub replicas: Option<i32>,
    /// Pods ready. Left out: all of them.
    pub ready: Option<i32>,
    /// The pod template's hash. Left out: as before.
    pub revision: Option<String>,
    /// How long, in seconds, each topic keeps records.
    #[serde(default)]
    pub retention_seconds: BTreeMap<String, i64>,
    /// Values of series by name; null: could not be read.
    #[serde(default)]
    pub metrics: BTreeMap<String, Option<f64>>,
    /// Every partition of the topics. Left out: nobody looked, and only their number is known.
    pub partitions: Option<Vec<PartitionSample>>,
    /// The group's state. Left out: stable.
    #[serde(default = "stable")]
    pub group: GroupState,
    /// How long, in seconds, the broker keeps the commits of a group without members.
    pub offsets_retention_seconds: Option<i64>,
    /// That somebody else has set `replicas`.
    #[serde(rename = "override")]
    pub overridden: Option<Override>,
}

const fn stable() -> GroupState {
    GroupState::Stable
}

/// One line of a closed loop: what arrives from then on, until the next line.
#[derive(Clone, Debug, PartialEq)]
pub struct Rate {
    /// When.
    pub at: Timestamp,
    /// Records per second.
    pub arrivals: Arrivals,
}

/// As written.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RateLine {
    at: Timestamp,
    arrivals: Option<f64>,
    arrivals_by_partition: Option<Vec<f64>>,
}

/// Reads the observations of an open loop.
///
/// # Errors
/// The first line that is wrong.
pub fn looks(text: &str) -> Result<Vec<Look>, Error> {
    lines(text, |look: &Look| look.at, Look::check)
}

/// Reads the arrivals of a closed loop over so many partitions; at most 366 days.
///
/// # Errors
/// The first line that is wrong.
pub fn rates(text: &str, partitions: i32) -> Result<Vec<Rate>, Error> {
    let check = |line: &RateLine, before: &[RateLine]| line.check(before, partitions);
    let lines = lines(text, |line: &RateLine| line.at, check)?;
    let rate = |line: RateLine| Rate {
        at: line.at,
        arrivals: match (line.arrivals, line.arrivals_by_partition) {
            (_, Some(rates)) => Arrivals::ByPartition(rates),
            (rate, None) => Arrivals::Even(rate.unwrap_or_default()),
        },
    };
    Ok(lines.into_iter().map(rate).collect())
}

/// Reads lines; `check` says what is wrong with one, given those before it.
fn lines<L: DeserializeOwned>(
    text: &str,
    at: impl Fn(&L) -> Timestamp,
    check: impl Fn(&L, &[L]) -> Result<(), String>,
) -> Result<Vec<L>, Error> {
    let mut lines: Vec<L> = Vec::new();
    for (index, text) in text.lines().enumerate() {
        if text.trim().is_empty() {
            continue;
        }
        let wrong = |message| Error::Line {
            line: index + 1,
            message,
        };
        let line: L = parse(text).map_err(wrong)?;
        if let Some(before) = lines.last().map(&at).filter(|before| at(&line) < *before) {
            return Err(wrong(format!(
                "at: {} is before {before}, the time of the line before: put the lines into the order of time",
                at(&line)
            )));
        }
        check(&line, &lines).map_err(wrong)?;
        lines.push(line);
    }
    if lines.is_empty() {
        return Err(Error::Empty);
    }
    Ok(lines)
}

fn parse<L: DeserializeOwned>(text: &str) -> Result<L, String> {
    let mut json = serde_json::Deserializer::from_str(text);
    let line = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        let message = unplaced(error.inner());
        if path == "." {
            message
        } else {
            format!("{path}: {message}")
        }
    })?;
    json.end().map_err(|error| unplaced(&error))?;
    Ok(line)
}

/// Without the line that the parser counts, which is always the first; with the column where the
/// text itself is no JSON.
fn unplaced(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let words = text
        .rsplit_once(" at line ")
        .map_or(&*text, |(words, _)| words);
    if error.is_data() {
        words.to_owned()
    } else {
        format!("column {}: {words}", error.column())
    }
}

impl Look {
    /// What no cluster could show.
    fn check(&self, before: &[Self]) -> Result<(), String> {
        if before.is_empty() && self.replicas.is_none() {
            return Err("replicas is missing: the first line says how many pods there are".into());
        }
        not_negative("replicas", self.replicas.map(i64::from))?;
        not_negative("ready", self.ready.map(i64::from))?;
        for name in SERIES {
            let value = self.metrics.get(*name).copied().flatten();
            if value.is_some_and(|value| value < 0.0) {
                return Err(format!("metrics.{name}: must not be negative"));
            }
        }
        let mut seen = BTreeSet::new();
        for (index, sample) in self.partitions.iter().flatten().enumerate() {
            let (topic, partition) = (&sample.topic, sample.partition);
            for (name, value) in [
                ("partition", Some(i64::from(partition))),
                ("start", sample.start),
                ("committed", sample.committed),
                ("end", sample.end),
            ] {
                not_negative(&format!("partitions[{index}].{name}"), value)?;
            }
            if !seen.insert((topic, partition)) {
                return Err(format!(
                    "partitions[{index}]: partition {partition} of topic {topic} is there twice: remove one"
                ));
            }
        }
        Ok(())
    }
}

impl RateLine {
    fn check(&self, before: &[Self], partitions: i32) -> Result<(), String> {
        if self.arrivals.is_some() == self.arrivals_by_partition.is_some() {
            return Err(
                "give either arrivals or arrivalsByPartition, in records per second".into(),
            );
        }
        let rates = self.arrivals_by_partition.as_deref();
        if rates.is_some_and(|rates| i32::try_from(rates.len()) != Ok(partitions)) {
            return Err(format!(
                "arrivalsByPartition: give one rate for each of the model's {partitions} partitions"
            ));
        }
        let all = self.arrivals.iter().chain(rates.into_iter().flatten());
        if all.into_iter().any(|rate| *rate < 0.0) {
            return Err("arrivals must not be negative".into());
        }
        let too_long = |first: &Self| self.at.duration_since(first.at) > LONGEST;
        if before.first().is_some_and(too_long) {
            return Err("at: more than 366 days after the first line: try a shorter time".into());
        }
        Ok(())
    }
}

/// The longest closed loop.
const LONGEST: SignedDuration = SignedDuration::from_hours(366 * 24);

/// The series that are always there; none of them can be negative.
const SERIES: &[&str] = &[
    "lag",
    "timeLag",
    "arrivalRate",
    "consumeRate",
    "laggingPartitions",
];

fn not_negative(what: &str, value: Option<i64>) -> Result<(), String> {
    match value {
        Some(value) if value < 0 => Err(format!("{what}: {value} must not be negative")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = r#"{"at":"2026-01-05T10:00:00Z","replicas":2}"#;

    fn refusal(text: &str) -> String {
        looks(text).unwrap_err().to_string()
    }

    #[test]
    fn what_is_left_out_has_its_meaning() {
        let text = format!(
            "{FIRST}\n\n{}\n",
            r#"{"at":"2026-01-05T10:00:05Z","ready":1,"revision":"a","group":"Empty","metrics":{"cpu":null},
               "partitions":[{"topic":"t","partition":0,"start":0,"committed":null,"end":7,"unreadSince":"2026-01-05T10:00:01Z"},
                             {"topic":"t","partition":1,"error":"timed out"}]}"#
                .replace('\n', "")
        );
        let looks = looks(&text).unwrap();
        assert_eq!(
            (looks[0].partitions.clone(), looks[0].group),
            (None, GroupState::Stable)
        );
        assert_eq!((looks[1].replicas, looks[1].ready), (None, Some(1)));
        assert_eq!(looks[1].group, GroupState::Empty);
        assert_eq!(looks[1].metrics["cpu"], None);
        let partitions = looks[1].partitions.as_ref().unwrap();
        assert_eq!(
            (partitions[0].committed, partitions[0].end),
            (None, Some(7))
        );
        assert_eq!(partitions[1].error.as_deref(), Some("timed out"));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        let second = |line: &str| format!("{FIRST}\n\n{line}");
        let sample = |sample: &str| {
            second(&format!(
                r#"{{"at":"2026-01-05T10:00:05Z","partitions":[{sample}]}}"#
            ))
        };
        for (text, expected) in [
            (String::new(), "there is no line in it"),
            ("\n \n".to_owned(), "there is no line in it"),
            (
                r#"{"at":"2026-01-05T10:00:00Z"}"#.to_owned(),
                "line 1: replicas is missing: the first line",
            ),
            (
                second(r#"{"at":"2026-01-05T09:59:59Z"}"#),
                "line 3: at: 2026-01-05T09:59:59Z is before 2026-01-05T10:00:00Z",
            ),
            (second(r#"{"replicas":3}"#), "line 3: missing field `at`"),
            (
                second(r#"{"at":"2026-01-05T10:00:05Z","lag":3}"#),
                "line 3: lag: unknown field `lag`, expected one of `at`, `replicas`",
            ),
            (second(r#"{"at":"yesterday"}"#), "line 3: at: "),
            (
                second(r#"{"at":"2026-01-05T10:00:05Z","replicas":-1}"#),
                "line 3: replicas: -1 must not be negative",
            ),
            (
                second(r#"{"at":"2026-01-05T10:00:05Z","replicas":1.5}"#),
                "line 3: replicas: invalid type",
            ),
            (
                second(r#"{"at":"2026-01-05T10:00:05Z","ready":-1}"#),
                "line 3: ready: -1 must not be negative",
            ),
            (
                second(r#"{"at":"2026-01-05T10:00:05Z","metrics":{"lag":-3}}"#),
                "line 3: metrics.lag: must not be negative",
            ),
            (
                second(r#"{"at":"2026-01-05T10:00:05Z","metrics":{"cpu":NaN}}"#),
                "line 3: metrics.cpu: column ",
            ),
            (
                second(r#"{"at":"2026-01-05T10:00:05Z","metrics":{"cpu":1e999}}"#),
                "line 3: metrics.cpu: column ",
            ),
            (
                second(r#"{"at":"2026-01-05T10:00:05Z"} {}"#),
                "line 3: column ",
            ),
            (second("lag 3"), "line 3: column 1: expected value"),
            (
                sample(r#"{"topic":"t","partition":0,"offset":3}"#),
                "line 3: partitions[0].offset: unknown field `offset`",
            ),
            (
                sample(r#"{"topic":"t","partition":0,"end":-3}"#),
                "line 3: partitions[0].end: -3 must not be negative",
            ),
            (
                sample(
                    r#"{"topic":"t","partition":0,"end":3},{"topic":"t","partition":0,"end":4}"#,
                ),
                "line 3: partitions[1]: partition 0 of topic t is there twice",
            ),
        ] {
            let message = refusal(&text);
            assert!(message.starts_with(expected), "{message}\nnot: {expected}");
        }
    }
}
