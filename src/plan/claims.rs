//! Claims: a topic, consumer group or Connect worker group belongs to one pipeline of the
//! installation. The record is a `ConfigMap` in the operator's namespace, created atomically; what
//! it says decides who may touch the thing in Kafka. Types and words only.

use std::fmt;

use super::{Finding, Known};
use crate::api::common::Reason;

/// What a claim is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClaimKind {
    /// A topic.
    Topic,
    /// A consumer group.
    Group,
    /// The `group.id` of Connect workers, and with it their connectors and internal topics.
    Connect,
}

impl ClaimKind {
    /// The word in the record and in its name's hash.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Topic => "topic",
            Self::Group => "group",
            Self::Connect => "connect",
        }
    }
}

/// A thing outside the cluster that can be claimed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Claim {
    /// What it is.
    pub kind: ClaimKind,
    /// Its name in Kafka.
    pub name: String,
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            ClaimKind::Topic => "topic",
            ClaimKind::Group => "consumer group",
            ClaimKind::Connect => "Connect worker group",
        };
        write!(f, "{kind} {}", self.name)
    }
}

/// The pipeline that holds a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// Who holds a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClaimSeen {
    /// Nobody.
    Free,
    /// The pipeline that is being planned.
    Ours,
    /// Another pipeline.
    HeldBy(Holder),
}

/// What a connector's claim allows: go on (and take it first when it is free), or say why not.
///
/// # Errors
/// The finding that keeps the connector from being created.
pub fn admit(claim: &Claim, seen: &Known<ClaimSeen>) -> Result<bool, Finding> {
    match seen {
        Known::Value(ClaimSeen::Ours) => Ok(false),
        Known::Value(ClaimSeen::Free) => Ok(true),
        Known::Value(ClaimSeen::HeldBy(holder)) => Err(Finding::stalled(
            Reason::Claimed,
            format!(
                "{claim} belongs to pipeline {holder}: choose another name, or remove it there"
            ),
        )),
        Known::Unknown(unknown) => Err(unknown.into()),
    }
}
