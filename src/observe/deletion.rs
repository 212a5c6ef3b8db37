//! What a deletion needs to know: the topics to delete, their claims, and whether Connect workers
//! still run.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;

use super::{Sources, topics, unknown_kube};
use crate::{
    k8s::read,
    kafka,
    plan::{
        Known,
        claims::Claim,
        deletion::{self, DeletionSeen},
        names,
        pipeline::Subject,
        topics::TopicView,
    },
};

/// Looks at what the pipeline asked to delete.
pub async fn deletion(
    sources: &Sources,
    subject: Subject<'_>,
    kafka: &Known<kafka::Client>,
) -> DeletionSeen {
    let wanted = deletion::topics(subject);
    let names: Vec<String> = wanted.keys().cloned().collect();
    let records: BTreeSet<Claim> = wanted.values().cloned().collect();
    // A pipeline that never reached Kafka holds no claim and made no topic.
    let cluster = subject.last.cluster_id.clone().unwrap_or_default();
    let (mut seen, claims, workers) = tokio::join!(
        async {
            match kafka {
                Known::Value(client) => topics::topics(client, &names).await,
                Known::Unknown(unknown) => topics::all(&names, unknown),
            }
        },
        sources.claims(&cluster, subject.pipeline, &records),
        workers(sources, subject)
    );
    let view = |(name, claim): (String, Claim)| {
        let claim = claims.get(&claim)?.clone();
        Some((
            name.clone(),
            TopicView {
                topic: seen.remove(&name)?,
                claim,
            },
        ))
    };
    DeletionSeen {
        topics: wanted.into_iter().filter_map(view).collect(),
        workers,
    }
}

/// Whether any pod of the Connect workers is left.
async fn workers(sources: &Sources, subject: Subject<'_>) -> Known<bool> {
    let labels = names::selector(subject.pipeline.name, None);
    match read::list::<Pod>(&sources.kube, subject.pipeline.namespace, &labels).await {
        Ok(pods) => Known::Value(
            pods.iter()
                .any(|p| !p.labels().contains_key(names::CONNECTOR_LABEL)),
        ),
        Err(error) => Known::Unknown(unknown_kube(&error)),
    }
}
