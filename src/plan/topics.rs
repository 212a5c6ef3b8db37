//! Topics: from what is declared and what was seen in Kafka to what to claim, create, grow,
//! configure or let go. A topic with anything that must be refused gets no step at all, so that
//! nothing is ever half-done. Pure.

use std::collections::BTreeMap;

use super::{
    Finding, Known, Severity,
    claims::{ClaimSeen, Holder},
};
use crate::api::{
    common::Reason,
    topics::{Adopt, ConfigPolicy, Management, Topic, TopicPhase, TopicStatus},
};

/// Kafka's key for `minInSyncReplicas`.
pub const MIN_IN_SYNC: &str = "min.insync.replicas";

/// A topic as it is in Kafka.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicSeen {
    /// Kafka's topic id, as base64.
    pub id: String,
    /// Number of partitions.
    pub partitions: i32,
    /// Replicas of each partition; none while partitions differ.
    pub replication_factor: Option<i16>,
    /// Partitions with fewer in-sync replicas than replicas.
    pub under_replicated: i32,
    /// Effective configuration by key.
    pub config: BTreeMap<String, ConfigSeen>,
}

impl TopicSeen {
    /// How long, in seconds, the topic keeps records by their age; none: for ever, or not known.
    /// With compaction alone Kafka deletes nothing for its age.
    #[must_use]
    pub fn retention_seconds(&self) -> Option<i64> {
        let value = |key: &str| self.config.get(key)?.value.as_deref();
        let deletes = value("cleanup.policy").is_none_or(|policy| policy.contains("delete"));
        let milliseconds = value("retention.ms").and_then(|ms| ms.parse::<i64>().ok());
        milliseconds
            .filter(|&ms| deletes && ms >= 0)
            .map(|ms| ms / 1000)
    }
}

/// One effective configuration value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigSeen {
    /// The value; none where Kafka hides it.
    pub value: Option<String>,
    /// Whether it comes from anywhere but the topic itself.
    pub default: bool,
}

/// What was read about one topic in one pass.
#[derive(Clone, Debug, PartialEq)]
pub struct TopicView {
    /// The topic, or nothing where it does not exist.
    pub topic: Known<Option<TopicSeen>>,
    /// Who holds its claim. Not read for observed topics.
    pub claim: Known<ClaimSeen>,
}

/// One absolute step towards a topic, in the order in which they are carried out.
#[derive(Clone, Debug, PartialEq)]
pub enum TopicStep {
    /// Take the claim.
    Claim,
    /// Create the topic as declared.
    Create(Box<Topic>),
    /// Raise the number of partitions to this.
    Grow(i32),
    /// Set keys (`Some`) or give them back to the broker's default (`None`); no other key changes.
    Configure(BTreeMap<String, Option<String>>),
    /// Delete the topic, after a last look that the id is still this one.
    Delete {
        /// The topic id that may be deleted.
        id: String,
    },
    /// Give the claim back.
    Release,
}

/// What to do and say about one topic.
#[derive(Clone, Debug, PartialEq)]
pub struct TopicPlan {
    /// The topic as seen.
    pub status: TopicStatus,
    /// Steps in order; a failure stops those behind it.
    pub steps: Vec<TopicStep>,
    /// What was concluded.
    pub findings: Vec<Finding>,
}

impl TopicPlan {
    fn new(spec: &Topic, seen: Option<&TopicSeen>) -> Self {
        let status = TopicStatus {
            name: spec.name.clone(),
            deletion_policy: spec.deletion_policy,
            ..seen.map(observed).unwrap_or_default()
        };
        Self {
            status,
            steps: Vec::new(),
            findings: Vec::new(),
        }
    }

    /// Ends the plan: ready when nothing is left to do and nothing is wrong.
    fn concluded(mut self) -> Self {
        let worst = self.findings.iter().max_by_key(|finding| finding.severity);
        let wrong = worst.filter(|finding| finding.severity > Severity::Note);
        self.status.phase = match wrong {
            None if self.steps.is_empty() => TopicPhase::Ready,
            _ => TopicPhase::Waiting,
        };
        if let Some(finding) = wrong {
            self.status.reason = Some(finding.reason.as_str().to_owned());
            self.status.message.clone_from(&finding.message);
        }
        self
    }

    fn finding(mut self, finding: Finding) -> Self {
        self.findings.push(finding);
        self
    }
}

/// The part of a status that is only observation.
fn observed(seen: &TopicSeen) -> TopicStatus {
    let min_in_sync = seen.config.get(MIN_IN_SYNC).and_then(|c| c.value.as_ref());
    TopicStatus {
        id: Some(seen.id.clone()),
        partitions: Some(seen.partitions),
        replication_factor: seen.replication_factor,
        min_in_sync_replicas: min_in_sync.and_then(|value| value.parse().ok()),
        under_replicated: Some(seen.under_replicated),
        ..TopicStatus::default()
    }
}

