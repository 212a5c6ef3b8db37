//! Settling: from the last status, the plan and what failed in carrying it out, to the new status.
//! A part that was not looked at keeps its last status. Pure.

mod worth;

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

pub use self::worth::{numbers, rounded, structure};
use super::{
    Decided, Failure, Finding, Look, PipelinePlan, ScalingPlan, Severity, Subject,
    conditions::{self, Verdict, cut},
};
use crate::{
    api::{
        IngestionPipelineStatus,
        common::{ConditionType, Reason},
        connectors::{ConnectorPhase, ConnectorStatus},
        pipeline::Summary,
        topics::{TopicPhase, TopicStatus},
    },
    class::Class,
};

/// Longest message of a topic or connector, in bytes.
const MAX_MESSAGE: usize = 1024;

/// The new status.
#[must_use]
pub fn status(
    last: &IngestionPipelineStatus,
    plan: &PipelinePlan,
    failures: &[Failure],
    generation: i64,
    now: Timestamp,
) -> IngestionPipelineStatus {
    let mut next = last.clone();
    if plan.cluster_id.is_some() {
        next.cluster_id.clone_from(&plan.cluster_id);
    }
    if let Some(look) = &plan.look {
        next.observed_generation = generation;
        next.topics = topics(look, failures);
        next.connectors = connectors(look, &last.connectors, failures);
    }
    for (name, scaling) in &plan.scaling {
        if let Some(connector) = next.connectors.iter_mut().find(|c| c.name == *name) {
            measured(connector, scaling);
        }
    }
    next.summary = Some(summary(&next));
    next.conditions = verdicts(&last.conditions, plan, failures, generation, now);
    next
}

/// The status that is written before a decision is carried out, where one changes a count: the last
/// one, with the decision and what must be remembered of it. An operator that ends in between has
/// then not forgotten that it decided, and one that decided on an old view of the object is refused
/// before it acts.
#[must_use]
pub fn ahead(
    last: &IngestionPipelineStatus,
    plan: &PipelinePlan,
) -> Option<IngestionPipelineStatus> {
    let mut next = last.clone();
    let mut acts = false;
    for (name, scaling) in &plan.scaling {
        let changes = scaling.decided.as_ref().is_some_and(Decided::changes);
        if let Some(connector) = next.connectors.iter_mut().find(|c| c.name == *name) {
            measured(connector, scaling);
            acts |= changes;
        }
    }
    next.summary = Some(summary(&next));
    acts.then_some(next)
}

fn topics(look: &Look, failures: &[Failure]) -> Vec<TopicStatus> {
    let settled = |plan: &super::topics::TopicPlan| {
        let mut status = plan.status.clone();
        if let Some(failure) = failed(failures, &Subject::Topic(status.name.clone())) {
            status.phase = TopicPhase::Waiting;
            status.reason = Some(failure.reason.as_str().to_owned());
            status.message = cut(&failure.message, MAX_MESSAGE);
        }
        status
    };
    look.topics.iter().map(settled).collect()
}

fn connectors(look: &Look, last: &[ConnectorStatus], failures: &[Failure]) -> Vec<ConnectorStatus> {
    let settled = |part: &super::connectors::part::ConnectorPart| {
        let mut status = part.status.clone();
        if let Some(before) = last.iter().find(|c| c.name == status.name) {
            carry_measured(before, &mut status);
        }
        if let Some(failure) = failed(failures, &Subject::Connector(status.name.clone())) {
            status.phase = ConnectorPhase::Waiting;
            status.reason = Some(failure.reason.as_str().to_owned());
            status.message = cut(&failure.message, MAX_MESSAGE);
        }
        status
    };
    look.connectors.iter().map(settled).collect()
}

fn failed<'a>(failures: &'a [Failure], subject: &Subject) -> Option<&'a Failure> {
    failures.iter().find(|failure| failure.subject == *subject)
}

/// What only a sample can say stays until the next sample says otherwise.
fn carry_measured(before: &ConnectorStatus, status: &mut ConnectorStatus) {
    status.lag = before.lag;
    status.time_lag_seconds = before.time_lag_seconds;
    status.arrival_rate = before.arrival_rate;
    status.consume_rate = before.consume_rate;
    status.scaling_reason.clone_from(&before.scaling_reason);
    status.shadow_replicas = before.shadow_replicas;
    status.shadow.clone_from(&before.shadow);
    status.decisions.clone_from(&before.decisions);
    status.memory.clone_from(&before.memory);
}

