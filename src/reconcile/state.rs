//! What the operator remembers of one pipeline between passes, in memory: when what is due, and
//! what only samples teach. Losing it costs a look and some history, never a cooldown: what must
//! survive a restart is in status.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};

use super::backoff::{Backoff, jittered};
use crate::{
    api::{IngestionPipeline, IngestionPipelineStatus, common::Reason, connectors::Connector},
    class::Class,
    kafka::read::Partition,
    observe::lag::Sampler,
    plan::{
        Unknown,
        connectors::connect::restarts::Restarts,
        pipeline::LookSeen,
        rescale::SAMPLE_EVERY,
        scaling::{Newest, Scaler},
    },
    report::Written,
};

/// How often everything is looked at while nothing happens: Kafka, Connect and Secrets, which may
/// not be watched, send no events. A tenth more or less by pipeline.
const LOOK_EVERY: Duration = Duration::from_secs(25);
/// How soon after steps the result is looked at.
const LOOK_AFTER_STEPS: Duration = Duration::from_secs(1);
/// A look caused by an event comes at most this often.
const LOOK_AT_MOST_EVERY: SignedDuration = SignedDuration::from_secs(2);

/// One consuming connector's samples.
#[derive(Clone, Debug, Default)]
pub struct Sampled {
    /// What the autoscaler has seen and learnt.
    pub scaler: Scaler,
    /// What the sampler need not read each time.
    pub sampler: Sampler,
    /// The newest look, for those who ask.
    pub newest: Option<Arc<Newest>>,
    /// Whether the autoscaler goes on from what status remembers.
    recalled: bool,
    due: Option<Timestamp>,
}

/// What the operator remembers of one pipeline.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// What was written of the status.
    pub written: Written,
    /// The newest status, written or not.
    pub current: Option<IngestionPipelineStatus>,
    /// Restarts of failed tasks so far, by connector.
    pub restarts: BTreeMap<String, Restarts>,
    sampled: BTreeMap<String, Sampled>,
    partitions: BTreeMap<String, i32>,
    retention_seconds: BTreeMap<String, i64>,
    conflicts: BTreeMap<String, String>,
    offsets_retention: Option<Duration>,
    backoff: Backoff,
    looked: Option<Looked>,
    look_due: Option<Timestamp>,
}

/// The spec that was looked at last.
#[derive(Clone, Debug, PartialEq)]
struct Looked {
    at: Timestamp,
    generation: Option<i64>,
    annotations: BTreeMap<String, String>,
}

/// What a pass has to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Due {
    /// Look at everything.
    pub look: bool,
    /// Connectors to sample.
    pub samples: Vec<String>,
}

impl State {
    /// The last status: our own newest, else the stored one.
    pub fn last(&self, pipeline: &IngestionPipeline) -> IngestionPipelineStatus {
        self.current
            .clone()
            .or_else(|| pipeline.status.clone())
            .unwrap_or_default()
    }

    /// Keeps what later samples need from a look.
    pub fn remember(&mut self, seen: &LookSeen) {
        for (name, view) in &seen.topics {
            let Some(Some(topic)) = view.topic.value() else {
                continue;
            };
            match topic.retention_seconds() {
                Some(seconds) => self.retention_seconds.insert(name.clone(), seconds),
                None => self.retention_seconds.remove(name),
            };
            self.partitions.insert(name.clone(), topic.partitions);
        }
        if let Some(cluster) = seen.cluster.value() {
            self.offsets_retention = cluster.offsets_retention;
        }
        self.conflicts = seen
            .containers
            .connectors
            .iter()
            .filter_map(|(name, seen)| {
                let scaler = seen.scalers.value()?.first()?;
                Some((name.clone(), format!("{} {}", scaler.kind, scaler.name)))
            })
            .collect();
    }

    /// Another scaler of the connector's Deployment, as the last look saw it.
    pub fn conflict(&self, connector: &str) -> Option<&str> {
        self.conflicts.get(connector).map(String::as_str)
    }

    /// How long the broker keeps the commits of a group without members, as the last look saw it.
    pub const fn offsets_retention(&self) -> Option<Duration> {
        self.offsets_retention
    }

