//! The closing words of the demo: when what happened, and what should have happened but did not.
//! It reads what the load generator, the checker and the watch on the pipeline wrote down; it
//! measures nothing itself.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::{produce, verify};

#[derive(clap::Args)]
pub struct Args {
    /// What `produce` printed.
    #[arg(long)]
    produced: PathBuf,
    /// What `verify` printed.
    #[arg(long)]
    verified: PathBuf,
    /// The watch: the operator's live view of the pipeline, one JSON object a line.
    #[arg(long)]
    watched: PathBuf,
    /// The connector that the load was for.
    #[arg(long)]
    connector: String,
    /// The policy's target, in seconds behind.
    #[arg(long)]
    target: u32,
    /// The count that the pipeline rests at.
    #[arg(long)]
    min_replicas: u32,
}

/// The operator's live view, as far as it is needed here.
#[derive(Deserialize)]
struct View {
    at: Timestamp,
    status: Status,
}

#[derive(Deserialize)]
struct Status {
    #[serde(default)]
    connectors: Vec<Connector>,
}

#[derive(Deserialize)]
struct Connector {
    name: String,
    replicas: Option<u32>,
    #[serde(default)]
    decisions: Vec<Decision>,
}

/// One look at the connector.
struct Look {
    /// Milliseconds since 1970.
    at: i64,
    /// Observed pods.
    replicas: u32,
    /// The last decisions.
    decisions: Vec<Decision>,
}

#[derive(Deserialize, Clone)]
struct Decision {
    at: Timestamp,
    from: u32,
    to: u32,
    by: String,
}

/// Prints the story; whether all of it happened.
pub fn run(args: &Args) -> Result<bool> {
    let produced: produce::Report = report(&args.produced)?;
    let verified: verify::Report = report(&args.verified)?;
    let watched = fs::read_to_string(&args.watched)
        .with_context(|| format!("reading {}", args.watched.display()))?;
    let story = Story::new(
        &produced,
        &verified,
        &looks(&watched, &args.connector),
        args,
    )?;
    print!("{}", story.tell());
    let missing = story.missing();
    for sentence in &missing {
        println!("  NOT AS IT SHOULD BE: {sentence}");
    }
    Ok(missing.is_empty())
}

fn report<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("{} is no report", path.display()))
}

/// A look that fell into a gap (the operator did not answer, no pods were seen yet) is passed over.
fn looks(watched: &str, connector: &str) -> Vec<Look> {
    let views = watched
        .lines()
        .filter_map(|line| serde_json::from_str::<View>(line).ok());
    let look = |view: View| {
        let found = view
            .status
            .connectors
            .into_iter()
            .find(|found| found.name == connector)?;
        let Connector {
            replicas,
            decisions,
            ..
        } = found;
        Some(Look {
            at: view.at.as_millisecond(),
            replicas: replicas?,
            decisions,
        })
    };
    views.filter_map(look).collect()
}

/// Times are seconds after the surge began; absent is: did not happen.
struct Story {
    rate: u64,
    target: u32,
    min_replicas: u32,
    decision: Option<(f64, Decision)>,
    new_pod: Option<f64>,
    on_time: Option<f64>,
    scaled_in: Option<f64>,
    peak_replicas: u32,
    peak_lag: usize,
    acknowledged: u64,
    produced: usize,
    processed: usize,
    duplicates: usize,
    lost: usize,
}

impl Story {
    fn new(
        produced: &produce::Report,
        verified: &verify::Report,
        looks: &[Look],
        args: &Args,
    ) -> Result<Self> {
        let surge = produced.phases.iter().max_by_key(|phase| phase.rate);
        let surge = surge.context("the load had no phases")?;
        let start = surge.start_unix_ms;
        let first_new = verified
            .pods
            .values()
            .map(|pod| pod.first_unix_ms)
            .filter(|at| *at > start);
        let peak = looks
            .iter()
            .map(|look| look.replicas)
            .max()
            .unwrap_or_default();
        Ok(Self {
            rate: surge.rate,
            target: args.target,
            min_replicas: args.min_replicas,
            decision: first_decision(looks, start)
                .map(|decision| (seconds(start, decision.at.as_millisecond()), decision)),
            new_pod: first_new.min().map(|at| seconds(start, at)),
            on_time: (verified.lost == 0)
                .then(|| seconds(start, verified.late_until_unix_ms.unwrap_or(start))),
            scaled_in: scaled_in(looks, start, args.min_replicas).map(|at| seconds(start, at)),
            peak_replicas: peak,
            peak_lag: verified.peak_lag,
            acknowledged: produced.produced,
            produced: verified.produced,
            processed: verified.processed,
            duplicates: verified.duplicates,
            lost: verified.lost,
        })
    }

