//! How a container connector stands: its status from the live Deployment and from what planning
//! found. Writes no step; keeps what the autoscaler put into the last status.

use k8s_openapi::api::apps::v1::Deployment;

use super::{ContainerPlan, Request, live_replicas};
use crate::{
    api::{common::Reason, connectors::ConnectorPhase},
    plan::{Finding, Severity},
};

impl Request<'_> {
    /// The plan without steps: status from the live Deployment and the findings.
    pub(super) fn held(&self, live: Option<&Deployment>, findings: Vec<Finding>) -> ContainerPlan {
        let mut status = self.last.cloned().unwrap_or_default();
        status.name.clone_from(&self.connector.name);
        status.role = self.connector.role;
        status.tasks = None;
        status.trace = None;
        if let Some(live) = live {
            let counted = live.status.as_ref();
            let count = |of: Option<i32>| Some(of.unwrap_or(0));
            status.replicas = count(counted.and_then(|s| s.replicas));
            status.ready_replicas = count(counted.and_then(|s| s.ready_replicas));
        }
        status.desired_replicas = self
            .replicas(live)
            .to_remember(live.map_or(0, live_replicas));
        let (phase, reason, message) = self.phase(live, &findings);
        status.phase = phase;
        status.reason = reason.map(|reason| reason.as_str().to_owned());
        status.message = message;
        ContainerPlan {
            steps: Vec::new(),
            status,
            findings,
        }
    }

    fn phase(
        &self,
        live: Option<&Deployment>,
        findings: &[Finding],
    ) -> (ConnectorPhase, Option<Reason>, String) {
        let worst = findings
            .iter()
            .filter(|finding| finding.reason != Reason::ConflictingScaler)
            // Of equals the first: what planning found before what pods complain about.
            .rev()
            .max_by_key(|finding| finding.severity);
        if let Some(worst) = worst {
            let phase = match worst.severity {
                Severity::Stalled => ConnectorPhase::Failed,
                _ => ConnectorPhase::Waiting,
            };
            return (phase, Some(worst.reason), worst.message.clone());
        }
        let Some(live) = live else {
            let message = "the Deployment is being created".to_owned();
            return (ConnectorPhase::Waiting, Some(Reason::Progressing), message);
        };
        let (phase, reason, message) = progress(live, self.enough(live));
        if phase == ConnectorPhase::Stopped && self.sleeps() {
            let message = "scaled to zero: the first record starts it".to_owned();
            return (phase, reason, message);
        }
        (phase, reason, message)
    }

    /// Whether it is the autoscaler that may have taken the last pod.
    const fn sleeps(&self) -> bool {
        !self.suspended && self.connector.autoscaling.is_some()
    }

    /// Ready pods that let the connector count as running. An autoscaled one is running while it
    /// grows: its count changes too often to call that a fault.
    fn enough(&self, live: &Deployment) -> i32 {
        let target = live_replicas(live);
        self.connector
            .autoscaling
            .as_ref()
            .map_or(target, |scaling| target.min(scaling.min_replicas.max(1)))
    }
}

/// Where a Deployment without findings stands.
fn progress(live: &Deployment, enough: i32) -> (ConnectorPhase, Option<Reason>, String) {
    let status = live.status.clone().unwrap_or_default();
    let waits = |reason, message: &str| (ConnectorPhase::Waiting, Some(reason), message.to_owned());
    let observed = status.observed_generation >= live.metadata.generation;
    let replicas = status.replicas.unwrap_or(0);
    if live_replicas(live) == 0 && observed && replicas == 0 {
        return (ConnectorPhase::Stopped, None, String::new());
    }
    if !observed || status.updated_replicas.unwrap_or(0) < replicas {
        return waits(
            Reason::Progressing,
            "pods of the new version replace the old ones",
        );
    }
    if status.ready_replicas.unwrap_or(0) < enough {
        return waits(Reason::PodsNotReady, "pods are starting and not ready yet");
    }
    (ConnectorPhase::Running, None, String::new())
}
