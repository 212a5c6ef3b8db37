//! Planning: from the spec, the last status and what was seen, to the steps to take and what to
//! say. Pure, total and synchronous: no client, no clock, no logging. Planning cannot fail, it can
//! only conclude not to act, and then it says why. Steps are absolute, so that a stale view or a
//! second run does no harm.

pub mod claims;
pub mod connectors;
pub mod names;
pub mod topics;

use std::time::Duration;

use crate::{api::common::Reason, class::Class};

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
#[derive(Clone, Debug, PartialEq, Eq)]
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
