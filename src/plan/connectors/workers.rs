//! The Connect workers of a pipeline: one group, never shared, as a Deployment with its Service,
//! its properties and its `NetworkPolicy` (ADR 2). Decides when they are written, when they are
//! deleted, and when to keep hands off; what is in them is rendered below.

mod objects;
mod pod;
mod properties;

use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{ConfigMap, Service},
    networking::v1::NetworkPolicy,
};
use serde::Serialize;

pub use self::{
    objects::{Objects, labels},
    properties::{REST_PORT, internal_topics},
};
use super::{
    connect::WorkersSeen,
    drift, ownership,
    references::{self, Data},
    trouble::PodProblem,
};
use crate::{
    api::{common::Reason, connectors::ConnectWorkers, pipeline::IngestionPipelineSpec},
    plan::{
        Finding, Identity, Known, Settings, Unknown,
        claims::{Claim, ClaimKind},
        names,
    },
};

/// The field of the spec that the workers stand in.
const BLOCK: &str = "spec.connect";

/// What was seen of a pipeline's workers in the cluster; every object under the name
/// [`names::workers`].
#[derive(Clone, Debug)]
pub struct WorkersView {
    /// The Deployment.
    pub deployment: Known<Option<Deployment>>,
    /// The Service.
    pub service: Known<Option<Service>>,
    /// The properties.
    pub config_map: Known<Option<ConfigMap>>,
    /// The `NetworkPolicy`.
    pub network_policy: Known<Option<NetworkPolicy>>,
    /// Digests of the Secrets and `ConfigMap`s in the workers' volumes.
    pub references: Known<Data>,
    /// What is wrong with the pods of [`labels`].
    pub pods: Known<Vec<PodProblem>>,
    /// How many brokers the Kafka cluster has.
    pub brokers: Known<i32>,
    /// Why Java cannot use what Kafka is reached with, though the operator can.
    pub unfit: Option<Unknown>,
}

/// One write to the cluster. Absolute, so that a repeated one does no harm.
#[derive(Clone, Debug, PartialEq)]
pub enum WorkersStep {
    /// Apply the properties.
    ConfigMap(Box<ConfigMap>),
    /// Apply the Service.
    Service(Box<Service>),
    /// Apply the `NetworkPolicy`.
    NetworkPolicy(Box<NetworkPolicy>),
    /// Apply the Deployment, its count included: nobody else scales workers.
    Deployment(Box<Deployment>),
    /// Delete an object, if it is still the one with this UID.
    Delete {
        /// What it is.
        kind: WorkersKind,
        /// Its UID.
        uid: String,
    },
}

/// The kinds of objects that make up the workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkersKind {
    /// A `ConfigMap`.
    ConfigMap,
    /// A Service.
    Service,
    /// A `NetworkPolicy`.
    NetworkPolicy,
    /// A Deployment.
    Deployment,
}

/// The workers to plan for.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The pipeline's spec.
    pub spec: &'a IngestionPipelineSpec,
    /// Its `connect` block.
    pub workers: &'a ConnectWorkers,
    /// The pipeline.
    pub pipeline: Identity<'a>,
    /// The operator's settings.
    pub settings: &'a Settings,
}

/// What to do for the workers, and what to say.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkersPlan {
    /// The writes, in order; a failure stops those behind it.
    pub steps: Vec<WorkersStep>,
    /// What a person should know.
    pub findings: Vec<Finding>,
}

/// Plans the workers of a pipeline that declares some.
#[must_use]
pub fn workers(request: &Request<'_>, view: &WorkersView) -> WorkersPlan {
    match steps(request, view) {
        Ok(steps) => WorkersPlan {
            findings: standing(request, view, &steps),
            steps,
        },
        Err(findings) => WorkersPlan {
            steps: Vec::new(),
            findings,
        },
    }
}

