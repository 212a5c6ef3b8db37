//! The last steps of a pipeline: Connect workers stopped, topics deleted, claims given back.

use k8s_openapi::api::apps::v1::Deployment;
use tracing::{info, warn};

use super::Sinks;
use crate::{
    k8s,
    kafka::{self, Client},
    plan::{Identity, deletion::DeletionPlan, names, pipeline::Subject},
};

/// Carries out one pass of a deletion. What fails is tried again by the next pass, until the
/// deadline.
pub async fn deletion(
    sinks: &Sinks,
    subject: Subject<'_>,
    client: Option<&Client>,
    plan: &DeletionPlan,
) {
    if plan.stop_workers {
        let name = names::workers(subject.pipeline.name);
        let namespace = subject.pipeline.namespace;
        let result = k8s::write::delete_any::<Deployment>(&sinks.kube, namespace, &name).await;
        sinks.count("stopWorkers", result.as_ref().err().map(k8s::Error::class));
        if let Err(error) = result {
            warn!(%error, "workers not stopped");
        }
    }
    let (Some(client), false) = (client, plan.topics.is_empty()) else {
        return;
    };
    let results = match kafka::write::delete_topics(client, &plan.topics).await {
        Ok(results) => results,
        Err(error) => plan
            .topics
            .iter()
            .map(|name| (name.clone(), Err(error.clone())))
            .collect(),
    };
    for (topic, result) in results {
        sinks.count(
            "deleteTopic",
            result.as_ref().err().map(kafka::Error::class),
        );
        match result {
            Ok(()) => info!(topic, "topic deleted"),
            Err(error) => warn!(topic, %error, "topic not deleted"),
        }
    }
}

/// Gives back every claim of a pipeline.
///
/// # Errors
/// When the cluster refuses or does not answer.
pub async fn release_all(sinks: &Sinks, pipeline: Identity<'_>) -> Result<(), k8s::Error> {
    k8s::write::release_claims(&sinks.kube, &sinks.operator_namespace, pipeline.uid).await
}
