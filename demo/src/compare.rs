//! Compares a topic with a file: each record's value with the line of the same number. It waits
//! for records that are still on their way, and reports the first difference, never all of them.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rdkafka::Message;
use serde::Serialize;

use crate::client::Kafka;
use crate::read::Reader;

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    kafka: Kafka,
    /// A topic with one partition: only there are records in an order.
    #[arg(long)]
    topic: String,
    /// The file whose lines the records must be.
    #[arg(long)]
    file: PathBuf,
    /// How many seconds to wait for records that are not there yet.
    #[arg(long, default_value_t = 60)]
    within: u64,
}

/// The one line on stdout.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    lines: usize,
    records: usize,
    equal: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_difference: Option<String>,
}

/// Whether the topic holds the file's lines, all of them and nothing else.
pub fn run(args: &Args) -> Result<bool> {
    let text = fs::read_to_string(&args.file)
        .with_context(|| format!("reading {}", args.file.display()))?;
    let lines: Vec<&str> = text.lines().collect();
    let mut reader = Reader::open(&args.kafka, &args.topic)?;
    ensure!(
        reader.partitions() == 1,
        "topic {} has {} partitions; its records have no common order to compare",
        args.topic,
        reader.partitions()
    );
    let deadline = Instant::now() + Duration::from_secs(args.within);
    let mut comparison = Comparison::new(&lines);
    while !(reader.at_end() && comparison.records >= lines.len()) && Instant::now() < deadline {
        if let Some(message) = reader.next(Duration::from_millis(500))? {
            comparison.add(message.payload().unwrap_or_default());
        }
    }
    let report = comparison.report();
    println!("{}", serde_json::to_string(&report)?);
    Ok(report.equal)
}

struct Comparison<'a> {
    lines: &'a [&'a str],
    records: usize,
    first_difference: Option<String>,
}

impl<'a> Comparison<'a> {
    fn new(lines: &'a [&'a str]) -> Self {
        Self {
            lines,
            records: 0,
            first_difference: None,
        }
    }

    fn add(&mut self, value: &[u8]) {
        let expected = self.lines.get(self.records);
        self.records += 1;
        if self.first_difference.is_some() || expected.is_some_and(|line| line.as_bytes() == value)
        {
            return;
        }
        let found = String::from_utf8_lossy(value);
        let number = self.records;
        self.first_difference = Some(match expected {
            Some(line) => format!("line {number} is {line:?}, record {number} is {found:?}"),
            None => format!("record {number} is {found:?}, the file has no line {number}"),
        });
    }

    fn report(self) -> Report {
        let missing = self.lines.get(self.records).map(|line| {
            let number = self.records + 1;
            format!("line {number} is {line:?}, the topic has no record {number}")
        });
        let first_difference = self.first_difference.or(missing);
        Report {
            lines: self.lines.len(),
            records: self.records,
            equal: first_difference.is_none(),
            first_difference,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compare(lines: &[&str], records: &[&str]) -> Report {
        let mut comparison = Comparison::new(lines);
        for record in records {
            comparison.add(record.as_bytes());
        }
        comparison.report()
    }

    #[test]
    fn equal_when_every_line_is_a_record_in_order() {
        assert!(compare(&["a", "b"], &["a", "b"]).equal);
        assert!(compare(&[], &[]).equal);
    }

    #[test]
    fn names_the_first_difference() {
        let changed = compare(&["a", "b", "c"], &["a", "x", "y"]);
        assert_eq!(
            changed.first_difference.as_deref(),
            Some(r#"line 2 is "b", record 2 is "x""#)
        );
        let missing = compare(&["a", "b"], &["a"]);
        assert_eq!(
            missing.first_difference.as_deref(),
            Some(r#"line 2 is "b", the topic has no record 2"#)
        );
        let extra = compare(&["a"], &["a", "a"]);
        assert_eq!(
            extra.first_difference.as_deref(),
            Some(r#"record 2 is "a", the file has no line 2"#)
        );
    }
}