/// Plans one declared topic. `last` is its entry in the last status.
#[must_use]
pub fn topic(spec: &Topic, view: &TopicView, last: Option<&TopicStatus>) -> TopicPlan {
    let seen = match &view.topic {
        Known::Unknown(unknown) => return unreadable(spec, last, unknown.into()),
        Known::Value(seen) => seen.as_ref(),
    };
    let plan = TopicPlan::new(spec, seen);
    if spec.management == Management::Observed {
        return observe_only(spec, seen, plan).concluded();
    }
    let ours = match &view.claim {
        Known::Unknown(unknown) => return plan.finding(unknown.into()).concluded(),
        Known::Value(ClaimSeen::HeldBy(holder)) => {
            return plan.finding(claimed(&spec.name, holder)).concluded();
        }
        Known::Value(ClaimSeen::Ours) => true,
        Known::Value(ClaimSeen::Free) => false,
    };
    match seen {
        None => create(spec, ours, plan),
        Some(seen) if ours => maintain(spec, seen, recreated(seen, last, plan)),
        Some(seen) => adopt(spec, seen, plan),
    }
    .concluded()
}

/// Nothing is known now: the last observation stays, with why it is old.
fn unreadable(spec: &Topic, last: Option<&TopicStatus>, finding: Finding) -> TopicPlan {
    let mut plan = TopicPlan::new(spec, None);
    if let Some(last) = last {
        plan.status = TopicStatus {
            deletion_policy: spec.deletion_policy,
            ..last.clone()
        };
    }
    plan.finding(finding).concluded()
}

fn observe_only(spec: &Topic, seen: Option<&TopicSeen>, plan: TopicPlan) -> TopicPlan {
    if seen.is_some() {
        return plan;
    }
    plan.finding(Finding::waiting(
        Reason::TopicMissing,
        format!(
            "topic {} does not exist and is only observed: its owner has to create it, or set \
             management: Managed",
            spec.name
        ),
    ))
}

fn claimed(name: &str, holder: &Holder) -> Finding {
    Finding::stalled(
        Reason::Claimed,
        format!(
            "topic {name} belongs to pipeline {holder}: remove it from one of the two, or list it \
             here with management: Observed"
        ),
    )
}

fn create(spec: &Topic, ours: bool, mut plan: TopicPlan) -> TopicPlan {
    if !ours {
        plan.steps.push(TopicStep::Claim);
    }
    plan.steps.push(TopicStep::Create(Box::new(spec.clone())));
    plan
}

/// Somebody deleted the topic and created it again behind our back: worth saying, nothing else.
fn recreated(seen: &TopicSeen, last: Option<&TopicStatus>, plan: TopicPlan) -> TopicPlan {
    match last.and_then(|last| last.id.as_ref()) {
        Some(id) if *id != seen.id => plan.finding(Finding::note(
            Reason::TopicRecreated,
            format!(
                "topic {} was deleted and created again outside Sluice: id {id} became {}",
                last.map(|last| last.name.as_str()).unwrap_or_default(),
                seen.id
            ),
        )),
        _ => plan,
    }
}

fn adopt(spec: &Topic, seen: &TopicSeen, mut plan: TopicPlan) -> TopicPlan {
    let differences = differences(spec, seen);
    let refuse = match spec.adopt {
        Adopt::Never => Some("adopt: Never forbids to take it over".to_owned()),
        Adopt::IfEqual if !differences.is_empty() => Some(format!(
            "adopt: IfEqual takes it over only without differences, and {} differs",
            differences.join(", ")
        )),
        _ => None,
    };
    if let Some(why) = refuse {
        let name = &spec.name;
        return plan.finding(Finding::stalled(
            Reason::TopicExists,
            format!(
                "topic {name} is already there; {why}: change the spec to match, set adopt: \
                 Always, or use management: Observed"
            ),
        ));
    }
    plan.steps.push(TopicStep::Claim);
    maintain(spec, seen, plan)
}

/// The fields in which a live topic differs from its declaration, each as `field (live, spec)`.
fn differences(spec: &Topic, seen: &TopicSeen) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(partitions) = spec.partitions.filter(|p| *p != seen.partitions) {
        found.push(format!(
            "partitions ({} in Kafka, {partitions} in the spec)",
            seen.partitions
        ));
    }
    if let Some(factor) = spec
        .replication_factor
        .filter(|f| Some(*f) != seen.replication_factor)
    {
        let live = seen
            .replication_factor
            .map_or("mixed".to_owned(), |f| f.to_string());
        found.push(format!(
            "replicationFactor ({live} in Kafka, {factor} in the spec)"
        ));
    }
    found.extend(
        configuration(spec, seen)
            .into_keys()
            .map(|key| format!("config[{key}]")),
    );
    found
}