/// Puts one sample's numbers and decision into a connector's status.
fn measured(connector: &mut ConnectorStatus, scaling: &ScalingPlan) {
    let series = &scaling.series;
    connector.lag = series.lag;
    connector.time_lag_seconds = series.time_lag_seconds;
    connector.arrival_rate = series.arrival_rate;
    connector.consume_rate = series.consume_rate;
    connector.replicas = scaling.replicas.or(connector.replicas);
    connector.ready_replicas = scaling.ready.or(connector.ready_replicas);
    if let Some(decided) = &scaling.decided {
        // A count that is held is not what is wanted: while suspended the one before is remembered.
        if decided.acts {
            connector.desired_replicas = Some(decided.to);
        }
        connector.scaling_reason = Some(decided.reason.as_str().to_owned());
        connector.shadow_replicas = decided.shadow_replicas;
        connector.shadow.clone_from(&decided.shadow);
        connector.decisions.clone_from(&decided.decisions);
        connector.memory = Some(decided.memory.clone());
    }
}

fn summary(status: &IngestionPipelineStatus) -> Summary {
    let declared = || {
        status
            .topics
            .iter()
            .filter(|t| t.phase != TopicPhase::Releasing)
    };
    let ready = declared().filter(|t| t.phase == TopicPhase::Ready).count();
    let replicas: Vec<i32> = status
        .connectors
        .iter()
        .filter_map(|c| c.replicas)
        .collect();
    let lags: Vec<i64> = status.connectors.iter().filter_map(|c| c.lag).collect();
    Summary {
        topics: format!("{ready}/{}", declared().count()),
        replicas: (!replicas.is_empty()).then(|| replicas.iter().sum()),
        lag: (!lags.is_empty()).then(|| lags.iter().sum()),
        time_lag_seconds: status
            .connectors
            .iter()
            .filter_map(|c| c.time_lag_seconds)
            .max(),
    }
}

fn verdicts(
    last: &[Condition],
    plan: &PipelinePlan,
    failures: &[Failure],
    generation: i64,
    now: Timestamp,
) -> Vec<Condition> {
    let Some(look) = &plan.look else {
        return rescaled(last, plan, generation, now);
    };
    let failed: Vec<(Subject, Finding)> = failures
        .iter()
        .map(|f| (f.subject.clone(), Finding::from(f)))
        .collect();
    let about = |wanted: fn(&Subject) -> bool| {
        failed
            .iter()
            .filter(move |(subject, _)| wanted(subject))
            .map(|(_, finding)| finding)
    };
    let topic_findings = || {
        let found = look.topics.iter().flat_map(|t| &t.findings);
        found
            .chain(&look.findings)
            .chain(about(|s| matches!(s, Subject::Topic(_))))
    };
    let connector_findings = || {
        let found = look.connectors.iter().flat_map(|c| &c.findings);
        found.chain(about(|s| {
            matches!(s, Subject::Connector(_) | Subject::Workers)
        }))
    };
    let topics = conditions::part(
        ConditionType::TopicsReady,
        !look.topics.is_empty(),
        topic_findings(),
    );
    let connectors = conditions::part(
        ConditionType::ConnectorsReady,
        !look.connectors.is_empty(),
        connector_findings(),
    );
    let gravest = topic_findings()
        .chain(connector_findings())
        .map(|f| f.severity)
        .max()
        .unwrap_or(Severity::Note);
    let mut verdicts = overall(last, plan, &topics, &connectors, gravest);
    verdicts.extend([topics, connectors, scaling(plan)]);
    conditions::conditions(last, &verdicts, generation, now)
}

/// A pass that only sampled: every condition but `ScalingActive` stays.
fn rescaled(
    last: &[Condition],
    plan: &PipelinePlan,
    generation: i64,
    now: Timestamp,
) -> Vec<Condition> {
    let name = ConditionType::ScalingActive.as_str();
    let fresh = conditions::conditions(last, &[scaling(plan)], generation, now);
    let keep = |c: &Condition| {
        if c.type_ == name {
            fresh[0].clone()
        } else {
            c.clone()
        }
    };
    last.iter().map(keep).collect()
}

