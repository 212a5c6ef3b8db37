//! Accounts for every record of one run of the load generator: reads the input topic and the
//! consumers' output to their ends and compares the two by (producer, n). It decides what counts
//! as lost (produced, never processed) and as a duplicate (processed again).

use std::collections::{BTreeMap, HashSet};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Result;
use rdkafka::Message;
use rdkafka::message::{BorrowedMessage, Headers};
use serde::Serialize;

use crate::client::Kafka;
use crate::read::Reader;
use crate::record::{PROCESSED_BY, Sequence};

/// Between two readings of both topics.
const BETWEEN_LOOKS: Duration = Duration::from_secs(2);

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    kafka: Kafka,
    /// The topic that the load generator wrote to.
    #[arg(long)]
    input: String,
    /// The topic that the consumers wrote to.
    #[arg(long)]
    output: String,
    /// The run of the load generator to account for; other runs' records are passed over.
    #[arg(long)]
    producer: String,
    /// How many seconds to wait for records that are not processed yet.
    #[arg(long, default_value_t = 30)]
    within: u64,
}

/// The one line on stdout.
#[derive(Serialize, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
struct Report {
    producer: String,
    /// Distinct records in the input.
    produced: usize,
    /// Distinct records in the output.
    processed: usize,
    /// Records in the output beyond the first of their number.
    duplicates: usize,
    /// Produced and not processed.
    lost: usize,
    /// Processed and never produced: a fault of the demo itself.
    unknown: usize,
    pods: BTreeMap<String, Pod>,
}

/// What one pod did.
#[derive(Serialize, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
struct Pod {
    /// When its first record reached the output, in milliseconds since 1970.
    first_unix_ms: i64,
    records: usize,
}

/// Whether every produced record was processed. It looks again, from the start, until they are.
pub fn run(args: &Args) -> Result<bool> {
    let deadline = Instant::now() + Duration::from_secs(args.within);
    loop {
        let report = account(args)?.report(&args.producer);
        let complete = report.lost == 0 && report.unknown == 0 && report.produced > 0;
        if complete || Instant::now() > deadline {
            println!("{}", serde_json::to_string(&report)?);
            return Ok(complete);
        }
        sleep(BETWEEN_LOOKS);
    }
}

fn account(args: &Args) -> Result<Account> {
    let mut account = Account::default();
    Reader::open(&args.kafka, &args.input)?.each_to_the_end(|message| {
        if let Some(n) = number(message, &args.producer) {
            account.produced.insert(n);
        }
        Ok(())
    })?;
    Reader::open(&args.kafka, &args.output)?.each_to_the_end(|message| {
        if let Some(n) = number(message, &args.producer) {
            let at = message.timestamp().to_millis().unwrap_or_default();
            account.process(n, &processed_by(message), at);
        }
        Ok(())
    })?;
    Ok(account)
}

/// The record's number, when it is one of this producer's.
fn number(message: &BorrowedMessage<'_>, producer: &str) -> Option<u64> {
    let sequence: Sequence = serde_json::from_slice(message.payload()?).ok()?;
    (sequence.producer == producer).then_some(sequence.n)
}

fn processed_by(message: &BorrowedMessage<'_>) -> String {
    let header = message.headers().and_then(|headers| {
        headers
            .iter()
            .find(|header| header.key == PROCESSED_BY)
            .and_then(|header| header.value)
    });
    String::from_utf8_lossy(header.unwrap_or(b"unknown")).into_owned()
}

#[derive(Default)]
struct Account {
    produced: HashSet<u64>,
    processed: HashSet<u64>,
    duplicates: usize,
    pods: BTreeMap<String, Pod>,
}

impl Account {
    fn process(&mut self, n: u64, pod: &str, at_unix_ms: i64) {
        if !self.processed.insert(n) {
            self.duplicates += 1;
        }
        let fresh = Pod {
            first_unix_ms: at_unix_ms,
            records: 0,
        };
        let pod = self.pods.entry(pod.to_owned()).or_insert(fresh);
        pod.first_unix_ms = pod.first_unix_ms.min(at_unix_ms);
        pod.records += 1;
    }

    fn report(self, producer: &str) -> Report {
        Report {
            producer: producer.to_owned(),
            produced: self.produced.len(),
            processed: self.processed.len(),
            duplicates: self.duplicates,
            lost: self.produced.difference(&self.processed).count(),
            unknown: self.processed.difference(&self.produced).count(),
            pods: self.pods,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_lost_records_from_repeated_ones() {
        let mut account = Account {
            produced: (0..4).collect(),
            ..Account::default()
        };
        account.process(0, "a", 20);
        account.process(1, "b", 30);
        account.process(1, "a", 10);
        let report = account.report("load");
        let counts = (
            report.produced,
            report.processed,
            report.duplicates,
            report.lost,
        );
        assert_eq!(counts, (4, 2, 1, 2));
        assert_eq!(report.unknown, 0);
        assert_eq!(
            report.pods["a"],
            Pod {
                first_unix_ms: 10,
                records: 2
            }
        );
    }
}