    /// How long, in seconds, each topic that a connector reads keeps records, as the last look saw
    /// it; a topic that keeps them for ever is left out.
    pub fn retention_of(&self, connector: &Connector) -> BTreeMap<String, i64> {
        let topics = connector.consumes.iter().flat_map(|c| &c.topics);
        topics
            .filter_map(|topic| Some((topic.clone(), *self.retention_seconds.get(topic)?)))
            .collect()
    }

    /// Every partition of the topics that a connector reads; where no look has seen a topic yet, as
    /// many as the last status knows.
    ///
    /// # Errors
    /// Why they are not known: a topic was never seen.
    pub fn partitions_of(
        &self,
        connector: &Connector,
        last: &IngestionPipelineStatus,
    ) -> Result<Vec<Partition>, Unknown> {
        let before = |name: &str| {
            let topic = last.topics.iter().find(|topic| topic.name == *name);
            topic.and_then(|topic| topic.partitions)
        };
        let mut all = Vec::new();
        for topic in connector
            .consumes
            .iter()
            .flat_map(|consumes| &consumes.topics)
        {
            let count = self.partitions.get(topic).copied();
            let Some(count) = count.or_else(|| before(topic)) else {
                return Err(Unknown {
                    class: Class::Waiting,
                    reason: Reason::WaitingForTopics,
                    message: format!("topic {topic} is not there yet"),
                });
            };
            all.extend((0..count).map(|partition| (topic.clone(), partition)));
        }
        Ok(all)
    }

    /// A connector's samples; those of a first look go on from what status remembers.
    pub fn samples_of(&mut self, connector: &str, last: &IngestionPipelineStatus) -> &mut Sampled {
        let sampled = self.sampled.entry(connector.to_owned()).or_default();
        if !sampled.recalled {
            let mut connectors = last.connectors.iter();
            let status = connectors.find(|status| status.name == connector);
            let memory = status.and_then(|status| status.memory.as_ref());
            sampled.scaler.recall(memory);
            sampled.recalled = true;
        }
        sampled
    }

    /// Takes back what was decided and not carried out, or decided on an old view of the object:
    /// the next pass goes on from what the object's status remembers. What was seen of Kafka stays.
    pub fn take_back(&mut self) {
        self.current = None;
        self.written = Written::default();
        for sampled in self.sampled.values_mut() {
            sampled.recalled = false;
        }
    }

    /// The newest look at each connector.
    pub fn newest(&self) -> BTreeMap<String, Arc<Newest>> {
        let newest = self.sampled.iter();
        newest
            .filter_map(|(name, sampled)| Some((name.clone(), sampled.newest.clone()?)))
            .collect()
    }

    /// What is due now.
    ///
    /// A pass that nothing asked for was caused by an event: something of the pipeline changed,
    /// so everything is looked at, unless that was done a moment ago.
    pub fn due(&self, pipeline: &IngestionPipeline, now: Timestamp) -> Due {
        let samples: Vec<String> = consuming(pipeline)
            .filter(|(name, _)| self.sample_due(name) <= now)
            .map(|(name, _)| name.to_owned())
            .collect();
        let changed = self
            .looked
            .as_ref()
            .is_none_or(|looked| !looked.is_of(pipeline));
        let timer = self.look_due.is_none_or(|due| due <= now);
        let event = samples.is_empty() && self.looked_before(now, LOOK_AT_MOST_EVERY);
        Due {
            look: changed || timer || event,
            samples,
        }
    }

    /// Notes an event that came too soon after the last look: the next look comes as soon as it may.
    pub fn look_soon(&mut self) {
        if let Some(looked) = &self.looked {
            let soon = looked.at.saturating_add(LOOK_AT_MOST_EVERY);
            let soon = soon.unwrap_or(Timestamp::MAX);
            self.look_due = Some(self.look_due.map_or(soon, |due| due.min(soon)));
        }
    }

    fn looked_before(&self, now: Timestamp, span: SignedDuration) -> bool {
        self.looked
            .as_ref()
            .is_none_or(|looked| now.duration_since(looked.at) >= span)
    }