/// Deletes of the workers' objects of a pipeline that no longer declares any. The group's topics
/// stay, and with them its connectors: they go on when workers are declared again.
#[must_use]
pub fn removed(view: &WorkersView, pipeline: Identity<'_>) -> Vec<WorkersStep> {
    // The workers first: without the policy their interface would be open for a moment.
    [
        delete(&view.deployment, WorkersKind::Deployment, pipeline),
        delete(&view.service, WorkersKind::Service, pipeline),
        delete(&view.config_map, WorkersKind::ConfigMap, pipeline),
        delete(&view.network_policy, WorkersKind::NetworkPolicy, pipeline),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The claim on the worker group, its connectors and its internal topics.
#[must_use]
pub fn claim(pipeline: Identity<'_>, settings: &Settings) -> Claim {
    Claim {
        kind: ClaimKind::Connect,
        name: names::worker_group(pipeline, settings),
    }
}

/// The address of the workers' REST interface.
#[must_use]
pub fn rest_address(pipeline: Identity<'_>) -> String {
    let service = names::workers(pipeline.name);
    format!("http://{service}.{}.svc:{REST_PORT}", pipeline.namespace)
}

/// How many workers a Deployment has.
#[must_use]
pub fn seen(deployment: &Deployment) -> WorkersSeen {
    let status = deployment.status.as_ref();
    WorkersSeen {
        ready: status.and_then(|s| s.ready_replicas).unwrap_or(0),
        replicas: status.and_then(|s| s.replicas).unwrap_or(0),
    }
}

impl Request<'_> {
    pub(super) fn group(&self) -> String {
        names::worker_group(self.pipeline, self.settings)
    }

    pub(super) fn image(&self) -> &str {
        let default = &self.settings.connect_image;
        self.workers.image.as_ref().unwrap_or(default)
    }
}

/// The writes that are due, or what keeps all of them back: workers that run are left alone as
/// long as something is unknown or in the way.
fn steps(request: &Request<'_>, view: &WorkersView) -> Result<Vec<WorkersStep>, Vec<Finding>> {
    let own = references::of_volumes(&request.workers.volumes);
    let kafka = &request.spec.kafka;
    let data = references::resolved(BLOCK, own, kafka, &view.references)?;
    if let Some(unfit) = &view.unfit {
        return Err(vec![unfit.into()]);
    }
    let brokers = *known(&view.brokers)?;
    let wanted = Objects::new(request, brokers, data.as_deref());
    let steps = [
        // The policy comes before the pods that it protects.
        apply(request, &view.network_policy, wanted.network_policy)?
            .map(WorkersStep::NetworkPolicy),
        apply(request, &view.config_map, wanted.config_map)?.map(WorkersStep::ConfigMap),
        apply(request, &view.service, wanted.service)?.map(WorkersStep::Service),
        apply(request, &view.deployment, wanted.deployment)?.map(WorkersStep::Deployment),
    ];
    Ok(steps.into_iter().flatten().collect())
}

fn known<T>(seen: &Known<T>) -> Result<&T, Vec<Finding>> {
    match seen {
        Known::Value(value) => Ok(value),
        Known::Unknown(unknown) => Err(vec![unknown.into()]),
    }
}

/// The object to apply, where the live one is not like it.
fn apply<K: kube::Resource<DynamicType = ()> + Serialize>(
    request: &Request<'_>,
    live: &Known<Option<K>>,
    wanted: K,
) -> Result<Option<Box<K>>, Vec<Finding>> {
    let Some(live) = known(live)? else {
        return Ok(Some(Box::new(wanted)));
    };
    let (kind, name) = (K::kind(&()), names::workers(request.pipeline.name));
    if live.meta().deletion_timestamp.is_some() {
        return Err(vec![Finding::waiting(
            Reason::Progressing,
            format!("{kind} `{name}` is being deleted: it is created again afterwards"),
        )]);
    }
    if !ownership::is_ours(live.meta(), request.pipeline) {
        return Err(vec![Finding::stalled(
            Reason::NotOurs,
            format!(
                "{BLOCK}: {kind} `{name}` exists and does not belong to this pipeline: delete it, \
                 or rename the pipeline"
            ),
        )]);
    }
    Ok((!drift::contains(live, &wanted)).then(|| Box::new(wanted)))
}

fn delete<K: kube::Resource>(
    live: &Known<Option<K>>,
    kind: WorkersKind,
    pipeline: Identity<'_>,
) -> Option<WorkersStep> {
    let meta = live.value()?.as_ref()?.meta();
    let due = ownership::is_ours(meta, pipeline) && meta.deletion_timestamp.is_none();
    let uid = meta.uid.clone().filter(|_| due)?;
    Some(WorkersStep::Delete { kind, uid })
}

/// What is to be said of workers that are there: what is wrong with their pods, and whether they
/// are ready.
fn standing(request: &Request<'_>, view: &WorkersView, steps: &[WorkersStep]) -> Vec<Finding> {
    let problems = match &view.pods {
        Known::Unknown(unknown) => return vec![unknown.into()],
        Known::Value(problems) => problems,
    };
    let mut findings: Vec<_> = problems
        .iter()
        .map(|problem| Finding {
            message: format!("{BLOCK}: {}", problem.message),
            ..Finding::from(problem)
        })
        .collect();
    let live = view.deployment.value().and_then(Option::as_ref);
    if findings.is_empty() && !(steps.is_empty() && live.is_some_and(|l| complete(request, l))) {
        findings.push(Finding::waiting(
            Reason::WorkersNotReady,
            format!("{BLOCK}: not all workers are ready in their newest version yet"),
        ));
    }
    findings
}

/// Whether every worker runs what is declared and is ready.
fn complete(request: &Request<'_>, live: &Deployment) -> bool {
    let Some(status) = &live.status else {
        return false;
    };
    let wanted = request.workers.workers;
    status.observed_generation == live.metadata.generation
        && status.updated_replicas.unwrap_or(0) == wanted
        && status.ready_replicas.unwrap_or(0) == wanted
        && status.replicas.unwrap_or(0) == wanted
}

#[cfg(test)]
mod tests;
