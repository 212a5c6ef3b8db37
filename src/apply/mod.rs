//! Applying: finished steps become calls. Never reads to decide; a failure stops the steps behind
//! it in its own lane (one topic, one connector, the workers) and none in another.

mod connectors;
mod topics;

use futures::future::join_all;
use tracing::info;

use crate::{
    api::{IngestionPipeline, common::Reason},
    class::Class,
    connect,
    k8s::{self, Kube},
    kafka,
    plan::{
        Decided, Failure, Identity, PipelinePlan, Subject,
        claims::{Claim, ClaimRecord},
        connectors::container::ContainerStep,
        names,
    },
    telemetry::metrics::Metrics,
};

/// Where writes go.
#[derive(Clone)]
pub struct Sinks {
    /// The cluster.
    pub kube: Kube,
    /// Kafka Connect's REST interface.
    pub connect: connect::Client,
    /// Counts every step.
    pub metrics: Metrics,
    /// The namespace of claims.
    pub operator_namespace: String,
}

/// The pipeline that steps are for.
#[derive(Clone, Copy)]
pub struct Target<'a> {
    /// The pipeline.
    pub pipeline: &'a IngestionPipeline,
    /// Its identity.
    pub identity: Identity<'a>,
    /// The Kafka cluster's id; none while it was never reached.
    pub cluster_id: Option<&'a str>,
    /// Base URL of the Connect workers.
    pub workers: &'a str,
}

/// Why one step failed.
pub(self) struct Cause {
    class: Class,
    reason: Reason,
    message: String,
}

/// Carries out the plan; what failed comes back.
pub async fn pipeline(
    sinks: &Sinks,
    target: Target<'_>,
    kafka: Option<&kafka::Client>,
    plan: &PipelinePlan,
) -> Vec<Failure> {
    let mut failures = Vec::new();
    if let Some(look) = &plan.look {
        let topics = topics::topics(sinks, target, kafka, &look.topics);
        let workers = connectors::workers(sinks, target, &look.workers);
        let connectors =
            join_all(look.connectors.iter().map(|part| connectors::connector(sinks, target, part)));
        let (topics, workers, connectors) = tokio::join!(topics, workers, connectors);
        failures.extend(topics.into_iter().chain(workers).chain(connectors.into_iter().flatten()));
    }
    let scaled = plan.scaling.iter().filter_map(|(name, scaling)| {
        let decided = scaling.decided.as_ref().filter(|d| d.acts && d.from != d.to)?;
        Some(scale(sinks, target, name, decided))
    });
    failures.extend(join_all(scaled).await.into_iter().flatten());
    failures
}

async fn scale(
    sinks: &Sinks,
    target: Target<'_>,
    connector: &str,
    decided: &Decided,
) -> Option<Failure> {
    let step = ContainerStep::Scale { name: decided.deployment.clone(), to: decided.to };
    info!(connector, from = decided.from, to = decided.to, why = decided.why, "scale");
    connectors::container(sinks, target, connector, &step).await.err()
}

impl Sinks {
    fn count(&self, step: &'static str, failed: Option<Class>) {
        self.metrics.step(step, failed.map_or("ok", Class::as_str));
    }

    async fn claim(&self, target: Target<'_>, claim: &Claim) -> Result<(), k8s::Error> {
        let Some(record) = record(target, claim) else { return Ok(()) };
        k8s::write::claim(&self.kube, &self.operator_namespace, &record).await
    }

    async fn release(&self, target: Target<'_>, claim: &Claim) -> Result<(), k8s::Error> {
        let Some(record) = record(target, claim) else { return Ok(()) };
        k8s::write::release(&self.kube, &self.operator_namespace, &record.record, target.identity.uid)
            .await
    }
}

/// The record of a claim; none while the Kafka cluster is not known, when no claim is planned.
fn record(target: Target<'_>, claim: &Claim) -> Option<ClaimRecord> {
    let kind = claim.kind.as_str();
    Some(ClaimRecord {
        record: names::claim(target.cluster_id?, kind, &claim.name),
        kind,
        name: claim.name.clone(),
        owner: target.identity.into(),
    })
}

/// A claim that somebody else took a moment before is told by the next look; until then it waits.
fn claim_failure(error: &k8s::Error) -> Cause {
    let reason = if error.class() == Class::Conflict { Reason::Claimed } else { Reason::ApplyFailed };
    Cause { class: error.class(), reason, message: error.to_string() }
}

fn kafka_failure(error: &kafka::Error, refused: Reason) -> Cause {
    let reason = match error.class() {
        Class::Down => Reason::KafkaUnreachable,
        Class::Denied => Reason::KafkaDenied,
        Class::Invalid => refused,
        _ => Reason::KafkaRefused,
    };
    Cause { class: error.class(), reason, message: error.to_string() }
}
