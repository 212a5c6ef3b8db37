//! Planning: from the spec, the last status and what was seen, to the steps to take and what to
//! say. Pure, total and synchronous: no client, no clock, no logging. Planning cannot fail, it can
//! only conclude not to act, and then it says why. Steps are absolute, so that a stale view or a
//! second run does no harm.

pub mod changes;
pub mod claims;
pub mod conditions;
pub mod connectors;
pub mod deletion;
pub mod names;
pub mod offline;
pub mod pipeline;
pub mod rescale;
pub mod scaling;
pub mod settle;
pub mod tellings;
pub mod topics;

use std::{collections::BTreeMap, fmt, time::Duration};

use serde::{Deserialize, Serialize};

use self::scaling::Newest;
use crate::{
    api::{
        common::Reason,
        decisions::{DecisionStatus, ScalingMemory, ShadowReplicas},
    },
    class::{Class, Security},
};

/// A value, or the reason why it is not known. What a missing value means is decided here, in
/// planning, never by the one who looked.
#[derive(Clone, Debug, PartialEq)]
pub enum Known<T> {
    /// It was read.
    Value(T),
    /// It could not be read.
    Unknown(Unknown),
}

/// Why something could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// The class of the failure.
    pub class: Class,
    /// The stable reason that conditions show.
    pub reason: Reason,
    /// What is wrong, where, and what to do; stable from pass to pass.
    pub message: String,
}

impl<T> Known<T> {
    /// The value, when there is one.
    pub const fn value(&self) -> Option<&T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Unknown(_) => None,
        }
    }

    /// Why there is no value.
    pub const fn unknown(&self) -> Option<&Unknown> {
        match self {
            Self::Value(_) => None,
            Self::Unknown(unknown) => Some(unknown),
        }
    }
}

/// The pipeline that a plan is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity<'a> {
    /// Its namespace.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Its UID, for owner references and claims.
    pub uid: &'a str,
}

/// The operator's settings that planning needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Settings {
    /// Image of Kafka Connect workers that name none.
    pub connect_image: String,
    /// Prefix of every name outside the cluster, where several clusters share a Kafka.
    pub cluster_name: Option<String>,
    /// The namespace that the operator runs in: claims live there, and only its pods may talk to
    /// the workers' REST interface.
    pub operator_namespace: String,
    /// How long an unreachable Kafka may hold a deletion.
    pub deletion_deadline: Duration,
    /// At most this often are measured numbers written into status.
    pub status_interval: Duration,
    /// The Prometheus servers that may be asked.
    #[serde(default)]
    pub prometheus_servers: Vec<String>,
}

/// The reason that a failure of Kafka's has; `security` is what of its security failed, if that is
/// what it is about.
#[must_use]
pub const fn kafka_reason(class: Class, security: Option<Security>) -> Reason {
    match (security, class) {
        (Some(Security::Credentials), _) => Reason::CredentialsInvalid,
        (Some(Security::Login), _) => Reason::AuthenticationFailed,
        (Some(Security::Rights), _) => Reason::AuthorizationFailed,
        (Some(Security::CertificateExpired), _) => Reason::CertificateExpired,
        (Some(Security::HostName), _) => Reason::CertificateHostMismatch,
        (Some(Security::Authority), _) => Reason::CertificateUntrusted,
        (Some(Security::ClientCertificate), _) => Reason::ClientCertificateRefused,
        (Some(Security::Tls), _) => Reason::TlsFailed,
        (None, Class::Down) => Reason::KafkaUnreachable,
        (None, _) => Reason::KafkaRefused,
    }
}

/// How grave a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth saying; nothing is wrong.
    Note,
    /// Not as declared yet, and expected to become so by itself.
    Waiting,
    /// Not as declared, and a person has to act.
    Stalled,
}

/// Something that planning concluded about one part, in words that tools and people can use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How grave it is.
    pub severity: Severity,
    /// The stable reason.
    pub reason: Reason,
    /// What is wrong, where (field path or object), and what to do; no changing numbers.
    pub message: String,
}

impl Finding {
    /// A finding that needs a person.
    #[must_use]
    pub fn stalled(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Stalled,
            reason,
            message: message.into(),
        }
    }

    /// A finding that is expected to pass by itself.
    #[must_use]
    pub fn waiting(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Waiting,
            reason,
            message: message.into(),
        }
    }

    /// A finding that is only worth saying.
    #[must_use]
    pub fn note(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Note,
            reason,
            message: message.into(),
        }
    }
}

