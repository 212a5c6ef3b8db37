//! What one decision of the autoscaler is made from: the Deployment's counts and one sample of the
//! consumer group.

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
        Known, Unknown, names,
        pipeline::Subject,
        rescale::{CountsSeen, SampleSeen},
        scaling::{self, Scaler},
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
    let changing = matches!(&counts, Known::Value(Some(c)) if c.ready != c.replicas);
    let client = match (kafka, &between.partitions) {
        (Known::Value(client), Ok(_)) => client,
        (Known::Unknown(unknown), _) => {
            return SampleSeen { counts, group: Known::Unknown(unknown.clone()) };
        }
        (_, Err(unknown)) => return SampleSeen { counts, group: Known::Unknown(unknown.clone()) },
    };
    let partitions = between.partitions.unwrap_or_default();
    let group = subject.group(connector).unwrap_or_default();
    let question = GroupQuestion { group: &group, partitions: &partitions, now, changing };
    let sample = between.sampler.sample(client, question).await;
    let Known::Value(first) = &sample else {
        return SampleSeen { counts, group: sample };
    };
    let wanted = scaling::unread_since_wanted(between.scaler, &first.partitions);
    if wanted.is_empty() {
        return SampleSeen { counts, group: sample };
    }
    between.sampler.search_arrivals(client, &wanted, now).await;
    let sample = between.sampler.with_arrivals(first);
    SampleSeen { counts, group: Known::Value(sample) }
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
        replicas: deployment.spec.as_ref().and_then(|s| s.replicas).unwrap_or(1),
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
    }
}
