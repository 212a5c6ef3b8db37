//! Reads a whole topic, every partition from its first record on, without joining a group.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rdkafka::config::FromClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::BorrowedMessage;
use rdkafka::{Message, Offset, TopicPartitionList};

use crate::client::Kafka;

/// How long the broker may keep a reader waiting for its next record or the end.
const PATIENCE: Duration = Duration::from_secs(30);

/// A topic being read.
pub struct Reader {
    consumer: BaseConsumer,
    topic: String,
    partitions: usize,
    at_end: Vec<bool>,
}

impl Reader {
    /// Starts at the first record of each partition.
    pub fn open(kafka: &Kafka, topic: &str) -> Result<Self> {
        let mut config = kafka.client();
        // A group id is required by the library even though no group is joined and nothing
        // is committed.
        config
            .set("group.id", "sluice-demo-reader")
            .set("enable.auto.commit", "false")
            .set("enable.partition.eof", "true");
        let consumer = BaseConsumer::from_config(&config)?;
        let metadata = consumer.fetch_metadata(Some(topic), PATIENCE)?;
        let partitions = metadata
            .topics()
            .first()
            .map_or(0, |topic| topic.partitions().len());
        ensure!(partitions > 0, "topic {topic} does not exist");
        let mut from_the_start = TopicPartitionList::new();
        for partition in 0..i32::try_from(partitions)? {
            from_the_start.add_partition_offset(topic, partition, Offset::Beginning)?;
        }
        consumer.assign(&from_the_start)?;
        Ok(Self {
            consumer,
            topic: topic.to_owned(),
            partitions,
            at_end: vec![false; partitions],
        })
    }

    /// How many partitions the topic has.
    pub fn partitions(&self) -> usize {
        self.partitions
    }

    /// The next record, or `None` when `wait` passed without one. In the order of the topic
    /// within a partition, in no order between partitions.
    pub fn next(&mut self, wait: Duration) -> Result<Option<BorrowedMessage<'_>>> {
        match self.consumer.poll(wait) {
            None => Ok(None),
            Some(Ok(message)) => {
                mark(&mut self.at_end, message.partition(), false);
                Ok(Some(message))
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                mark(&mut self.at_end, partition, true);
                Ok(None)
            }
            Some(Err(error)) => Err(error).with_context(|| format!("reading topic {}", self.topic)),
        }
    }

    /// Whether every partition has been read to its end.
    pub fn at_end(&self) -> bool {
        self.at_end.iter().all(|end| *end)
    }

    /// Gives `each` every record up to the end of all partitions.
    pub fn each_to_the_end(
        mut self,
        mut each: impl FnMut(&BorrowedMessage<'_>) -> Result<()>,
    ) -> Result<()> {
        let mut last = Instant::now();
        while !self.at_end() {
            if let Some(message) = self.next(Duration::from_millis(500))? {
                each(&message)?;
                last = Instant::now();
            } else if last.elapsed() > PATIENCE {
                bail!(
                    "topic {}: no record and no end for {} s",
                    self.topic,
                    PATIENCE.as_secs()
                );
            }
        }
        Ok(())
    }
}

fn mark(at_end: &mut [bool], partition: i32, end: bool) {
    let index = usize::try_from(partition).unwrap_or(usize::MAX);
    if let Some(mark) = at_end.get_mut(index) {
        *mark = end;
    }
}
