//! A decision with its reasons: every stage's input, output and words, and what of it is kept in
//! status. Written once per sample, kept only when the count changed or something else held it.

use std::{cmp::Ordering, fmt::Write as _};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::{Deserialize, Serialize};

use super::{
    observation::GroupState,
    series::Series,
    time::{seconds_between, whole_second},
};
use crate::{
    api::{
        decisions::{DecisionStatus, LearntCapacity, ShadowReplicas, StageStatus},
        policies::LAG,
    },
    plan::Finding,
};

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
/// The stages of a decision, but for those of the policies, in order.
pub const STAGES: [&str; 16] = [
    "series",
    "activation",
    "combined",
    "profile and schedule",
    "partitions",
    "known lag",
    "behind target",
    "rehearsal",
    "stabilization",
    "step limits",
    "cooldown",
    "warm-up",
    "suspension",
    "override",
    "rebalance gate",
    "bounds",
];
/// What a stage says that had nothing to say.
pub const PASSES: &str = "passes";
/// How the stage of a policy begins.
const POLICY: &str = "policy/";

/// What was decided for one connector, from one observation.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// When.
    pub at: Timestamp,
    /// The count that was asked for before.
    pub from: i32,
    /// The count that is to be asked for.
    pub to: i32,
    /// The count that the policies want together, before bounds and steadiness.
    pub wanted: i32,
    /// The policy that wanted it, or the stage that held it.
    pub by: String,
    /// One sentence for a person, with numbers.
    pub why: String,
    /// Every stage in order.
    pub stages: Vec<Stage>,
    /// The series that it rests on.
    pub series: Series,
    /// What else it rests on.
    pub inputs: Inputs,
    /// Whether a stage kept the count from what a policy wanted.
    pub is_held: bool,
    /// Whether it is only shown: nobody acts on it.
    pub is_shadow: bool,
    /// What the policies that play no part would have done.
    pub shadow: Vec<ShadowReplicas>,
    /// For the condition `ScalingActive`: true with a note, false with anything graver.
    pub active: Finding,
}

/// What a decision rests on beside its series.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Inputs {
    /// Pods ready.
    pub ready: i32,
    /// The state of the group.
    pub group: GroupState,
    /// What one pod can process, as far as it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<LearntCapacity>,
    /// Partitions of each topic that the group reads, by the topic's name.
    pub partitions: Vec<i32>,
    /// The fewest pods, by what is in force at this moment.
    pub min_replicas: i32,
    /// The most pods.
    pub max_replicas: i32,
}

impl Inputs {
    /// In one line, after the values of the series.
    pub fn describe(&self, series: &Series) -> String {
        let known = |value: Option<f64>| value.map_or_else(|| "unknown".to_owned(), amount);
        let mut text = format!("lag {}", known(series.value(LAG)));
        for (value, words) in [
            (series.time_lag, " s behind"),
            (series.arrival_rate, "/s arrive"),
            (series.consume_rate, "/s processed"),
        ] {
            if let Some(value) = value {
                let _ = write!(text, ", {}{words}", amount(value));
            }
        }
        if let Some(capacity) = &self.capacity {
            let least = if capacity.samples == 0 {
                " at least"
            } else {
                ""
            };
            let rate = amount(capacity.per_replica);
            let _ = write!(text, "; {rate}/s a replica{least}");
        }
        let partitions: Vec<String> = self.partitions.iter().map(ToString::to_string).collect();
        let (min, max) = (self.min_replicas, self.max_replicas);
        let _ = write!(
            text,
            "; {} partitions; {min} to {max} replicas",
            partitions.join("+")
        );
        for (name, other) in &series.others {
            let _ = write!(text, "; {name} {}", known(*other));
        }
        text
    }
}

/// One stage of a decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stage {
    /// Its name; a policy's is `policy/` and the policy's name.
    pub name: String,
    /// Count before the stage.
    pub input: i32,
    /// Count after the stage.
    pub output: i32,
    /// Why they differ, or why not.
    pub reason: String,
}

/// The stages as they come.
#[derive(Debug)]
pub struct Trace {
    from: i32,
    value: i32,
    stages: Vec<Stage>,
}

impl Trace {
    /// A trace that begins with the count that is asked for now.
    pub const fn begin(from: i32) -> Self {
        Self {
            from,
            value: from,
            stages: Vec::new(),
        }
    }

