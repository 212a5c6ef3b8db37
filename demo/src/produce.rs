//! The load generator: numbered records in phases of a fixed rate, spread evenly over the topic's
//! partitions. It waits for every acknowledgement before it says that a record was produced.

use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde::{Deserialize, Serialize};

use crate::client::{Deliveries, Kafka};
use crate::phase::Phase;
use crate::record::Sequence;

/// How long the broker may take to answer once everything was sent.
const FLUSH: Duration = Duration::from_secs(30);
/// Between two looks at the schedule: short beside a second, long beside a context switch.
const TICK: Duration = Duration::from_millis(10);
/// What one run may send in all: a typing error must not fill a disk.
const MOST_RECORDS: u64 = 10_000_000;

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    kafka: Kafka,
    /// Topic to write to; it must be there already.
    #[arg(long)]
    topic: String,
    /// Name of this run, carried by every record.
    #[arg(long)]
    producer: String,
    /// A phase of the load, `<duration>@<records a second>`; repeat it for more phases.
    #[arg(long = "phase", required = true)]
    phases: Vec<Phase>,
}

/// The last line on stdout.
#[derive(Serialize, Deserialize, Debug)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The run's name.
    pub producer: String,
    /// Records that the broker acknowledged.
    pub produced: u64,
    /// The phases in order.
    pub phases: Vec<PhaseReport>,
}

/// One phase as it was sent.
#[derive(Serialize, Deserialize, Debug)]
#[serde(rename_all = "camelCase")]
pub struct PhaseReport {
    /// When it began, in milliseconds since 1970.
    pub start_unix_ms: i64,
    /// How long it lasted.
    pub seconds: u64,
    /// Records a second.
    pub rate: u64,
}

/// Sends all phases, then prints one line of JSON.
pub fn run(args: &Args) -> Result<()> {
    let total: u64 = args.phases.iter().map(|phase| phase.records()).sum();
    ensure!(
        total <= MOST_RECORDS,
        "{total} records are more than {MOST_RECORDS}"
    );
    let mut load = Load::open(args)?;
    let mut phases = Vec::new();
    for phase in &args.phases {
        let (seconds, rate) = (phase.duration.as_secs(), phase.rate);
        eprintln!("{rate} records/s for {seconds} s");
        let start_unix_ms = unix_ms()?;
        load.send_phase(*phase)?;
        phases.push(PhaseReport {
            start_unix_ms,
            seconds,
            rate,
        });
    }
    let produced = load.finish()?;
    let report = Report {
        producer: args.producer.clone(),
        produced,
        phases,
    };
    println!("{}", serde_json::to_string(&report)?);
    Ok(())
}

fn unix_ms() -> Result<i64> {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .context("the clock is before 1970")?;
    Ok(i64::try_from(since.as_millis())?)
}

struct Load<'a> {
    producer: BaseProducer<Deliveries>,
    name: &'a str,
    topic: &'a str,
    partitions: u64,
    next: u64,
}

impl<'a> Load<'a> {
    fn open(args: &'a Args) -> Result<Self> {
        let config = args.kafka.idempotent_producer();
        let producer = BaseProducer::from_config_and_context(&config, Deliveries::default())?;
        let metadata = producer.client().fetch_metadata(Some(&args.topic), FLUSH)?;
        let partitions = metadata
            .topics()
            .first()
            .map_or(0, |topic| topic.partitions().len());
        ensure!(partitions > 0, "topic {} does not exist", args.topic);
        Ok(Self {
            producer,
            name: &args.producer,
            topic: &args.topic,
            partitions: partitions as u64,
            next: 0,
        })
    }

    fn send_phase(&mut self, phase: Phase) -> Result<()> {
        let (start, first) = (Instant::now(), self.next);
        loop {
            let elapsed = start.elapsed();
            while self.next - first < phase.due(elapsed) {
                self.send_next()?;
            }
            self.producer.poll(Duration::ZERO);
            if elapsed >= phase.duration {
                return Ok(());
            }
            sleep(TICK);
        }
    }

    fn send_next(&mut self) -> Result<()> {
        let sequence = Sequence {
            producer: self.name.to_owned(),
            n: self.next,
        };
        let value = serde_json::to_string(&sequence)?;
        let partition = i32::try_from(self.next % self.partitions)?;
        let mut record = BaseRecord::<(), str>::to(self.topic)
            .partition(partition)
            .payload(&value);
        loop {
            match self.producer.send(record) {
                Ok(()) => break,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), refused)) => {
                    record = refused;
                    self.producer.poll(TICK);
                }
                Err((error, _)) => return Err(error).context("sending a record"),
            }
        }
        self.next += 1;
        Ok(())
    }

    fn finish(self) -> Result<u64> {
        self.producer
            .flush(FLUSH)
            .context("waiting for the broker's acknowledgements")?;
        let deliveries = self.producer.context();
        ensure!(
            deliveries.failed() == 0,
            "{} records were not delivered",
            deliveries.failed()
        );
        Ok(deliveries.acknowledged())
    }
}
