//! What there is to see of one pipeline: from the operator's endpoint through the API server's
//! service proxy, with the user's own credentials; where that fails, from status, with its age.

use std::collections::BTreeMap;

use anyhow::Context;
use jiff::{SignedDuration, Timestamp};
use kube::Api;
use serde::{Deserialize, de::DeserializeOwned};

use super::cluster::{Cluster, OperatorArgs};
use crate::{
    api::{IngestionPipeline, IngestionPipelineStatus},
    plan::scaling::NewestView,
};

/// What the operator knows of a pipeline.
#[derive(Debug, Deserialize)]
pub struct LiveView {
    /// When it was seen.
    pub at: Timestamp,
    /// The newest status, written or not.
    pub status: IngestionPipelineStatus,
    /// The newest look at each connector that reads.
    #[serde(default)]
    pub connectors: BTreeMap<String, NewestView>,
}

/// Asks the operator for what it knows of a pipeline; `more` is the rest of the path.
///
/// # Errors
/// When there is no answer, or no right to ask.
pub async fn live<T: DeserializeOwned>(
    cluster: &Cluster,
    operator: &OperatorArgs,
    name: &str,
    more: &str,
) -> anyhow::Result<T> {
    let path = format!("/v1/pipelines/{}/{name}{more}", cluster.namespace);
    operator.ask(&cluster.client, &path).await
}

/// Reads a pipeline.
///
/// # Errors
/// When it may not be read, or does not exist.
pub async fn pipeline(cluster: &Cluster, name: &str) -> anyhow::Result<IngestionPipeline> {
    let namespace = &cluster.namespace;
    let api: Api<IngestionPipeline> = Api::namespaced(cluster.client.clone(), namespace);
    let found = api.get_opt(name).await.context("cannot read pipelines")?;
    found.with_context(|| format!("there is no pipeline {name} in namespace {namespace}"))
}

/// How long ago a pipeline's status was written; zero when it never was.
pub fn age(pipeline: &IngestionPipeline, at: Timestamp) -> SignedDuration {
    let written = pipeline
        .metadata
        .managed_fields
        .iter()
        .flatten()
        .filter(|entry| entry.subresource.as_deref() == Some("status"))
        .filter_map(|entry| entry.time.as_ref())
        .map(|time| time.0)
        .max();
    written.map_or(SignedDuration::ZERO, |written| at.duration_since(written))
}
