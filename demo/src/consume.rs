//! A consumer with a known capacity: it takes records of its group, at most so many a second, and
//! may write each to an output topic. An offset is committed only after the output of every record
//! before it was acknowledged, so records are processed at least once. It keeps Sluice's container
//! contract: its settings come from `KAFKA_*`, and SIGTERM commits and leaves the group.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use rdkafka::client::ClientContext;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Message, Offset, TopicPartitionList};
use tokio::signal::unix::{SignalKind, signal};

use crate::client::{Deliveries, Kafka};
use crate::pace::Pace;
use crate::record::PROCESSED_BY;

/// How often offsets are committed: what a crash repeats at most.
const COMMIT_INTERVAL: Duration = Duration::from_secs(1);
/// How long the output may take to be acknowledged before the pod gives up and starts anew.
const FLUSH: Duration = Duration::from_secs(10);
/// The longest the loop looks away from its group and from a SIGTERM.
const GLANCE: Duration = Duration::from_millis(100);

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    kafka: Kafka,
    /// Consumer group to join.
    #[arg(long, env = "KAFKA_GROUP_ID")]
    group_id: String,
    /// Topics to read, separated by commas.
    #[arg(long, env = "KAFKA_TOPICS", value_delimiter = ',')]
    topics: Vec<String>,
    /// Where a partition without a commit begins.
    #[arg(long, env = "KAFKA_AUTO_OFFSET_RESET", ignore_case = true)]
    auto_offset_reset: OffsetReset,
    /// Records processed a second, at most.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,
    /// Topic that every processed record is written to. Left out: records are read, no more.
    #[arg(long)]
    to: Option<String>,
    /// Name of this pod, written beside each processed record.
    #[arg(long, env = "HOSTNAME", default_value = "unknown")]
    pod: String,
}

#[derive(Clone, Copy, ValueEnum)]
enum OffsetReset {
    Earliest,
    Latest,
}

/// Consumes until SIGTERM or SIGINT.
pub fn run(args: &Args) -> Result<()> {
    let stop = stop_on_signal()?;
    let consumer = join(args)?;
    let group = Arc::clone(consumer.context());
    eprintln!("group {}: at most {} records/s", args.group_id, args.rate);
    let mut pace = Pace::new(args.rate, Instant::now());
    let mut committed = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        let wait = pace.wait(Instant::now());
        if !wait.is_zero() {
            sleep(wait.min(GLANCE));
            continue;
        }
        match consumer.poll(GLANCE) {
            Some(Ok(message)) => {
                group.process(&message)?;
                pace.step(Instant::now());
            }
            Some(Err(error)) if is_fatal(&error) => return Err(error).context("consuming"),
            Some(Err(error)) => eprintln!("{error}"),
            None => {}
        }
        if committed.elapsed() >= COMMIT_INTERVAL {
            group.commit(&consumer)?;
            committed = Instant::now();
        }
        ensure!(
            !group.broken.load(Ordering::Relaxed),
            "output was not acknowledged"
        );
    }
    group.commit(&consumer)?;
    eprintln!("stopping: committed, leaving the group");
    Ok(())
}

fn join(args: &Args) -> Result<BaseConsumer<Group>> {
    let output = BaseProducer::from_config_and_context(
        &args.kafka.idempotent_producer(),
        Deliveries::default(),
    )?;
    let group = Group {
        output,
        to: args.to.clone(),
        pod: args.pod.clone(),
        done: Mutex::default(),
        broken: AtomicBool::new(false),
    };
    let reset = match args.auto_offset_reset {
        OffsetReset::Earliest => "earliest",
        OffsetReset::Latest => "latest",
    };
    let mut config = args.kafka.client();
    config
        .set("group.id", &args.group_id)
        .set("auto.offset.reset", reset)
        .set("enable.auto.commit", "false")
        // Only the partitions that move stand still during a rebalance.
        .set("partition.assignment.strategy", "cooperative-sticky")
        .set("heartbeat.interval.ms", "1000")
        .set("session.timeout.ms", "15000");
    let consumer = BaseConsumer::from_config_and_context(&config, group)?;
    let topics: Vec<&str> = args.topics.iter().map(String::as_str).collect();
    consumer.subscribe(&topics)?;
    Ok(consumer)
}