    fn sample_due(&self, connector: &str) -> Timestamp {
        self.sampled
            .get(connector)
            .and_then(|s| s.due)
            .unwrap_or(Timestamp::MIN)
    }

    /// Notes that everything was looked at, and decides when next.
    pub fn looked(&mut self, pipeline: &IngestionPipeline, now: Timestamp, outcome: Outcome) {
        self.looked = Some(Looked::of(pipeline, now));
        let seed = pipeline.metadata.uid.as_deref().unwrap_or_default();
        let wait = match outcome {
            Outcome::Failed(class) => self.backoff.failed(class),
            Outcome::Stepped => LOOK_AFTER_STEPS,
            Outcome::Waiting => self.backoff.failed(Class::Waiting),
            Outcome::Settled => {
                self.backoff.succeeded();
                jittered(LOOK_EVERY, seed)
            }
        };
        self.look_due = Some(later(now, wait));
        let live: Vec<&str> = pipeline
            .spec
            .connectors
            .iter()
            .map(|c| c.name.as_str())
            .collect();
        self.sampled.retain(|name, _| live.contains(&name.as_str()));
    }

    /// Notes that a connector was sampled. The rhythm is kept from due time to due time, so that
    /// the time a pass takes does not stretch it.
    pub fn sampled(&mut self, connector: &Connector, now: Timestamp) {
        let sampled = self.sampled.entry(connector.name.clone()).or_default();
        let next = later(sampled.due.unwrap_or(now), interval(connector));
        sampled.due = Some(if next > now {
            next
        } else {
            later(now, interval(connector))
        });
    }

    /// How long until something is due.
    #[must_use]
    pub fn wait(&self, pipeline: &IngestionPipeline, now: Timestamp) -> Duration {
        let samples = consuming(pipeline).map(|(name, _)| self.sample_due(name));
        let next = samples.chain(self.look_due).min().unwrap_or(now);
        Duration::try_from(next.duration_since(now)).unwrap_or_default()
    }
}

/// How a look ended, as far as it decides when the next one is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Everything is as declared.
    Settled,
    /// Steps were carried out: look at what became of them.
    Stepped,
    /// Nothing to do now, but not as declared yet.
    Waiting,
    /// A read or a step failed.
    Failed(Class),
}

impl Looked {
    fn of(pipeline: &IngestionPipeline, at: Timestamp) -> Self {
        Self {
            at,
            generation: pipeline.metadata.generation,
            annotations: pipeline.metadata.annotations.clone().unwrap_or_default(),
        }
    }

    fn is_of(&self, pipeline: &IngestionPipeline) -> bool {
        self.generation == pipeline.metadata.generation
            && pipeline
                .metadata
                .annotations
                .as_ref()
                .map_or(self.annotations.is_empty(), |a| *a == self.annotations)
    }
}

/// The connectors with a consumer group, and how often each is sampled.
fn consuming(pipeline: &IngestionPipeline) -> impl Iterator<Item = (&str, Duration)> {
    let consuming = pipeline
        .spec
        .connectors
        .iter()
        .filter(|c| c.consumes.is_some());
    consuming.map(|connector| (connector.name.as_str(), interval(connector)))
}

fn interval(connector: &Connector) -> Duration {
    connector
        .autoscaling
        .as_ref()
        .map_or(SAMPLE_EVERY, |scaling| scaling.interval)
        .as_std()
}

fn later(from: Timestamp, wait: Duration) -> Timestamp {
    from.saturating_add(SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX))
        .unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_right_after_a_look_is_looked_at_as_soon_as_it_may() {
        let spec = serde_json::json!({"kafka": {"bootstrapServers": "kafka:9092"}});
        let pipeline = IngestionPipeline::new("p", serde_json::from_value(spec).unwrap());
        let at = |seconds: i64| Timestamp::from_second(1000 + seconds).unwrap();
        let mut state = State::default();
        state.looked(&pipeline, at(0), Outcome::Settled);
        assert_eq!(state.due(&pipeline, at(1)), Due::default());
        state.look_soon();
        assert_eq!(state.wait(&pipeline, at(1)), Duration::from_secs(1));
        assert!(state.due(&pipeline, at(2)).look);
    }
}
