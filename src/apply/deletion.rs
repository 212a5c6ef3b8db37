//! The last steps of a pipeline: Connect workers stopped, topics deleted, claims given back.

use k8s_openapi::api::apps::v1::Deployment;
use tracing::{info, warn};

use super::Sinks;
use crate::{
    class::Class,
    k8s,
    kafka::{self, Client},
    plan::{Identity, deletion::DeletionPlan, names, pipeline::Subject},
};

/// Carries out one pass of a deletion; the gravest class of what failed comes back. It is tried
/// again by a later pass, until the deadline.
pub async fn deletion(
    sinks: &Sinks,
    subject: Subject<'_>,
    client: Option<&Client>,
    plan: &DeletionPlan,
) -> Option<Class> {
    let mut failed = None;
    if plan.stop_workers {
        failed = failed.max(stop_workers(sinks, subject).await);
    }
    if let (Some(client), false) = (client, plan.topics.is_empty()) {
        failed = failed.max(delete_topics(sinks, client, &plan.topics).await);
    }
    failed
}

async fn stop_workers(sinks: &Sinks, subject: Subject<'_>) -> Option<Class> {
    let name = names::workers(subject.pipeline.name);
    let namespace = subject.pipeline.namespace;
    let result = k8s::write::delete_any::<Deployment>(&sinks.kube, namespace, &name).await;
    let error = result.err();
    let class = error.as_ref().map(k8s::Error::class);
    sinks.count("stopWorkers", class);
    if let Some(error) = error {
        warn!(%error, "workers not stopped");
    }
    class
}

async fn delete_topics(sinks: &Sinks, client: &Client, topics: &[String]) -> Option<Class> {
    if let Err(error) = sinks.leadership.may_write() {
        sinks.count("deleteTopic", Some(Class::NotLeading));
        warn!(%error, "topics not deleted");
        return Some(Class::NotLeading);
    }
    let results = match kafka::write::delete_topics(client, topics).await {
        Ok(results) => results,
        Err(error) => topics
            .iter()
            .map(|name| (name.clone(), Err(error.clone())))
            .collect(),
    };
    let mut failed = None;
    for (topic, result) in results {
        let class = result.as_ref().err().map(kafka::Error::class);
        sinks.count("deleteTopic", class);
        failed = failed.max(class);
        match result {
            Ok(()) => info!(topic, "topic deleted"),
            Err(error) => warn!(topic, %error, "topic not deleted"),
        }
    }
    failed
}

/// Gives back every claim of a pipeline.
///
/// # Errors
/// When the cluster refuses or does not answer.
pub async fn release_all(sinks: &Sinks, pipeline: Identity<'_>) -> Result<(), k8s::Error> {
    k8s::write::release_claims(&sinks.kube, &sinks.operator_namespace, pipeline.uid).await
}
