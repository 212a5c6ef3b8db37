//! The end of a pipeline: what it asked to be deleted outside the cluster, and what is left behind
//! when Kafka does not answer in time. What is in the cluster goes with its owner. Pure.

use std::{collections::BTreeMap, time::Duration};

use jiff::{SignedDuration, Timestamp};

use super::{
    Finding, Known, Unknown,
    claims::{Claim, ClaimKind, ClaimSeen},
    connectors::workers,
    names,
    pipeline::Subject,
    topics::{TopicSeen, TopicView},
};
use crate::api::{
    common::Reason,
    topics::{DeletionPolicy, Management},
};

/// What was read for a deletion.
#[derive(Clone, Debug, PartialEq)]
pub struct DeletionSeen {
    /// The topics that the pipeline asked to delete, with their claims.
    pub topics: BTreeMap<String, TopicView>,
    /// Whether Connect workers still run, which would create their topics again.
    pub workers: Known<bool>,
}

/// What to do next for a deletion.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct DeletionPlan {
    /// Stop the Connect workers first.
    pub stop_workers: bool,
    /// Topics to delete now.
    pub topics: Vec<String>,
    /// Why it is not over yet.
    pub waiting: Option<Finding>,
    /// Nothing more is done: the claims are given back and the pipeline may go.
    pub done: bool,
    /// What stays in Kafka although it was to be deleted.
    pub left_behind: Vec<String>,
}

/// The topics that the pipeline asked to delete with it, and the claim that proves each its own.
#[must_use]
pub fn topics(subject: Subject<'_>) -> BTreeMap<String, Claim> {
    let spec = subject.spec;
    let own = |topic: &&crate::api::topics::Topic| {
        topic.deletion_policy == DeletionPolicy::Delete && topic.management == Management::Managed
    };
    let declared = spec.topics.iter().filter(own).map(|topic| {
        (
            topic.name.clone(),
            Claim {
                kind: ClaimKind::Topic,
                name: topic.name.clone(),
            },
        )
    });
    let connect = spec
        .connect
        .as_ref()
        .filter(|c| c.deletion_policy == DeletionPolicy::Delete);
    let group = names::worker_group(subject.pipeline, subject.settings);
    let internal = connect.into_iter().flat_map(|_| {
        let claim = Claim {
            kind: ClaimKind::Connect,
            name: group.clone(),
        };
        workers::internal_topics(&group)
            .into_iter()
            .map(move |name| (name, claim.clone()))
    });
    declared.chain(internal).collect()
}

/// Plans one pass of a deletion that was asked for at `since`.
pub fn deletion(
    subject: Subject<'_>,
    seen: &DeletionSeen,
    since: Timestamp,
    now: Timestamp,
) -> DeletionPlan {
    let wanted = topics(subject);
    let internal = |claim: &Claim| claim.kind == ClaimKind::Connect;
    let mut plan = DeletionPlan::default();
    let mut open: Vec<(&str, Option<&Unknown>)> = Vec::new();
    for (name, claim) in &wanted {
        match verdict(subject, name, seen.topics.get(name)) {
            Verdict::Gone => {}
            Verdict::NotOurs => plan.left_behind.push(name.clone()),
            Verdict::Unknown(unknown) => open.push((name, unknown)),
            Verdict::Delete if internal(claim) && seen.workers != Known::Value(false) => {
                plan.stop_workers = true;
                open.push((name, seen.workers.unknown()));
            }
            Verdict::Delete => {
                plan.topics.push(name.clone());
                open.push((name, None));
            }
        }
    }
    if open.is_empty() {
        plan.done = true;
    } else if expired(since, now, subject.settings.deletion_deadline) {
        plan.left_behind
            .extend(open.iter().map(|(name, _)| (*name).to_owned()));
        plan.topics.clear();
        plan.done = true;
    } else {
        plan.waiting = Some(waiting(&open));
    }
    plan
}

enum Verdict<'a> {
    Gone,
    NotOurs,
    Delete,
    Unknown(Option<&'a Unknown>),
}

/// A topic is deleted only while its claim is ours and its id is the recorded one: what somebody
/// made again under the same name is not ours to delete.
fn verdict<'a>(subject: Subject<'_>, name: &str, view: Option<&'a TopicView>) -> Verdict<'a> {
    let Some(view) = view else {
        return Verdict::Unknown(None);
    };
    let seen: &TopicSeen = match (&view.topic, &view.claim) {
        (Known::Unknown(unknown), _) | (_, Known::Unknown(unknown)) => {
            return Verdict::Unknown(Some(unknown));
        }
        (Known::Value(None), _) => return Verdict::Gone,
        (Known::Value(Some(_)), Known::Value(claim)) if *claim != ClaimSeen::Ours => {
            return Verdict::NotOurs;
        }
        (Known::Value(Some(seen)), Known::Value(_)) => seen,
    };
    let recorded = subject
        .last
        .topics
        .iter()
        .find(|t| t.name == name)
        .and_then(|t| t.id.as_ref());
    if recorded.is_some_and(|id| *id != seen.id) {
        Verdict::NotOurs
    } else {
        Verdict::Delete
    }
}

fn expired(since: Timestamp, now: Timestamp, deadline: Duration) -> bool {
    SignedDuration::try_from(deadline).is_ok_and(|deadline| now.duration_since(since) >= deadline)
}

fn waiting(open: &[(&str, Option<&Unknown>)]) -> Finding {
    let names: Vec<&str> = open.iter().map(|(name, _)| *name).collect();
    let names = names.join(", ");
    match open.iter().find_map(|(_, unknown)| *unknown) {
        Some(unknown) => Finding::waiting(
            unknown.reason,
            format!(
                "deletion waits to delete topic {names}: {}",
                unknown.message
            ),
        ),
        None => Finding::waiting(Reason::Deleting, format!("deleting topic {names}")),
    }
}

#[cfg(test)]
mod tests;
