//! Connector and worker steps: each to one call, in order, until one fails.

use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{ConfigMap, Service},
    networking::v1::NetworkPolicy,
};
use tracing::info;

use super::{Cause, Sinks, Target, claim_failure, kube_failure, not_leading};
use crate::{
    api::{common::Reason, connectors::ConnectorState},
    class::Class,
    connect::{self, Endpoint, write::TargetState},
    k8s::{self, write},
    plan::{
        Failure, Subject,
        changes::{CLAIM, connect_word, container_word, workers_word},
        connectors::{
            connect::ConnectStep,
            container::ContainerStep,
            part::{ConnectorPart, ConnectorStep, WorkersPart},
            workers::{WorkersKind, WorkersStep},
        },
        names,
    },
};

/// Carries out the steps of one connector.
pub async fn connector(sinks: &Sinks, target: Target<'_>, part: &ConnectorPart) -> Option<Failure> {
    let subject = Subject::Connector(part.status.name.clone());
    steps(sinks, target, subject, &part.steps).await
}

/// Carries out the steps of the workers, then the removals, each removal on its own.
pub async fn workers(sinks: &Sinks, target: Target<'_>, part: &WorkersPart) -> Vec<Failure> {
    let mut failures = Vec::new();
    failures.extend(objects(sinks, target, part).await);
    for removal in &part.removals {
        let one = std::slice::from_ref(removal);
        failures.extend(steps(sinks, target, Subject::Workers, one).await);
    }
    failures
}

/// Steps in order; the first failure ends them.
async fn steps(
    sinks: &Sinks,
    target: Target<'_>,
    subject: Subject,
    steps: &[ConnectorStep],
) -> Option<Failure> {
    for step in steps {
        let (word, result) = match step {
            ConnectorStep::Claim(claim) => {
                let result = sinks.claim(target, claim).await;
                (CLAIM, result.map_err(|error| claim_failure(&error)))
            }
            ConnectorStep::Container(step) => {
                (container_word(step), container(sinks, target, step).await)
            }
            ConnectorStep::Connect(step) => (connect_word(step), rest(sinks, target, step).await),
        };
        if let Some(failure) = sinks.done(word, subject.clone(), result) {
            return Some(failure);
        }
    }
    None
}

/// Sets the count of one connector's Deployment.
pub async fn scale(
    sinks: &Sinks,
    target: Target<'_>,
    connector: &str,
    deployment: &str,
    to: i32,
) -> Option<Failure> {
    let step = ContainerStep::Scale {
        name: deployment.to_owned(),
        to,
    };
    let result = container(sinks, target, &step).await;
    sinks.done("scale", Subject::Connector(connector.to_owned()), result)
}

async fn container(sinks: &Sinks, target: Target<'_>, step: &ContainerStep) -> Result<(), Cause> {
    let namespace = target.identity.namespace;
    let result = match step {
        ContainerStep::Create(deployment) => {
            write::create(&sinks.kube, &**deployment, names::MANAGER)
                .await
                .map(drop)
        }
        ContainerStep::Apply(deployment) => {
            write::apply(&sinks.kube, &**deployment, names::MANAGER)
                .await
                .map(drop)
        }
        ContainerStep::Scale { name, to } => {
            write::scale(&sinks.kube, namespace, name, *to, names::SCALER)
                .await
                .map(drop)
        }
        ContainerStep::Delete { name, uid } => {
            write::delete::<Deployment>(&sinks.kube, namespace, name, uid).await
        }
    };
    result.map_err(|error| kube_failure(&error))
}

/// Writes the workers' objects, once their claim is taken.
async fn objects(sinks: &Sinks, target: Target<'_>, part: &WorkersPart) -> Option<Failure> {
    if let Some(claim) = &part.claim {
        let result = sinks.claim(target, claim).await;
        let result = result.map_err(|error| claim_failure(&error));
        if let Some(failure) = sinks.done(CLAIM, Subject::Workers, result) {
            return Some(failure);
        }
    }
    for step in &part.steps {
        let result = worker(sinks, target, step)
            .await
            .map_err(|error| kube_failure(&error));
        if let Some(failure) = sinks.done(workers_word(step), Subject::Workers, result) {
            return Some(failure);
        }
    }
    None
}

async fn worker(sinks: &Sinks, target: Target<'_>, step: &WorkersStep) -> Result<(), k8s::Error> {
    let (kube, manager) = (&sinks.kube, names::MANAGER);
    match step {
        WorkersStep::ConfigMap(object) => write::apply(kube, &**object, manager).await.map(drop),
        WorkersStep::Service(object) => write::apply(kube, &**object, manager).await.map(drop),
        WorkersStep::NetworkPolicy(object) => {
            write::apply(kube, &**object, manager).await.map(drop)
        }
        WorkersStep::Deployment(object) => write::apply(kube, &**object, manager).await.map(drop),
        WorkersStep::Delete { kind, uid } => {
            let namespace = target.identity.namespace;
            let name = names::workers(target.identity.name);
            match kind {
                WorkersKind::ConfigMap => {
                    write::delete::<ConfigMap>(kube, namespace, &name, uid).await
                }
                WorkersKind::Service => write::delete::<Service>(kube, namespace, &name, uid).await,
                WorkersKind::NetworkPolicy => {
                    write::delete::<NetworkPolicy>(kube, namespace, &name, uid).await
                }
                WorkersKind::Deployment => {
                    write::delete::<Deployment>(kube, namespace, &name, uid).await
                }
            }
        }
    }
}

async fn rest(sinks: &Sinks, target: Target<'_>, step: &ConnectStep) -> Result<(), Cause> {
    let endpoint = sinks
        .connect
        .endpoint(target.workers)
        .map_err(|e| connect_failure(&e))?;
    sinks.leadership.may_write().map_err(|_| not_leading())?;
    call(&endpoint, step)
        .await
        .map_err(|error| connect_failure(&error))
}

async fn call(endpoint: &Endpoint, step: &ConnectStep) -> Result<(), connect::Error> {
    use connect::write as rest;
    match step {
        ConnectStep::Create {
            name,
            config,
            state,
        } => rest::create(endpoint, name, config, target_state(*state)).await,
        ConnectStep::Put { name, config } => rest::put(endpoint, name, config).await,
        ConnectStep::SetState { name, state } => {
            rest::set_state(endpoint, name, target_state(*state)).await
        }
        ConnectStep::RestartFailed { name } => rest::restart_failed(endpoint, name).await,
        ConnectStep::Delete { name } => rest::delete(endpoint, name).await,
    }
}

const fn target_state(state: ConnectorState) -> TargetState {
    match state {
        ConnectorState::Running => TargetState::Running,
        ConnectorState::Paused => TargetState::Paused,
        ConnectorState::Stopped => TargetState::Stopped,
    }
}

fn connect_failure(error: &connect::Error) -> Cause {
    let class = error.class();
    let reason = match class {
        Class::Down => Reason::ConnectUnreachable,
        _ => Reason::ConnectRefused,
    };
    Cause {
        class,
        reason,
        message: error.to_string(),
    }
}

impl Sinks {
    /// Counts and logs a step; what failed comes back.
    fn done(
        &self,
        step: &'static str,
        subject: Subject,
        result: Result<(), Cause>,
    ) -> Option<Failure> {
        let cause = result.err();
        self.count(step, cause.as_ref().map(|cause| cause.class));
        let Some(Cause {
            class,
            reason,
            message,
        }) = cause
        else {
            info!(step, %subject, "done");
            return None;
        };
        info!(step, %subject, failed = message);
        Some(Failure {
            subject,
            class,
            reason,
            message,
        })
    }
}
