//! What is worth telling once: the passes' events. Transitions and changes are news, steady work and
//! numbers are not. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::{Failure, Finding, PipelinePlan, ScalingPlan, Severity, Subject, scaling::headline};
use crate::api::{
    IngestionPipelineStatus,
    common::{ConditionType, Reason},
    topics::TopicPhase,
};

/// Something worth telling once: it becomes a Kubernetes Event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Telling {
    /// Whether something is wrong.
    pub warning: bool,
    /// The stable reason.
    pub reason: Reason,
    /// What happened.
    pub message: String,
}

/// The events of a pass: conditions whose status or reason changed, replica counts that changed,
/// topics released or made again, and claims of first use.
#[must_use]
pub fn tellings(
    last: &IngestionPipelineStatus,
    next: &IngestionPipelineStatus,
    plan: &PipelinePlan,
    failures: &[Failure],
) -> Vec<Telling> {
    let mut told: Vec<Telling> = transitions(&last.conditions, &next.conditions).collect();
    told.extend(
        plan.scaling
            .iter()
            .filter_map(|(name, scaling)| rescale(name, scaling, failures)),
    );
    if let Some(look) = &plan.look {
        let released = look
            .topics
            .iter()
            .filter(|t| t.status.phase == TopicPhase::Releasing);
        told.extend(released.filter(|t| !t.steps.is_empty()).map(|t| Telling {
            warning: false,
            reason: Reason::TopicReleased,
            message: format!(
                "topic {} is no longer declared: it stays in Kafka",
                t.status.name
            ),
        }));
        told.extend(
            look.topics
                .iter()
                .flat_map(|t| &t.findings)
                .filter_map(noted),
        );
        // What is only worth saying is said once for each spec.
        if last.observed_generation != next.observed_generation {
            told.extend(look.findings.iter().filter_map(noted));
        }
    }
    told
}

/// One event for each change of `Ready` and `ScalingActive`: the conditions of the parts say the
/// same as `Ready`, and steady work is no news.
fn transitions<'a>(
    last: &'a [Condition],
    next: &'a [Condition],
) -> impl Iterator<Item = Telling> + 'a {
    const TOLD: [ConditionType; 2] = [ConditionType::Ready, ConditionType::ScalingActive];
    let changed = move |condition: &&Condition| {
        let before = last.iter().find(|c| c.type_ == condition.type_);
        !before.is_some_and(|b| b.status == condition.status && b.reason == condition.reason)
    };
    let told = |condition: &&Condition| {
        TOLD.iter().any(|kind| kind.as_str() == condition.type_) && !is_quiet(condition)
    };
    next.iter()
        .filter(told)
        .filter(changed)
        .filter_map(|condition| {
            let reason = Reason::of(&condition.reason)?;
            let holds = condition.status == "True";
            let mut message = format!("{} is {}", condition.type_, condition.status);
            if !condition.message.is_empty() {
                message = format!("{message}: {}", condition.message);
            }
            Some(Telling {
                warning: !holds || is_trouble(reason),
                reason,
                message,
            })
        })
}

/// Whether the count follows its metrics, and a person should look all the same.
const fn is_trouble(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::HotPartition
            | Reason::StuckPartitions
            | Reason::ScaleOutIneffective
            | Reason::RetentionAtRisk
    )
}

/// Whether a condition only says that work goes on, or that there is none.
fn is_quiet(condition: &Condition) -> bool {
    let quiet = [
        Reason::Progressing,
        Reason::NotConfigured,
        Reason::Suspended,
        Reason::WaitingForTopics,
        Reason::WorkersNotReady,
        Reason::PodsNotReady,
    ];
    quiet
        .iter()
        .any(|reason| reason.as_str() == condition.reason)
}

fn rescale(name: &str, scaling: &ScalingPlan, failures: &[Failure]) -> Option<Telling> {
    let decided = scaling.decided.as_ref().filter(|d| d.changes())?;
    let subject = Subject::Connector(name.to_owned());
    if failures.iter().any(|failure| failure.subject == subject) {
        return None;
    }
    let reason = if decided.to > decided.from {
        Reason::ScaledOut
    } else {
        Reason::ScaledIn
    };
    let message = headline(name, decided.from, decided.to, false, &decided.why);
    Some(Telling {
        warning: false,
        reason,
        message,
    })
}

fn noted(finding: &Finding) -> Option<Telling> {
    (finding.severity == Severity::Note).then(|| Telling {
        warning: true,
        reason: finding.reason,
        message: finding.message.clone(),
    })
}
