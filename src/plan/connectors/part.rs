//! What the runtimes have in common once planned: status, findings and steps of one connector, or
//! of the Connect workers. A connector that is held gets no step and says why.

use std::collections::BTreeSet;

use super::{
    connect::{self, ConnectStep, config, restarts::Restarts},
    container::{self, ContainerStep},
    workers::{self, WorkersStep},
};
use crate::{
    api::{
        common::Reason,
        connectors::{ConnectConnector, Connector, ConnectorPhase, ConnectorStatus, Container},
    },
    plan::{
        Finding, Known, Severity,
        claims::{self, Claim, ClaimSeen},
        pipeline::{LookSeen, Subject},
    },
};

/// One step towards a connector, in the order in which they are carried out.
#[derive(Clone, Debug, PartialEq)]
pub enum ConnectorStep {
    /// Take a claim.
    Claim(Claim),
    /// A request to Connect.
    Connect(ConnectStep),
    /// A write to the connector's Deployment.
    Container(ContainerStep),
}

/// What to do and say about one connector.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConnectorPart {
    /// The connector as seen.
    pub status: ConnectorStatus,
    /// What was concluded.
    pub findings: Vec<Finding>,
    /// Steps in order; a failure stops those behind it.
    pub steps: Vec<ConnectorStep>,
    /// Restarts of failed tasks to remember.
    pub restarts: Option<Restarts>,
}

/// What to do and say about the Connect workers, and about what is left of connectors that are no
/// longer declared.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WorkersPart {
    /// What was concluded.
    pub findings: Vec<Finding>,
    /// The claim to take before anything is written.
    pub claim: Option<Claim>,
    /// Writes of the workers' objects.
    pub steps: Vec<WorkersStep>,
    /// Requests to Connect and writes to Deployments that concern no declared connector.
    pub removals: Vec<ConnectorStep>,
}

/// Plans the Connect workers, and what is left of connectors that are no longer declared.
#[must_use]
pub fn workers(subject: Subject<'_>, seen: &LookSeen) -> WorkersPart {
    let mut part = planned(subject, seen);
    if let Some(live) = seen.connect.as_ref().and_then(|seen| seen.live.value()) {
        let Subject {
            spec,
            last,
            pipeline,
            settings,
            ..
        } = subject;
        let removed = connect::removed(live, spec, &last.connectors, pipeline, settings);
        part.removals
            .extend(removed.into_iter().map(ConnectorStep::Connect));
    }
    if let Known::Value(deployments) = &seen.containers.deployments {
        let removed = container::removed(deployments, subject.spec, subject.pipeline);
        part.removals
            .extend(removed.into_iter().map(ConnectorStep::Container));
    }
    part
}

/// The workers' own objects, after their claim; those of a pipeline that declares none any more go.
fn planned(subject: Subject<'_>, seen: &LookSeen) -> WorkersPart {
    let Some(view) = &seen.workers else {
        return WorkersPart::default();
    };
    let Subject {
        spec,
        pipeline,
        settings,
        ..
    } = subject;
    let Some(declared) = &spec.connect else {
        return WorkersPart {
            steps: workers::removed(view, pipeline),
            ..WorkersPart::default()
        };
    };
    let claim = workers::claim(pipeline, settings);
    let admitted = claims::admit(&claim, seen.claims.get(&claim).unwrap_or(&FREE));
    let take = match admitted {
        Ok(take) => take,
        Err(finding) => {
            return WorkersPart {
                findings: vec![finding],
                ..WorkersPart::default()
            };
        }
    };
    let request = workers::Request {
        spec,
        workers: declared,
        pipeline,
        settings,
    };
    let plan = workers::workers(&request, view);
    WorkersPart {
        claim: (take && !plan.steps.is_empty()).then_some(claim),
        steps: plan.steps,
        findings: plan.findings,
        removals: Vec::new(),
    }
}

/// A claim that nobody was asked about is nobody's.
const FREE: Known<ClaimSeen> = Known::Value(ClaimSeen::Free);