/// Errors that no waiting cures; all others are the client's to retry.
fn is_fatal(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(RDKafkaErrorCode::Fatal | RDKafkaErrorCode::GroupAuthorizationFailed)
    )
}

/// A flag that the first SIGTERM or SIGINT raises.
fn stop_on_signal() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let raised = Arc::clone(&stop);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (mut term, mut int) = {
        let _inside = runtime.enter();
        (
            signal(SignalKind::terminate())?,
            signal(SignalKind::interrupt())?,
        )
    };
    std::thread::spawn(move || {
        runtime.block_on(async {
            tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
        });
        raised.store(true, Ordering::Relaxed);
    });
    Ok(stop)
}

/// What is written and not yet committed. It lives in the consumer's context because a partition
/// that moves to another pod must be committed before it goes, from inside the rebalance.
struct Group {
    output: BaseProducer<Deliveries>,
    to: Option<String>,
    pod: String,
    /// The next offset to read of each partition, once what is in the output is acknowledged.
    done: Mutex<BTreeMap<(String, i32), i64>>,
    /// An output record was given up on: nothing after it may be committed.
    broken: AtomicBool,
}

impl Group {
    fn process(&self, message: &BorrowedMessage<'_>) -> Result<()> {
        if let Some(to) = &self.to {
            self.forward(message, to)?;
        }
        let partition = (message.topic().to_owned(), message.partition());
        self.lock().insert(partition, message.offset() + 1);
        Ok(())
    }

    fn forward(&self, message: &BorrowedMessage<'_>, to: &str) -> Result<()> {
        let by = Header {
            key: PROCESSED_BY,
            value: Some(self.pod.as_str()),
        };
        let mut record = BaseRecord::to(to)
            .key(message.key().unwrap_or_default())
            .payload(message.payload().unwrap_or_default())
            .headers(OwnedHeaders::new().insert(by));
        while let Err((error, refused)) = self.output.send(record) {
            let full = KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull);
            ensure!(error == full, "writing to {to}: {error}");
            self.output.poll(GLANCE);
            record = refused;
        }
        self.output.poll(Duration::ZERO);
        Ok(())
    }

    /// Waits for the output, then commits. A commit that the group refuses, as it does in the
    /// middle of a rebalance, is kept for the next time.
    fn commit(&self, consumer: &BaseConsumer<Self>) -> Result<()> {
        let done = std::mem::take(&mut *self.lock());
        if done.is_empty() {
            return Ok(());
        }
        let acknowledged = self
            .output
            .flush(FLUSH)
            .context("waiting for the output topic");
        if acknowledged.is_err() || self.output.context().failed() > 0 {
            self.broken.store(true, Ordering::Relaxed);
        }
        acknowledged?;
        ensure!(
            !self.broken.load(Ordering::Relaxed),
            "output was not acknowledged"
        );
        let mut offsets = TopicPartitionList::new();
        for ((topic, partition), next) in &done {
            offsets.add_partition_offset(topic, *partition, Offset::Offset(*next))?;
        }
        if let Err(error) = consumer.commit(&offsets, CommitMode::Sync) {
            eprintln!("commit refused, kept for the next one: {error}");
            self.lock().extend(done);
        }
        Ok(())
    }

    /// These partitions are another pod's now: what was not committed is that pod's to repeat.
    fn forget(&self, partitions: &TopicPartitionList) {
        let mut done = self.lock();
        for element in partitions.elements() {
            done.remove(&(element.topic().to_owned(), element.partition()));
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<(String, i32), i64>> {
        self.done.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for Group {}

impl ConsumerContext for Group {
    fn pre_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        match rebalance {
            Rebalance::Assign(partitions) if partitions.count() == 0 => {}
            Rebalance::Assign(partitions) => eprintln!("{} more partitions", partitions.count()),
            Rebalance::Revoke(partitions) => {
                eprintln!("{} partitions go", partitions.count());
                if let Err(error) = self.commit(consumer) {
                    eprintln!("{error:#}");
                }
                self.forget(partitions);
            }
            Rebalance::Error(error) => eprintln!("rebalance: {error}"),
        }
    }
}
