//! Accounts for every record of one run of the load generator: reads the input topic and the
//! consumers' output to their ends and compares the two by (producer, n). It decides what counts
//! as lost (produced, never processed), as a duplicate (processed again) and as late. All of it
//! comes from the records' own timestamps, none of it from Sluice.

use std::collections::{BTreeMap, HashMap};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Result;
use rdkafka::Message;
use rdkafka::message::{BorrowedMessage, Headers};
use serde::{Deserialize, Serialize};

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
    /// A record is late when it is processed more than so many seconds after it was produced.
    #[arg(long, default_value_t = 5)]
    late_after: u32,
    /// How many seconds to wait for records that are not processed yet.
    #[arg(long, default_value_t = 30)]
    within: u64,
}

/// The one line on stdout.
#[derive(Serialize, Deserialize, Debug)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The run that it is about.
    pub producer: String,
    /// Distinct records in the input.
    pub produced: usize,
    /// Distinct records in the output.
    pub processed: usize,
    /// Records in the output beyond the first of their number.
    pub duplicates: usize,
    /// Produced and not processed.
    pub lost: usize,
    /// Processed and never produced: a fault of the demo itself.
    pub unknown: usize,
    /// The most records that were produced and not yet processed at one time.
    pub peak_lag: usize,
    /// When the last late record was processed, in milliseconds since 1970; none was late when
    /// it is absent.
    pub late_until_unix_ms: Option<i64>,
    /// The pods that processed records, by name.
    pub pods: BTreeMap<String, Pod>,
}

/// What one pod did.
#[derive(Serialize, Deserialize, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Pod {
    /// When its first record reached the output, in milliseconds since 1970.
    pub first_unix_ms: i64,
    /// How many records it processed, repeated ones included.
    pub records: usize,
}

/// Whether every produced record was processed. It looks again, from the start, until they are.
pub fn run(args: &Args) -> Result<bool> {
    let deadline = Instant::now() + Duration::from_secs(args.within);
    loop {
        let report = account(args)?.report(&args.producer, args.late_after);
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
            account.produced.insert(n, unix_ms(message));
        }
        Ok(())
    })?;
    Reader::open(&args.kafka, &args.output)?.each_to_the_end(|message| {
        if let Some(n) = number(message, &args.producer) {
            account.process(n, &processed_by(message), unix_ms(message));
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

fn unix_ms(message: &BorrowedMessage<'_>) -> i64 {
    message.timestamp().to_millis().unwrap_or_default()
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

/// Records by number, each with its first time in milliseconds since 1970.
#[derive(Default)]
struct Account {
    produced: HashMap<u64, i64>,
    processed: HashMap<u64, i64>,
    duplicates: usize,
    pods: BTreeMap<String, Pod>,
}

impl Account {
    fn process(&mut self, n: u64, pod: &str, at: i64) {
        let first = self
            .processed
            .entry(n)
            .and_modify(|_| self.duplicates += 1)
            .or_insert(at);
        *first = at.min(*first);
        let fresh = Pod {
            first_unix_ms: at,
            records: 0,
        };
        let pod = self.pods.entry(pod.to_owned()).or_insert(fresh);
        pod.first_unix_ms = pod.first_unix_ms.min(at);
        pod.records += 1;
    }

    fn report(self, producer: &str, late_after: u32) -> Report {
        let lost = self
            .produced
            .keys()
            .filter(|n| !self.processed.contains_key(n))
            .count();
        let unknown = self
            .processed
            .keys()
            .filter(|n| !self.produced.contains_key(n))
            .count();
        Report {
            producer: producer.to_owned(),
            produced: self.produced.len(),
            processed: self.processed.len(),
            duplicates: self.duplicates,
            lost,
            unknown,
            peak_lag: self.peak_lag(),
            late_until_unix_ms: self.late_until(i64::from(late_after) * 1000),
            pods: self.pods,
        }
    }

    /// The largest number of records between their production and their processing.
    fn peak_lag(&self) -> usize {
        let arrivals = self.produced.values().map(|at| (*at, 1));
        let departures = self.processed.values().map(|at| (*at, -1));
        let mut changes: Vec<(i64, i64)> = arrivals.chain(departures).collect();
        changes.sort_unstable();
        let lag = changes.into_iter().scan(0_i64, |lag, (_, change)| {
            *lag += change;
            Some(*lag)
        });
        usize::try_from(lag.max().unwrap_or_default()).unwrap_or_default()
    }

    fn late_until(&self, patience_ms: i64) -> Option<i64> {
        let late = self.processed.iter().filter(|(n, done)| {
            self.produced
                .get(n)
                .is_some_and(|arrived| *done - arrived > patience_ms)
        });
        late.map(|(_, done)| *done).max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(produced: &[(u64, i64)], processed: &[(u64, &str, i64)]) -> Report {
        let produced = produced.iter().copied().collect();
        let mut account = Account {
            produced,
            ..Account::default()
        };
        for (n, pod, at) in processed {
            account.process(*n, pod, *at);
        }
        account.report("load", 5)
    }

    #[test]
    fn tells_lost_records_from_repeated_ones() {
        let produced = [(0, 1), (1, 2), (2, 3), (3, 4)];
        let report = account(&produced, &[(0, "a", 20), (1, "b", 30), (1, "a", 10)]);
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

    #[test]
    fn lag_is_what_was_produced_and_not_processed_at_one_time() {
        let produced = [(0, 0), (1, 10), (2, 20), (3, 100)];
        let report = account(
            &produced,
            &[(0, "a", 15), (1, "a", 40), (2, "a", 50), (3, "a", 110)],
        );
        assert_eq!(report.peak_lag, 2);
    }

    #[test]
    fn a_record_is_late_by_the_first_time_it_was_processed() {
        let produced = [(0, 0), (1, 1000), (2, 2000)];
        let report = account(&produced, &[(0, "a", 5000), (1, "a", 6001), (2, "a", 6500)]);
        assert_eq!(report.late_until_unix_ms, Some(6001));
        let repeated = account(&produced, &[(0, "a", 10), (0, "b", 9000)]);
        assert_eq!(repeated.late_until_unix_ms, None);
    }
}
