//! Applying: finished steps become calls. Never reads to decide; a failure stops the steps behind
//! it in its own lane (one topic, one connector, the workers) and none in another.

mod connectors;
pub mod deletion;
mod topics;

use std::collections::BTreeMap;

use futures::future::join_all;
use kube::Client;

use crate::{
    api::common::Reason,
    class::Class,
    connect,
    k8s::{
        self,
        claims::Holder,
        lease::{Leadership, NotLeading},
    },
    kafka,
    plan::{Failure, Identity, PipelinePlan, claims::Claim, kafka_reason, names},
    telemetry::metrics::Metrics,
};

/// Where writes go.
#[derive(Clone)]
pub struct Sinks {
    /// The cluster.
    pub kube: Client,
    /// Kafka Connect's REST interface.
    pub connect: connect::Client,
    /// Asked before each write to Kafka and Connect; the cluster's client asks by itself.
    pub leadership: Leadership,
    /// Counts every step.
    pub metrics: Metrics,
    /// The namespace of claims.
    pub operator_namespace: String,
}

/// The pipeline that steps are for.
#[derive(Clone, Copy)]
pub struct Target<'a> {
    /// The pipeline.
    pub identity: Identity<'a>,
    /// The Kafka cluster's id; none while it was never reached.
    pub cluster_id: Option<&'a str>,
    /// Base URL of the Connect workers.
    pub workers: &'a str,
}

/// Why one step failed.
struct Cause {
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
        let connectors = join_all(
            look.connectors
                .iter()
                .map(|part| connectors::connector(sinks, target, part)),
        );
        let (topics, workers, connectors) = tokio::join!(topics, workers, connectors);
        failures.extend(
            topics
                .into_iter()
                .chain(workers)
                .chain(connectors.into_iter().flatten()),
        );
    }
    let scaled = plan.scaling.iter().filter_map(|(name, scaling)| {
        let decided = scaling.decided.as_ref().filter(|d| d.writes())?;
        Some(connectors::scale(
            sinks,
            target,
            name,
            &decided.deployment,
            decided.to,
        ))
    });
    failures.extend(join_all(scaled).await.into_iter().flatten());
    failures
}

impl Sinks {
    fn count(&self, step: &'static str, failed: Option<Class>) {
        self.metrics.step(step, failed.map_or("ok", Class::as_str));
    }

    /// Takes a claim. Without a known Kafka cluster none is planned.
    async fn claim(&self, target: Target<'_>, claim: &Claim) -> Result<(), k8s::Error> {
        let Some(cluster) = target.cluster_id else {
            return Ok(());
        };
        let kind = claim.kind.as_str();
        let record = names::claim(cluster, kind, &claim.name);
        let holder = Holder {
            uid: target.identity.uid.to_owned(),
            namespace: target.identity.namespace.to_owned(),
            name: target.identity.name.to_owned(),
        };
        let subject = BTreeMap::from(
            [
                ("clusterId", cluster),
                ("kind", kind),
                ("name", claim.name.as_str()),
            ]
            .map(|(key, value)| (key.to_owned(), value.to_owned())),
        );
        k8s::write::claim(
            &self.kube,
            &self.operator_namespace,
            &record,
            &holder,
            &subject,
        )
        .await
    }

    async fn release(&self, target: Target<'_>, claim: &Claim) -> Result<(), k8s::Error> {
        let Some(cluster) = target.cluster_id else {
            return Ok(());
        };
        let record = names::claim(cluster, claim.kind.as_str(), &claim.name);
        k8s::write::release_claim(
            &self.kube,
            &self.operator_namespace,
            &record,
            target.identity.uid,
        )
        .await
    }
}

/// A claim that somebody else took a moment before is told by the next look; until then it waits.
fn claim_failure(error: &k8s::Error) -> Cause {
    let mut cause = kube_failure(error);
    if cause.class == Class::Conflict {
        cause.reason = Reason::Claimed;
    }
    cause
}

fn kube_failure(error: &k8s::Error) -> Cause {
    let class = error.class();
    let reason = match class {
        Class::NotLeading => Reason::NotLeading,
        _ => Reason::ApplyFailed,
    };
    Cause {
        class,
        reason,
        message: error.to_string(),
    }
}

fn not_leading() -> Cause {
    Cause {
        class: Class::NotLeading,
        reason: Reason::NotLeading,
        message: NotLeading.to_string(),
    }
}

fn kafka_failure(error: &kafka::Error, refused: Reason) -> Cause {
    let class = error.class();
    let reason = match class {
        Class::Invalid => refused,
        _ => kafka_reason(class, error.security()),
    };
    Cause {
        class,
        reason,
        message: error.to_string(),
    }
}