/// Repairs drift of a topic that is ours; refused as a whole where a part cannot be done.
fn maintain(spec: &Topic, seen: &TopicSeen, mut plan: TopicPlan) -> TopicPlan {
    if let Some(refusal) = shrinks(spec, seen).or_else(|| other_factor(spec, seen)) {
        plan.steps.clear();
        return plan.finding(refusal);
    }
    if let Some(partitions) = spec.partitions.filter(|p| *p > seen.partitions) {
        plan.steps.push(TopicStep::Grow(partitions));
    }
    let changes = configuration(spec, seen);
    if !changes.is_empty() {
        plan.steps.push(TopicStep::Configure(changes));
    }
    plan
}

fn shrinks(spec: &Topic, seen: &TopicSeen) -> Option<Finding> {
    let wanted = spec.partitions.filter(|p| *p < seen.partitions)?;
    Some(Finding::stalled(
        Reason::PartitionsCannotShrink,
        format!(
            "topic {}: partitions is {wanted} and Kafka has {}; partitions cannot shrink, set it \
             to {} or more",
            spec.name, seen.partitions, seen.partitions
        ),
    ))
}

fn other_factor(spec: &Topic, seen: &TopicSeen) -> Option<Finding> {
    // Mixed factors mean a reassignment by somebody else is under way: not ours to judge.
    let live = seen.replication_factor?;
    let wanted = spec.replication_factor.filter(|f| *f != live)?;
    Some(Finding::stalled(
        Reason::ReplicationFactorDiffers,
        format!(
            "topic {}: replicationFactor is {wanted} and Kafka has {live}; a live topic keeps its \
             factor, set it to {live} or reassign the partitions with Kafka's own tools",
            spec.name
        ),
    ))
}

/// The declared keys, `minInSyncReplicas` among them, under Kafka's names.
#[must_use]
pub fn declared_config(spec: &Topic) -> BTreeMap<String, String> {
    let mut config = spec.config.clone();
    if let Some(replicas) = spec.min_in_sync_replicas {
        config.insert(MIN_IN_SYNC.to_owned(), replicas.to_string());
    }
    config
}

/// The keys to set or to give back so that the topic's configuration is as declared.
fn configuration(spec: &Topic, seen: &TopicSeen) -> BTreeMap<String, Option<String>> {
    let declared = declared_config(spec);
    let mut changes = BTreeMap::new();
    if spec.config_policy == ConfigPolicy::Exclusive {
        let foreign = seen
            .config
            .iter()
            .filter(|(key, c)| !c.default && !declared.contains_key(*key));
        changes.extend(foreign.map(|(key, _)| (key.clone(), None)));
    }
    for (key, value) in declared {
        let live = seen.config.get(&key).and_then(|c| c.value.as_deref());
        if !live.is_some_and(|live| same_value(live, &value)) {
            changes.insert(key, Some(value));
        }
    }
    changes
}

/// Kafka answers with its own spelling of numbers, booleans and lists; a difference in spelling
/// alone must not be written again on every pass.
fn same_value(live: &str, declared: &str) -> bool {
    let normal = |text: &str| text.split(',').map(str::trim).collect::<Vec<_>>().join(",");
    if normal(live).eq_ignore_ascii_case(&normal(declared)) {
        return true;
    }
    matches!((live.trim().parse::<f64>(), declared.trim().parse::<f64>()), (Ok(a), Ok(b)) if (a - b).abs() < f64::EPSILON)
}

/// Plans a topic that is in the last status and no longer declared: the claim is given back, the
/// topic stays in Kafka.
#[must_use]
pub fn released(last: &TopicStatus, claim: &Known<ClaimSeen>) -> Option<TopicPlan> {
    let mut status = last.clone();
    status.phase = TopicPhase::Releasing;
    let (steps, findings) = match claim {
        Known::Value(ClaimSeen::Ours) => (vec![TopicStep::Release], Vec::new()),
        Known::Value(_) => return None,
        Known::Unknown(unknown) => (Vec::new(), vec![unknown.into()]),
    };
    Some(TopicPlan {
        status,
        steps,
        findings,
    })
}

/// Plans the deletion of one topic that a person named together with its id.
///
/// Nothing happens unless the topic has that very id, is not declared, and nobody else holds it.
#[must_use]
pub fn deleted_by_request(id: &str, view: &TopicView) -> Vec<TopicStep> {
    let seen = view.topic.value().and_then(Option::as_ref);
    let held = matches!(
        view.claim,
        Known::Unknown(_) | Known::Value(ClaimSeen::HeldBy(_))
    );
    match seen {
        Some(seen) if seen.id == id && !held => vec![TopicStep::Delete { id: id.to_owned() }],
        _ => Vec::new(),
    }
}

/// Splits the value of the annotation `sluice.dev/delete-topic`, `<name>@<id>`.
#[must_use]
pub fn delete_request(annotation: &str) -> Option<(&str, &str)> {
    annotation
        .split_once('@')
        .filter(|(name, id)| !name.is_empty() && !id.is_empty())
}

#[cfg(test)]
mod tests;