fn overall(
    last: &[Condition],
    plan: &PipelinePlan,
    topics: &Verdict,
    connectors: &Verdict,
    gravest: Severity,
) -> Vec<Verdict> {
    let wrong = [topics, connectors].into_iter().find(|part| !part.holds);
    let working = plan.has_steps();
    let ready = match wrong {
        _ if plan.suspended => kept(last),
        Some(part) => Verdict::new(
            ConditionType::Ready,
            false,
            part.reason,
            part.message.clone(),
        ),
        None if working => Verdict::new(
            ConditionType::Ready,
            false,
            Reason::Progressing,
            "changes are being made",
        ),
        None => Verdict::new(ConditionType::Ready, true, Reason::AsDeclared, ""),
    };
    let (reason, message) = (ready.reason, ready.message.clone());
    let mut verdicts = vec![ready];
    // kstatus: these two exist only while they hold.
    if gravest == Severity::Stalled {
        verdicts.push(Verdict::new(ConditionType::Stalled, true, reason, message));
    } else if working || gravest == Severity::Waiting {
        verdicts.push(Verdict::new(
            ConditionType::Reconciling,
            true,
            reason,
            message,
        ));
    }
    if plan.suspended {
        let message =
            "spec.suspend is true: pods are at 0 and connectors stopped; set it to false to resume";
        verdicts.push(Verdict::new(
            ConditionType::Suspended,
            true,
            Reason::Suspended,
            message,
        ));
    }
    verdicts
}

/// A suspended pipeline keeps its last truth.
fn kept(last: &[Condition]) -> Verdict {
    let before = last
        .iter()
        .find(|c| c.type_ == ConditionType::Ready.as_str());
    let holds = before.is_some_and(|c| c.status == "True");
    Verdict::new(
        ConditionType::Ready,
        holds,
        Reason::Suspended,
        "stopped by spec.suspend",
    )
}

/// `ScalingActive` holds when every autoscaled connector is followed.
fn scaling(plan: &PipelinePlan) -> Verdict {
    let kind = ConditionType::ScalingActive;
    if plan.suspended {
        return Verdict::new(kind, false, Reason::Suspended, "stopped by spec.suspend");
    }
    if plan.autoscaled.is_empty() {
        let message = "no connector has an autoscaling block";
        return Verdict::new(kind, false, Reason::NotConfigured, message);
    }
    let held = plan
        .autoscaled
        .iter()
        .find(|(_, (reason, _))| !follows(*reason));
    match held {
        Some((name, (reason, message))) => {
            Verdict::new(kind, false, *reason, format!("connector {name}: {message}"))
        }
        None => noteworthy(plan).unwrap_or_else(|| {
            Verdict::new(kind, true, Reason::Scaling, "replicas follow the metrics")
        }),
    }
}

/// What a person should know of a connector that follows its metrics: of several, first that records
/// are about to be lost.
fn noteworthy(plan: &PipelinePlan) -> Option<Verdict> {
    let told = plan.autoscaled.iter().filter(|(_, (reason, message))| {
        !matches!(reason, Reason::Scaling | Reason::Progressing) && !message.is_empty()
    });
    let is_less = |reason: Reason| reason != Reason::RetentionAtRisk;
    let (name, (reason, message)) = told.min_by_key(|(_, (reason, _))| is_less(*reason))?;
    let message = format!("connector {name}: {message}");
    Some(Verdict::new(
        ConditionType::ScalingActive,
        true,
        *reason,
        message,
    ))
}

/// Whether a count that is held for this reason still follows its metrics.
#[must_use]
pub const fn follows(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::Scaling
            | Reason::PartitionLimited
            | Reason::AtMaximum
            | Reason::Progressing
            | Reason::ScalingSuspended
            | Reason::Overridden
            | Reason::OffsetsExpiring
            | Reason::HotPartition
            | Reason::StuckPartitions
            | Reason::ScaleOutIneffective
            | Reason::RetentionAtRisk
    )
}

impl From<&Failure> for Finding {
    /// A step that can never succeed as declared needs a person; any other is tried again.
    fn from(failure: &Failure) -> Self {
        let severity = match failure.class {
            Class::Invalid | Class::Denied => Severity::Stalled,
            _ => Severity::Waiting,
        };
        Self {
            severity,
            reason: failure.reason,
            message: failure.message.clone(),
        }
    }
}

/// What every connector's `ScalingActive` says, by connector.
pub type Autoscaled = BTreeMap<String, (Reason, String)>;

#[cfg(test)]
mod tests;
