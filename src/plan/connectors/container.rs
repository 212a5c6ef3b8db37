//! A container connector: from its declaration and its live Deployment to the steps that make it
//! so. Decides when to write (only when something differs), in which order the template and the
//! count change, and when to keep hands off: a Deployment that is not ours, or a count that
//! another scaler holds.

mod status;

use std::collections::BTreeSet;

use k8s_openapi::api::apps::v1::Deployment;

use super::{
    deployment::{deployment, with_replicas},
    drift, ownership,
    references::{self, Data},
    replicas::Replicas,
    trouble::PodProblem,
};
use crate::{
    api::{
        common::Reason,
        connectors::{Connector, ConnectorStatus, Container},
        pipeline::IngestionPipelineSpec,
    },
    plan::{Finding, Identity, Known, names},
};

/// What was seen of one container connector.
#[derive(Clone, Debug)]
pub struct ContainerSeen {
    /// Its Deployment, with managed fields.
    pub deployment: Known<Option<Deployment>>,
    /// Digests of the Secrets and `ConfigMap`s that [`references::of_container`] names.
    pub references: Known<Data>,
    /// What is wrong with its pods.
    pub pods: Known<Vec<PodProblem>>,
    /// Other scalers of the same Deployment.
    pub scalers: Known<Vec<ConflictingScaler>>,
}

/// A scaler that is not ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConflictingScaler {
    /// `HorizontalPodAutoscaler` or `ScaledObject`.
    pub kind: String,
    /// Its name.
    pub name: String,
}

/// One write to the cluster. Absolute, so that a repeated one does no harm.
#[derive(Clone, Debug, PartialEq)]
pub enum ContainerStep {
    /// Create the Deployment, with its first count; never takes over one that is there.
    Create(Box<Deployment>),
    /// Apply the Deployment, without the count.
    Apply(Box<Deployment>),
    /// Set the count by the scale subresource, as the scaler's own field.
    Scale {
        /// Name of the Deployment.
        name: String,
        /// The count.
        to: i32,
    },
    /// Delete the Deployment, if it is still the one with this UID.
    Delete {
        /// Name of the Deployment.
        name: String,
        /// Its UID.
        uid: String,
    },
}

/// One container connector to plan for.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The pipeline's spec.
    pub spec: &'a IngestionPipelineSpec,
    /// The connector.
    pub connector: &'a Connector,
    /// Its container.
    pub container: &'a Container,
    /// The pipeline.
    pub pipeline: Identity<'a>,
    /// Whether the pipeline is stopped.
    pub suspended: bool,
    /// The count that the autoscaler wants; `None` while it has nothing to say.
    pub wanted: Option<i32>,
    /// The connector's last status.
    pub last: Option<&'a ConnectorStatus>,
}

/// What to do for one container connector, and what to say.
#[derive(Clone, Debug, PartialEq)]
pub struct ContainerPlan {
    /// The writes, in order.
    pub steps: Vec<ContainerStep>,
    /// The connector's status; lag, rates and decisions are kept from the last one.
    pub status: ConnectorStatus,
    /// What a person should know.
    pub findings: Vec<Finding>,
}

/// Plans one container connector.
#[must_use]
pub fn container(request: &Request<'_>, seen: &ContainerSeen) -> ContainerPlan {
    let live = match &seen.deployment {
        Known::Unknown(unknown) => return request.held(None, vec![unknown.into()]),
        Known::Value(live) => live.as_ref(),
    };
    if let Some(obstacle) = live.and_then(|live| request.obstacle(live)) {
        return request.held(None, vec![obstacle]);
    }
    let (desired, mut findings) = request.desired(seen);
    let mut steps = Vec::new();
    match (live, desired) {
        (None, Some(desired)) => {
            let replicas = request.replicas(None).initial();
            steps.push(ContainerStep::Create(Box::new(with_replicas(
                desired, replicas,
            ))));
        }
        (None, None) => {}
        (Some(live), desired) => {
            let scale = request.scale(live, &seen.scalers, &mut findings);
            steps = ordered(live, apply(live, desired), scale);
        }
    }
    findings.extend(pod_findings(&request.block(), &seen.pods));
    ContainerPlan {
        steps,
        ..request.held(live, findings)
    }
}

/// Deletes of Deployments of this pipeline whose connector is no longer declared as a container.
/// Others of the same label are left alone.
#[must_use]
pub fn removed(
    deployments: &[Deployment],
    spec: &IngestionPipelineSpec,
    pipeline: Identity<'_>,
) -> Vec<ContainerStep> {
    let wanted: BTreeSet<String> = spec
        .connectors
        .iter()
        .filter(|connector| connector.container.is_some())
        .map(|connector| names::deployment(pipeline.name, &connector.name))
        .collect();
    deployments
        .iter()
        .filter(|live| ownership::is_ours(&live.metadata, pipeline))
        .filter(|live| {
            let labels = live.metadata.labels.as_ref();
            labels.is_some_and(|labels| labels.contains_key(names::CONNECTOR_LABEL))
        })
        .filter(|live| live.metadata.deletion_timestamp.is_none())
        .filter_map(|live| Some((live.metadata.name.clone()?, live.metadata.uid.clone()?)))
        .filter(|(name, _)| !wanted.contains(name))
        .map(|(name, uid)| ContainerStep::Delete { name, uid })
        .collect()
}

