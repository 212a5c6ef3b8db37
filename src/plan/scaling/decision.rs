//! A decision with its reasons: every stage's input, output and words, as the stages come.

use std::cmp::Ordering;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::{Deserialize, Serialize};

use super::{inputs::Inputs, series::Series, time::whole_second};
use crate::{
    api::decisions::{DecisionStatus, ShadowReplicas, StageStatus},
    plan::Finding,
};

/// The stages of a decision, but for those of the policies, in order.
pub const STAGES: [&str; 18] = [
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
    "effect",
    "retention",
    "suspension",
    "override",
    "rebalance gate",
    "bounds",
];
/// What a stage says that had nothing to say.
pub const PASSES: &str = "passes";
/// How the stage of a policy begins.
pub const POLICY: &str = "policy/";

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
    /// Whether somebody else has set the count, and the time for which it is left alone is over:
    /// then it is written again, also where it stays.
    pub reclaims: bool,
    /// Whether a stage kept the count from what a policy wanted.
    pub is_held: bool,
    /// Whether it is only shown: nobody acts on it.
    pub is_shadow: bool,
    /// What the policies that play no part would have done.
    pub shadow: Vec<ShadowReplicas>,
    /// For the condition `ScalingActive`: true with a note, false with anything graver.
    pub active: Finding,
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

/// A number for a person: whole from 100 on, else with at most one decimal.
#[must_use]
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
