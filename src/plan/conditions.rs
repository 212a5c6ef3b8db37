//! Conditions after kstatus: what each says, and when it last changed. A condition whose status
//! did not change keeps its transition time, whatever happens to its reason. Pure.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::{Finding, Severity};
use crate::api::common::{ConditionType, Reason};

/// Longest message that a condition carries, in bytes.
const MAX_MESSAGE: usize = 1024;

/// One condition as it should be, without its times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Which condition.
    pub kind: ConditionType,
    /// Whether it holds.
    pub holds: bool,
    /// Why.
    pub reason: Reason,
    /// Why, for a person.
    pub message: String,
}

impl Verdict {
    /// A condition that holds, or not, for this reason.
    #[must_use]
    pub fn new(
        kind: ConditionType,
        holds: bool,
        reason: Reason,
        message: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            holds,
            reason,
            message: message.into(),
        }
    }
}

/// The condition of a part: it holds when nothing graver than a note was found; else the gravest
/// finding gives the reason and all of them the message.
#[must_use]
pub fn part<'a>(
    kind: ConditionType,
    declared: bool,
    findings: impl IntoIterator<Item = &'a Finding>,
) -> Verdict {
    let mut wrong: Vec<&Finding> = findings
        .into_iter()
        .filter(|finding| finding.severity > Severity::Note)
        .collect();
    wrong.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    let Some(gravest) = wrong.first() else {
        let reason = if declared {
            Reason::AsDeclared
        } else {
            Reason::NoneDeclared
        };
        return Verdict::new(kind, true, reason, "");
    };
    let mut messages: Vec<&str> = wrong
        .iter()
        .map(|finding| finding.message.as_str())
        .collect();
    messages.dedup();
    Verdict::new(
        kind,
        false,
        gravest.reason,
        cut(&messages.join("; "), MAX_MESSAGE),
    )
}

/// The first `max` bytes of a text at most, without cutting a character.
#[must_use]
pub fn cut(text: &str, max: usize) -> String {
    if text.len() <= max {
        return text.to_owned();
    }
    let end = (0..=max)
        .rev()
        .find(|&at| text.is_char_boundary(at))
        .unwrap_or_default();
    text[..end].to_owned()
}

/// The list of conditions that these verdicts make, given the last one.
#[must_use]
pub fn conditions(
    last: &[Condition],
    verdicts: &[Verdict],
    generation: i64,
    now: Timestamp,
) -> Vec<Condition> {
    let condition = |verdict: &Verdict| {
        let status = if verdict.holds { "True" } else { "False" };
        let before = last.iter().find(|c| c.type_ == verdict.kind.as_str());
        let since = before
            .filter(|c| c.status == status)
            .map(|c| c.last_transition_time.clone());
        Condition {
            type_: verdict.kind.as_str().to_owned(),
            status: status.to_owned(),
            reason: verdict.reason.as_str().to_owned(),
            message: verdict.message.clone(),
            observed_generation: Some(generation),
            last_transition_time: since.unwrap_or(Time(whole_second(now))),
        }
    };
    verdicts.iter().map(condition).collect()
}

/// Kubernetes stores whole seconds; anything finer would look like a change when read back.
fn whole_second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn the_gravest_finding_names_the_reason() {
        let findings = [
            Finding::note(Reason::AutoCreateEnabled, "n"),
            Finding::waiting(Reason::KafkaUnreachable, "w"),
            Finding::stalled(Reason::Claimed, "s"),
        ];
        let verdict = part(ConditionType::TopicsReady, true, &findings);
        assert_eq!((verdict.holds, verdict.reason), (false, Reason::Claimed));
        assert_eq!(verdict.message, "s; w");
    }

    #[test]
    fn notes_alone_leave_a_part_ready() {
        let findings = [Finding::note(Reason::AutoCreateEnabled, "n")];
        let verdict = part(ConditionType::TopicsReady, true, &findings);
        assert_eq!((verdict.holds, verdict.reason), (true, Reason::AsDeclared));
    }

    #[test]
    fn the_transition_time_moves_only_with_the_status() {
        let kind = ConditionType::Ready;
        let first = conditions(
            &[],
            &[Verdict::new(kind, false, Reason::Progressing, "")],
            1,
            at(10),
        );
        let same = conditions(
            &first,
            &[Verdict::new(kind, false, Reason::Claimed, "x")],
            2,
            at(20),
        );
        assert_eq!(same[0].last_transition_time.0, at(10));
        let other = conditions(
            &same,
            &[Verdict::new(kind, true, Reason::AsDeclared, "")],
            2,
            at(30),
        );
        assert_eq!(other[0].last_transition_time.0, at(30));
    }

    #[test]
    fn a_cut_never_splits_a_character() {
        assert_eq!(cut("aé", 2), "a");
        assert_eq!(cut("aé", 3), "aé");
    }
}