    /// The count so far.
    pub const fn value(&self) -> i32 {
        self.value
    }

    /// The count that is asked for now.
    pub const fn from(&self) -> i32 {
        self.from
    }

    /// Whether the count so far adds pods.
    pub const fn is_scale_out(&self) -> bool {
        self.value > self.from
    }

    /// Whether the count so far removes pods.
    pub const fn is_scale_in(&self) -> bool {
        self.value < self.from
    }

    /// Notes what a policy wants; the count stays until they are combined.
    pub fn policy(&mut self, name: &str, wish: i32, reason: &str) {
        self.stages.push(Stage {
            name: format!("{POLICY}{name}"),
            input: self.from,
            output: wish,
            reason: reason.to_owned(),
        });
    }

    /// A stage that makes the count `output`.
    pub fn stage(&mut self, name: &str, output: i32, reason: impl Into<String>) {
        debug_assert!(STAGES.contains(&name), "`{name}` is missing in STAGES");
        self.stages.push(Stage {
            name: name.to_owned(),
            input: self.value,
            output,
            reason: reason.into(),
        });
        self.value = output;
    }

    /// A stage that keeps the present count when there is a reason to, and else lets pass.
    pub fn hold_if(&mut self, name: &str, reason: Option<String>) {
        match reason {
            Some(reason) => self.stage(name, self.from, reason),
            None => self.stage(name, self.value, PASSES),
        }
    }

    /// The stage that brought the count back to what it was, where one did.
    pub fn held_by(&self) -> Option<&Stage> {
        let after_policies = self.stages.iter().rev();
        after_policies
            .filter(|stage| !stage.name.starts_with(POLICY))
            .find(|stage| stage.output != stage.input)
            .filter(|stage| stage.output == self.from && self.value == self.from)
    }

    /// The stages that changed the count, after the policies were combined.
    pub fn changes(&self) -> impl Iterator<Item = &Stage> {
        let stages = self.stages.iter().skip_while(|s| s.name != "combined");
        stages.skip(1).filter(|stage| stage.input != stage.output)
    }

    /// The stages, in order.
    pub fn into_stages(self) -> Vec<Stage> {
        self.stages
    }
}

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
    let held_anew = decision.is_held
        && decisions.first().is_none_or(|last| {
            last.from != last.to || last.by != decision.by || last.to != decision.to
        });
    if changed || held_anew {
        decisions.insert(0, to_status(decision));
        decisions.truncate(KEPT);
    }
}

impl Decision {
    /// Which way it goes: `out`, `in` or `hold`.
    #[must_use]
    pub fn direction(&self) -> &'static str {
        match self.to.cmp(&self.from) {
            Ordering::Greater => "out",
            Ordering::Less => "in",
            Ordering::Equal => "hold",
        }
    }

    /// What kept the count from what the policies want: a stage, or `unknown` where a policy
    /// cannot tell what it wants. None where nothing did.
    #[must_use]
    pub fn held_by(&self) -> Option<&'static str> {
        let stage = STAGES.into_iter().find(|stage| *stage == self.by);
        self.is_held.then_some(stage.unwrap_or("unknown"))
    }

    /// The decision in status's words, but all of it: nothing is left out and nothing is cut.
    #[must_use]
    pub fn whole(&self) -> DecisionStatus {
        DecisionStatus {
            at: Time(whole_second(self.at)),
            from: self.from,
            to: self.to,
            by: self.by.clone(),
            why: self.why.clone(),
            shadow: self.is_shadow,
            stages: self
                .stages
                .iter()
                .map(|stage| StageStatus {
                    name: stage.name.clone(),
                    input: stage.input,
                    output: stage.output,
                    reason: stage.reason.clone(),
                })
                .collect(),
        }
    }
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

/// A number for a person: whole from 100 on, else with at most one decimal.
pub fn amount(value: f64) -> String {
    let tenths = (value * 10.0).round() / 10.0;
    if value >= 100.0 || tenths.fract() == 0.0 {
        format!("{value:.0}")
    } else {
        format!("{tenths:.1}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::common::Reason;

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

    #[test]
    fn numbers_are_short() {
        for (value, text) in [
            (0.0, "0"),
            (0.26, "0.3"),
            (30.0, "30"),
            (99.96, "100"),
            (3200.4, "3200"),
        ] {
            assert_eq!(amount(value), text);
        }
    }
}
