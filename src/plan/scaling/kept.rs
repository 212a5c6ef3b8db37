//! What of the decisions is kept in status: those that changed the count, and what held it. Bounded,
//! and written rarely: the same decision made again says nothing new.

use super::{
    decision::{Decision, PASSES, POLICY},
    time::seconds_between,
};
use crate::api::decisions::DecisionStatus;

/// How many decisions are kept in status.
const KEPT: usize = 10;
/// How many stages of one decision are kept in status.
const KEPT_STAGES: usize = 16;
/// The most policies among them.
const KEPT_POLICIES: usize = 5;
/// Longest `by` in status, in bytes.
const BY: usize = 63;
/// Longest name of a stage in status, in bytes.
const STAGE_NAME: usize = 80;
/// Longest `why` in status, in bytes.
const WHY: usize = 512;
/// Longest reason of a stage in status, in bytes.
const STAGE_REASON: usize = 160;
/// Within how many seconds the same decision made again is taken for the same.
const AGAIN: f64 = 60.0;
/// Within how many seconds the same hold is not told again, though something else held meanwhile.
const IN_TURN: f64 = 300.0;

/// A decision of a connector in one sentence: the text of its Event, and the first line of what
/// `sluice why` tells of it.
#[must_use]
pub fn headline(connector: &str, from: i32, to: i32, is_shadow: bool, why: &str) -> String {
    let mut why = why.to_owned();
    cut(&mut why, WHY);
    match (from == to, is_shadow) {
        (true, false) => format!("connector {connector}: holds {to} replicas: {why}"),
        (true, true) => format!("connector {connector}: would hold {to} replicas: {why}"),
        (false, false) => format!("connector {connector}: {from} -> {to} replicas: {why}"),
        (false, true) => format!("connector {connector}: would go {from} -> {to} replicas: {why}"),
    }
}

/// Adds `decision` to those kept in status, newest first, when it changed the count or when
/// something else than before held it. The same hold with other numbers writes nothing, nor does a
/// decision that nobody acts on, or that could not be carried out, and is made again.
pub fn remember(decisions: &mut Vec<DecisionStatus>, decision: &Decision) {
    let again = decisions.first().is_some_and(|last| {
        let is_recent = seconds_between(last.at.0, decision.at) < AGAIN;
        (last.from, last.to, last.shadow) == (decision.from, decision.to, decision.is_shadow)
            && last.by == decision.by
            && (decision.is_shadow || is_recent)
    });
    let changed = decision.from != decision.to && !again;
    if changed || is_held_anew(decisions, decision) {
        decisions.insert(0, to_status(decision));
        decisions.truncate(KEPT);
    }
}

/// Whether something else holds the count than before, or again after a while. Two stages that
/// hold it in turn are told once each.
fn is_held_anew(decisions: &[DecisionStatus], decision: &Decision) -> bool {
    let mut holds = decisions.iter().take_while(|kept| kept.from == kept.to);
    let is_same = |kept: &DecisionStatus| kept.by == decision.by && kept.to == decision.to;
    let is_told = decisions
        .first()
        .is_some_and(|last| last.from == last.to && is_same(last))
        || holds.any(|kept| is_same(kept) && seconds_between(kept.at.0, decision.at) < IN_TURN);
    decision.is_held && !is_told
}

/// The decision within the bounds of status.
fn to_status(decision: &Decision) -> DecisionStatus {
    let mut status = decision.whole();
    let mut policies = 0;
    status.stages.retain(|stage| {
        let is_policy = stage.name.starts_with(POLICY);
        let is_winner = stage.name.strip_prefix(POLICY) == Some(decision.by.as_str());
        policies += usize::from(is_policy && !is_winner);
        !is_policy || is_winner || policies < KEPT_POLICIES
    });
    // The last stages say most: rather than them, those are left out that let everything pass.
    let mut spare = status.stages.len().saturating_sub(KEPT_STAGES);
    status.stages.retain(|stage| {
        let is_spare = spare > 0 && stage.input == stage.output && stage.reason == PASSES;
        spare -= usize::from(is_spare);
        !is_spare
    });
    status.stages.truncate(KEPT_STAGES);
    for stage in &mut status.stages {
        cut(&mut stage.name, STAGE_NAME);
        cut(&mut stage.reason, STAGE_REASON);
    }
    cut(&mut status.by, BY);
    cut(&mut status.why, WHY);
    status
}

/// Cuts the text at a character's border so that it is at most `most` bytes long.
fn cut(text: &mut String, most: usize) {
    let end = (0..=most.min(text.len()))
        .rev()
        .find(|&i| text.is_char_boundary(i));
    text.truncate(end.unwrap_or(0));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        api::common::Reason,
        plan::{
            Finding,
            scaling::{Inputs, Series, Stage},
        },
    };

    fn decision(from: i32, to: i32, by: &str, is_held: bool) -> Decision {
        Decision {
            at: "2026-01-05T10:00:00.5Z".parse().unwrap(),
            from,
            to,
            wanted: to,
            by: by.into(),
            why: "why".into(),
            stages: vec![Stage {
                name: "bounds".into(),
                input: from,
                output: to,
                reason: "é".repeat(200),
            }],
            series: Series::default(),
            inputs: Inputs::default(),
            reclaims: false,
            is_held,
            is_shadow: false,
            shadow: Vec::new(),
            active: Finding::note(Reason::Scaling, "follows"),
        }
    }

    #[test]
    fn only_changes_and_new_holds_are_kept() {
        let mut kept = Vec::new();
        for (decision, count) in [
            (decision(1, 1, "keep-up", false), 0),
            (decision(1, 6, "keep-up", false), 1),
            (decision(6, 6, "cooldown", true), 2),
            (decision(6, 6, "cooldown", true), 2),
            (decision(6, 6, "keep-up", false), 2),
            (decision(6, 6, "cooldown", true), 2),
            (decision(6, 6, "warm-up", true), 3),
            (decision(6, 4, "keep-up", false), 4),
        ] {
            remember(&mut kept, &decision);
            assert_eq!(kept.len(), count, "{decision:?}");
        }
        assert_eq!((kept[0].from, kept[0].to), (6, 4));
    }

    #[test]
    fn two_stages_that_hold_in_turn_are_told_once_in_five_minutes() {
        let mut kept = Vec::new();
        for second in 0..600 {
            let by = ["stabilization", "cooldown"][usize::from(second % 2 == 0)];
            let mut held = decision(6, 6, by, true);
            held.at += jiff::SignedDuration::from_secs(second);
            remember(&mut kept, &held);
        }
        assert_eq!(kept.len(), 4, "{kept:?}");
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut kept = Vec::new();
        for count in 1..30 {
            let mut long = decision(count, count + 1, "p29", false);
            long.stages = (0..40)
                .map(|i| Stage {
                    name: format!("policy/p{i}"),
                    ..long.stages[0].clone()
                })
                .chain(long.stages.clone())
                .collect();
            remember(&mut kept, &long);
        }
        assert_eq!((kept.len(), kept[0].to), (10, 30));
        let stages = &kept[0].stages;
        assert!(stages.len() <= 16 && stages.iter().any(|s| s.name == "policy/p29"));
        assert!(stages.iter().any(|s| s.name == "bounds"));
        assert!(stages.iter().all(|s| s.reason.len() <= 160));
        assert_eq!(kept[0].at.0.to_string(), "2026-01-05T10:00:01Z");
    }
}