/// The template goes first, so that a resumed or growing connector starts new pods and not old
/// ones that roll at once. But while the count belongs to nobody else, an apply without it would
/// reset it to 1: then the scaler takes the field before.
fn ordered(
    live: &Deployment,
    apply: Option<ContainerStep>,
    scale: Option<ContainerStep>,
) -> Vec<ContainerStep> {
    let steps = if ownership::owns_replicas(&live.metadata, names::SCALER) {
        [apply, scale]
    } else {
        [scale, apply]
    };
    steps.into_iter().flatten().collect()
}

/// An apply, when the live object is not what would be applied, or when its creator still owns the
/// count.
fn apply(live: &Deployment, desired: Option<Deployment>) -> Option<ContainerStep> {
    let desired = desired?;
    let owns_count = ownership::owns_replicas(&live.metadata, names::MANAGER);
    (owns_count || !drift::contains(live, &desired))
        .then(|| ContainerStep::Apply(Box::new(desired)))
}

fn pod_findings(block: &str, pods: &Known<Vec<PodProblem>>) -> Vec<Finding> {
    match pods {
        Known::Unknown(unknown) => vec![unknown.into()],
        Known::Value(problems) => problems
            .iter()
            .map(|problem| Finding {
                message: format!("{block}: {}", problem.message),
                ..Finding::from(problem)
            })
            .collect(),
    }
}

fn live_replicas(live: &Deployment) -> i32 {
    live.spec.as_ref().and_then(|s| s.replicas).unwrap_or(1)
}

impl Request<'_> {
    fn block(&self) -> String {
        format!("spec.connectors[{}].container", self.connector.name)
    }

    fn replicas(&self, live: Option<&Deployment>) -> Replicas<'_> {
        Replicas {
            connector: self.connector,
            suspended: self.suspended,
            wanted: self.wanted,
            remembered: self.last.and_then(|last| last.desired_replicas),
            overridden: live.is_some_and(|live| ownership::overridden(&live.metadata).is_some()),
        }
    }

    /// Why the live Deployment may not be touched.
    fn obstacle(&self, live: &Deployment) -> Option<Finding> {
        let name = names::deployment(self.pipeline.name, &self.connector.name);
        if live.metadata.deletion_timestamp.is_some() {
            return Some(Finding::waiting(
                Reason::Progressing,
                format!("Deployment `{name}` is being deleted: it is created again afterwards"),
            ));
        }
        (!ownership::is_ours(&live.metadata, self.pipeline)).then(|| {
            Finding::stalled(
                Reason::NotOurs,
                format!(
                    "{}: Deployment `{name}` exists and does not belong to this pipeline: \
                     delete it, or rename the connector",
                    self.block()
                ),
            )
        })
    }

    /// The Deployment as it should be, or why it cannot be said: pods that run are left alone as
    /// long as something that they read is missing or cannot be read.
    fn desired(&self, seen: &ContainerSeen) -> (Option<Deployment>, Vec<Finding>) {
        let kafka = &self.spec.kafka;
        let own = references::of_container(self.container);
        let digest = match references::resolved(&self.block(), own, kafka, &seen.references) {
            Err(findings) => return (None, findings),
            Ok(digest) => digest,
        };
        let desired = deployment(
            self.connector,
            self.container,
            kafka,
            self.pipeline,
            digest.as_deref(),
        );
        (Some(desired), Vec::new())
    }

    /// The write to the scale subresource, if one is due.
    fn scale(
        &self,
        live: &Deployment,
        scalers: &Known<Vec<ConflictingScaler>>,
        findings: &mut Vec<Finding>,
    ) -> Option<ContainerStep> {
        let count = live_replicas(live);
        let to = match scalers {
            Known::Value(scalers) if scalers.is_empty() => self.replicas(Some(live)).target(count),
            Known::Value(scalers) => {
                findings.extend(scalers.iter().map(|scaler| self.conflict(scaler)));
                count
            }
            Known::Unknown(unknown) => {
                findings.push(unknown.into());
                // To stop is a person's word, and no scaler acts on a Deployment of 0.
                if self.suspended { 0 } else { count }
            }
        };
        let held_by = |manager| ownership::owns_replicas(&live.metadata, manager);
        // The creator's ownership passes on even where the count itself stays.
        let due = if to == count {
            held_by(names::MANAGER) && !held_by(names::SCALER)
        } else {
            true
        };
        due.then(|| ContainerStep::Scale {
            name: names::deployment(self.pipeline.name, &self.connector.name),
            to,
        })
    }

    fn conflict(&self, scaler: &ConflictingScaler) -> Finding {
        let ConflictingScaler { kind, name } = scaler;
        Finding::stalled(
            Reason::ConflictingScaler,
            format!(
                "{}: {kind} `{name}` scales the same Deployment: Sluice leaves the count alone \
                 until it is deleted",
                self.block()
            ),
        )
    }
}

#[cfg(test)]
mod tests;
