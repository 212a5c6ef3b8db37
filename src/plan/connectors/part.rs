//! What the runtimes have in common once planned: status, findings and steps of one connector, or
//! of the Connect workers. A connector that is held gets no step and says why.

use super::{connect::ConnectStep, container::ContainerStep, workers::WorkersStep};
use crate::{
    api::connectors::{ConnectorPhase, ConnectorStatus},
    plan::{Finding, Severity, claims::Claim},
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
    /// Whether it is there already.
    pub exists: bool,
}

/// What to do and say about the Connect workers, and about what is left of connectors that are no
/// longer declared.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WorkersPart {
    /// What was concluded.
    pub findings: Vec<Finding>,
    /// Writes of the workers' objects.
    pub steps: Vec<WorkersStep>,
    /// Requests to Connect and writes to Deployments that concern no declared connector.
    pub removals: Vec<ConnectorStep>,
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