    fn tell(&self) -> String {
        let mut text = String::new();
        let mut line = |what: &str, value: String| {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "  {what:<46}{value:>10}");
        };
        let Self {
            rate,
            target,
            min_replicas,
            ..
        } = self;
        let after = |at: Option<f64>| at.map_or("never".to_owned(), |at| format!("{at:.1} s"));
        line(
            &format!("surge of {rate} records/s begins"),
            "0.0 s".to_owned(),
        );
        match &self.decision {
            Some((at, decision)) => {
                let Decision { from, to, by, .. } = decision;
                line(
                    &format!("first decision, {from} -> {to} pods by {by}"),
                    after(Some(*at)),
                );
            }
            None => line("first decision", after(None)),
        }
        line("first new pod processes a record", after(self.new_pod));
        line(
            &format!("every record again within {target} s"),
            after(self.on_time),
        );
        line(
            &format!("back at {min_replicas} pod"),
            after(self.scaled_in),
        );
        line("most pods", self.peak_replicas.to_string());
        line("most unread records", self.peak_lag.to_string());
        line("records produced", self.produced.to_string());
        line(
            "records processed, by distinct number",
            self.processed.to_string(),
        );
        line("duplicates", self.duplicates.to_string());
        line("lost", self.lost.to_string());
        text
    }

    fn missing(&self) -> Vec<String> {
        let min = self.min_replicas;
        let expectations = [
            (
                self.decision.is_some(),
                "the surge led to no decision to scale out".to_owned(),
            ),
            (
                self.peak_replicas > min,
                format!("there were never more than {min} pods"),
            ),
            (
                self.new_pod.is_some(),
                "no new pod processed a record".to_owned(),
            ),
            (
                self.scaled_in.is_some(),
                format!("the count did not come back to {min}"),
            ),
            (
                self.lost == 0,
                format!("{} records were not processed", self.lost),
            ),
            (
                u64::try_from(self.produced).is_ok_and(|found| found == self.acknowledged),
                format!(
                    "the topic holds {} of {} records sent",
                    self.produced, self.acknowledged
                ),
            ),
        ];
        let failed = expectations.into_iter().filter(|(happened, _)| !happened);
        failed.map(|(_, sentence)| sentence).collect()
    }
}

/// The first decision after the surge began that added pods. Status keeps the last ten, so every
/// look is searched.
fn first_decision(looks: &[Look], start: i64) -> Option<Decision> {
    let all = looks.iter().flat_map(|look| &look.decisions);
    let out = all.filter(|decision| decision.to > decision.from);
    let since: BTreeMap<i64, &Decision> = out
        .map(|decision| (decision.at.as_millisecond(), decision))
        .filter(|(at, _)| *at >= start)
        .collect();
    since.into_values().next().cloned()
}

/// When the count was back, after it had been higher.
fn scaled_in(looks: &[Look], start: i64, min: u32) -> Option<i64> {
    let since = || looks.iter().filter(|look| look.at >= start);
    let last_higher = since()
        .filter(|look| look.replicas > min)
        .map(|look| look.at)
        .max()?;
    since()
        .find(|look| look.at > last_higher && look.replicas == min)
        .map(|look| look.at)
}

#[expect(clippy::cast_precision_loss, reason = "seconds of one demo")]
fn seconds(start: i64, at: i64) -> f64 {
    (at - start).max(0) as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: i64 = 1_767_225_600_000;

    fn args() -> Args {
        let none = PathBuf::new;
        Args {
            produced: none(),
            verified: none(),
            watched: none(),
            connector: "enrich".to_owned(),
            target: 5,
            min_replicas: 1,
        }
    }

    fn view(second: i64, replicas: u32, decisions: &str) -> String {
        let at = Timestamp::from_millisecond(START + second * 1000).unwrap();
        let connector = format!(
            r#"{{"name":"enrich","replicas":{replicas},"lag":9,"decisions":[{decisions}]}}"#
        );
        format!("{{\"at\":\"{at}\",\"status\":{{\"connectors\":[{connector}]}}}}\n")
    }

    fn story(watched: &str) -> Story {
        let produced = serde_json::from_value(serde_json::json!({
            "producer": "load", "produced": 100, "phases": [
                {"startUnixMs": START - 15_000, "seconds": 15, "rate": 4},
                {"startUnixMs": START, "seconds": 60, "rate": 400},
            ]
        }));
        let verified = serde_json::from_value(serde_json::json!({
            "producer": "load", "produced": 100, "processed": 100, "duplicates": 3, "lost": 0,
            "unknown": 0, "peakLag": 70, "lateUntilUnixMs": START + 20_000, "pods": {
                "a": {"firstUnixMs": START - 14_000, "records": 60},
                "b": {"firstUnixMs": START + 12_500, "records": 43},
            }
        }));
        Story::new(
            &produced.unwrap(),
            &verified.unwrap(),
            &looks(watched, "enrich"),
            &args(),
        )
        .unwrap()
    }

    #[test]
    fn a_whole_story_has_nothing_missing() {
        let out = r#"{"at":"2026-01-01T00:00:08Z","from":1,"to":2,"by":"keep-up","why":"behind"}"#;
        let watched = [
            view(-1, 1, ""),
            "Error from server (ServiceUnavailable)\n".to_owned(),
            view(9, 2, out),
            view(90, 1, ""),
        ]
        .concat();
        let story = story(&watched);
        assert_eq!(story.missing(), Vec::<String>::new());
        assert_eq!(story.decision.as_ref().map(|(at, _)| *at), Some(8.0));
        assert_eq!(
            (story.new_pod, story.on_time, story.scaled_in),
            (Some(12.5), Some(20.0), Some(90.0))
        );
    }

    #[test]
    fn says_what_did_not_happen() {
        let story = story(&view(1, 1, ""));
        assert_eq!(
            story.missing(),
            [
                "the surge led to no decision to scale out",
                "there were never more than 1 pods",
                "the count did not come back to 1"
            ]
        );
        assert!(story.tell().contains("never"));
    }
}