impl From<&Unknown> for Finding {
    /// What cannot be read now is waited for, unless only a person can change that.
    fn from(unknown: &Unknown) -> Self {
        let severity = match unknown.class {
            Class::Invalid | Class::Denied => Severity::Stalled,
            _ => Severity::Waiting,
        };
        Self {
            severity,
            reason: unknown.reason,
            message: unknown.message.clone(),
        }
    }
}

/// The part of the pipeline that a failure is about: steps of one never hold those of another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// A topic, by name.
    Topic(String),
    /// The Connect workers.
    Workers,
    /// A connector, by name.
    Connector(String),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Topic(name) => write!(f, "topic {name}"),
            Self::Workers => f.write_str("Connect workers"),
            Self::Connector(name) => write!(f, "connector {name}"),
        }
    }
}

/// A step that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What it was about.
    pub subject: Subject,
    /// The class of the failure.
    pub class: Class,
    /// The stable reason that conditions show.
    pub reason: Reason,
    /// What is wrong, in the other side's own words where it has some.
    pub message: String,
}

/// What to do and say about one pipeline in one pass.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct PipelinePlan {
    /// The Kafka cluster's id, pinned from now on.
    pub cluster_id: Option<String>,
    /// Whether the pipeline is stopped by `spec.suspend`.
    pub suspended: bool,
    /// Topics and connectors, when everything was looked at.
    pub look: Option<Look>,
    /// Connectors that were sampled.
    pub scaling: BTreeMap<String, ScalingPlan>,
    /// For every connector with `autoscaling`, whether it is followed and why not.
    pub autoscaled: settle::Autoscaled,
}

impl PipelinePlan {
    /// Whether there is anything to carry out for topics and connectors.
    #[must_use]
    pub fn has_steps(&self) -> bool {
        self.look.as_ref().is_some_and(|look| {
            let topics = look.topics.iter().any(|topic| !topic.steps.is_empty());
            let connectors = look.connectors.iter().any(|part| !part.steps.is_empty());
            topics
                || connectors
                || !look.workers.steps.is_empty()
                || !look.workers.removals.is_empty()
        })
    }
}

/// Topics and connectors.
#[derive(Clone, Debug, Default)]
pub struct Look {
    /// What concerns the pipeline as a whole.
    pub findings: Vec<Finding>,
    /// Every topic.
    pub topics: Vec<topics::TopicPlan>,
    /// The Connect workers.
    pub workers: connectors::part::WorkersPart,
    /// Every connector.
    pub connectors: Vec<connectors::part::ConnectorPart>,
}

/// One sampled connector.
#[derive(Clone, Debug, Default)]
pub struct ScalingPlan {
    /// Measured numbers; none where they are not known.
    pub series: Numbers,
    /// Observed pods.
    pub replicas: Option<i32>,
    /// Observed pods that are ready.
    pub ready: Option<i32>,
    /// What the autoscaler decided, where it is asked.
    pub decided: Option<Decided>,
    /// What was seen and decided, whole, for those who ask the operator itself.
    pub newest: Option<Newest>,
}

/// Measured numbers of one connector.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Numbers {
    /// Unread records.
    pub lag: Option<i64>,
    /// Seconds since the oldest unread record arrived.
    pub time_lag_seconds: Option<i64>,
    /// Records that arrive per second.
    pub arrival_rate: Option<f64>,
    /// Records that are processed per second.
    pub consume_rate: Option<f64>,
}

/// A decision of the autoscaler, ready to carry out and to tell.
#[derive(Clone, Debug, PartialEq)]
pub struct Decided {
    /// The Deployment.
    pub deployment: String,
    /// Count before.
    pub from: i32,
    /// Count after.
    pub to: i32,
    /// Whether it is carried out.
    pub acts: bool,
    /// Whether it is written also where the count stays: somebody else has set it before.
    pub reclaims: bool,
    /// Why scaling acts or not.
    pub reason: Reason,
    /// The same for a person, in words that stay while it does.
    pub active: String,
    /// Why this count, in one sentence for a person.
    pub why: String,
    /// The decisions to keep in status, newest first.
    pub decisions: Vec<DecisionStatus>,
    /// What must survive a restart.
    pub memory: ScalingMemory,
    /// The count that would be wanted, where nobody acts.
    pub shadow_replicas: Option<i32>,
    /// What the policies that play no part would have done.
    pub shadow: Vec<ShadowReplicas>,
}

impl Decided {
    /// Whether the count of the Deployment is changed.
    #[must_use]
    pub const fn changes(&self) -> bool {
        self.acts && self.from != self.to
    }

    /// Whether the count is written.
    #[must_use]
    pub const fn writes(&self) -> bool {
        self.acts && (self.from != self.to || self.reclaims)
    }
}