/// Plans one connector by its runtime. `unready` are the topics that do not exist yet.
#[must_use]
pub fn runtime(
    subject: Subject<'_>,
    spec: &Connector,
    seen: &LookSeen,
    unready: &BTreeSet<String>,
) -> ConnectorPart {
    match (&spec.connect, &spec.container) {
        (Some(connect), _) => in_connect(subject, spec, connect, seen, unready),
        (None, Some(container)) => in_container(subject, spec, container, seen, unready),
        // Admission refuses a connector without a runtime.
        (None, None) => ConnectorPart::default(),
    }
}

/// What Connect is to be asked about a connector, and planned from.
#[must_use]
pub fn connect_request<'a>(
    subject: Subject<'a>,
    connector: &'a Connector,
    connect: &'a ConnectConnector,
    unready_topics: &'a BTreeSet<String>,
) -> connect::Request<'a> {
    connect::Request {
        connector,
        connect,
        pipeline: subject.pipeline,
        settings: subject.settings,
        suspended: subject.spec.suspend,
        unready_topics,
        last: last(subject, connector),
        restarts: subject
            .restarts
            .get(&connector.name)
            .copied()
            .unwrap_or_default(),
        now: subject.now,
    }
}

fn last<'a>(subject: Subject<'a>, connector: &Connector) -> Option<&'a ConnectorStatus> {
    subject
        .last
        .connectors
        .iter()
        .find(|status| status.name == connector.name)
}

fn in_connect(
    subject: Subject<'_>,
    spec: &Connector,
    connect: &ConnectConnector,
    seen: &LookSeen,
    unready: &BTreeSet<String>,
) -> ConnectorPart {
    let needed = config::topics(spec, connect, &subject.spec.topics);
    let unready = unready
        .iter()
        .filter(|name| needed.contains(name.as_str()))
        .cloned()
        .collect();
    let request = connect_request(subject, spec, connect, &unready);
    let Some(seen) = &seen.connect else {
        return ConnectorPart::default();
    };
    let plan = connect::connector(&request, seen);
    ConnectorPart {
        status: plan.status,
        findings: plan.findings,
        steps: plan.steps.into_iter().map(ConnectorStep::Connect).collect(),
        restarts: Some(plan.restarts),
    }
}

fn in_container(
    subject: Subject<'_>,
    spec: &Connector,
    container: &Container,
    seen: &LookSeen,
    unready: &BTreeSet<String>,
) -> ConnectorPart {
    let Some(seen) = seen.containers.connectors.get(&spec.name) else {
        return ConnectorPart::default();
    };
    let request = container::Request {
        spec: subject.spec,
        connector: spec,
        container,
        pipeline: subject.pipeline,
        suspended: subject.spec.suspend,
        wanted: None,
        last: last(subject, spec),
    };
    let plan = container::container(&request, seen);
    let part = ConnectorPart {
        status: plan.status,
        findings: plan.findings,
        steps: plan
            .steps
            .into_iter()
            .map(ConnectorStep::Container)
            .collect(),
        restarts: None,
    };
    let exists = !matches!(seen.deployment, Known::Value(None));
    match waits_for(spec, unready) {
        Some(finding) if !exists => part.held(finding),
        _ => part,
    }
}

/// Why a container that is not there yet must not be started yet. One that runs is left alone.
fn waits_for(spec: &Connector, unready: &BTreeSet<String>) -> Option<Finding> {
    let consumed = spec.consumes.iter().flat_map(|consumes| &consumes.topics);
    let missing: Vec<&str> = consumed
        .filter(|topic| unready.contains(*topic))
        .map(String::as_str)
        .collect();
    (!missing.is_empty()).then(|| {
        Finding::waiting(
            Reason::WaitingForTopics,
            format!(
                "connector {} waits for topic {}",
                spec.name,
                missing.join(", ")
            ),
        )
    })
}

impl ConnectorPart {
    /// The same connector, left alone for this reason.
    #[must_use]
    pub fn held(mut self, finding: Finding) -> Self {
        self.steps.clear();
        self.status.phase = match finding.severity {
            Severity::Stalled => ConnectorPhase::Failed,
            _ => ConnectorPhase::Waiting,
        };
        self.status.reason = Some(finding.reason.as_str().to_owned());
        self.status.message.clone_from(&finding.message);
        self.findings.push(finding);
        self
    }

    /// The same connector, with these steps before its own.
    #[must_use]
    pub fn after(mut self, mut first: Vec<ConnectorStep>) -> Self {
        first.append(&mut self.steps);
        self.steps = first;
        self
    }
}
