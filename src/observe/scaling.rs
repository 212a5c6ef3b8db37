//! What one decision of the autoscaler is made from: the Deployment's counts and one sample of the
//! consumer group.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;

use super::{
    Sources,
    lag::{GroupQuestion, Sampler},
    unknown_kube,
};
use crate::{
    api::connectors::Connector,
    k8s::read,
    kafka::{self, read::Partition},
    plan::{
        Known, Unknown,
        connectors::ownership,
        names,
        pipeline::Subject,
        rescale::{CountsSeen, SampleSeen},
        scaling::{self, Observation, PartitionSample, Scaler},
    },
};

/// What is kept between samples of one connector.
pub struct Between<'a> {
    /// What the autoscaler has seen: it knows which arrivals its samples do not reach back to.
    pub scaler: &'a Scaler,
    /// What the sampler need not read each time.
    pub sampler: &'a mut Sampler,
    /// Every partition of the topics that the group reads; why they are not known, else.
    pub partitions: Result<Vec<Partition>, Unknown>,
    /// How long the broker keeps the commits of a group without members.
    pub offsets_retention: Option<Duration>,
    /// How long, in seconds, each topic keeps records; one that keeps them for ever is left out.
    pub retention_seconds: BTreeMap<String, i64>,
}

/// Takes one sample of a connector with `consumes`.
pub async fn sample(
    sources: &Sources,
    subject: Subject<'_>,
    connector: &Connector,
    kafka: &Known<kafka::Client>,
    between: Between<'_>,
    now: Timestamp,
) -> SampleSeen {
    let counts = counts(sources, subject, connector).await;
    let mut observation = observation(&counts, now);
    observation.offsets_retention_seconds = between
        .offsets_retention
        .and_then(|retention| i64::try_from(retention.as_secs()).ok());
    observation.retention_seconds = between.retention_seconds;
    let group = subject.group(connector).unwrap_or_default();
    let (client, partitions) = match (kafka, between.partitions) {
        (Known::Value(client), Ok(partitions)) => (client, partitions),
        (Known::Unknown(gap), partitions) => {
            unreadable(&mut observation, &partitions.unwrap_or_default(), gap);
            return SampleSeen::blind(counts, observation, gap.clone());
        }
        (_, Err(gap)) => return SampleSeen::blind(counts, observation, gap),
    };
    let changing = observation.ready != observation.replicas;
    let question = GroupQuestion {
        group: &group,
        partitions: &partitions,
        now,
        changing,
    };
    if let Err(gap) = between
        .sampler
        .sample(client, question, &mut observation)
        .await
    {
        unreadable(&mut observation, &partitions, &gap);
        return SampleSeen::blind(counts, observation, gap);
    }
    let offset_reset = connector
        .consumes
        .as_ref()
        .map(|c| c.offset_reset)
        .unwrap_or_default();
    let wanted = scaling::unread_since_wanted(between.scaler, offset_reset, &observation);
    if !wanted.is_empty() {
        between.sampler.search_arrivals(client, &wanted, now).await;
        between.sampler.set_arrivals(&mut observation);
    }
    SampleSeen {
        counts,
        observation,
        gap: None,
        metric_gaps: Vec::new(),
    }
}

/// Partitions that are there and could not be read, all for one reason.
fn unreadable(observation: &mut Observation, partitions: &[Partition], gap: &Unknown) {
    let sample = |(topic, partition): &Partition| {
        PartitionSample::unreadable(topic, *partition, &gap.message)
    };
    observation.partitions = partitions.iter().map(sample).collect();
}

/// An observation without a group: what the Deployment says.
fn observation(counts: &Known<Option<CountsSeen>>, now: Timestamp) -> Observation {
    let counts = counts.value().and_then(Option::as_ref);
    Observation {
        at: now,
        replicas: counts.map_or(0, |c| c.replicas),
        ready: counts.map_or(0, |c| c.ready),
        revision: counts.and_then(|c| c.revision.clone()),
        overridden: counts.and_then(|c| c.overridden.clone()),
        ..Observation::default()
    }
}

/// The Deployment's counts; none where there is no Deployment, or the runtime has none.
async fn counts(
    sources: &Sources,
    subject: Subject<'_>,
    connector: &Connector,
) -> Known<Option<CountsSeen>> {
    if connector.container.is_none() {
        return Known::Value(None);
    }
    let name = names::deployment(subject.pipeline.name, &connector.name);
    match read::get::<Deployment>(&sources.kube, subject.pipeline.namespace, &name).await {
        Ok(deployment) => Known::Value(deployment.map(|d| counted(&d))),
        Err(error) => Known::Unknown(unknown_kube(&error)),
    }
}

fn counted(deployment: &Deployment) -> CountsSeen {
    let status = deployment.status.as_ref();
    CountsSeen {
        replicas: deployment
            .spec
            .as_ref()
            .and_then(|s| s.replicas)
            .unwrap_or(1),
        observed: status.and_then(|s| s.replicas).unwrap_or_default(),
        ready: status.and_then(|s| s.ready_replicas).unwrap_or_default(),
        revision: deployment
            .metadata
            .annotations
            .as_ref()
            .and_then(|a| a.get(names::APPLIED_ANNOTATION))
            .cloned(),
        owner: deployment
            .metadata
            .owner_references
            .iter()
            .flatten()
            .find(|owner| owner.controller == Some(true))
            .map(|owner| owner.uid.clone()),
        overridden: ownership::overridden(&deployment.metadata),
    }
}
