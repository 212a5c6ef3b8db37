//! Which policies have acted and now wait: a simple policy until its pods are ready and its cooldown
//! is over (AWS), a policy of rules until the cooldown of the rule that acted is over (Azure). Kept
//! over a restart; an act that is waited for no longer is forgotten.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::time::{seconds_between, whole_second};
use crate::api::{common::Duration, decisions::PolicyAct};

/// How many acts are kept: one for each policy of a block.
const KEPT: usize = 20;
/// How long, in seconds, pods are waited for: as long as a Deployment waits for progress.
const PODS: f64 = 600.0;

/// What a policy waits for after it has acted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// This cooldown.
    Cooldown(Duration),
    /// Its pods, and from then on this cooldown.
    PodsAndCooldown(Duration),
}

/// The last act of each policy that waits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Acts(Vec<Act>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Act {
    policy: String,
    at: Timestamp,
    is_scale_in: bool,
    cooldown: Duration,
    /// When the cooldown began; none while pods are waited for.
    since: Option<Timestamp>,
}

impl Act {
    fn is_over(&self, at: Timestamp) -> bool {
        let cooldown = self.cooldown.as_secs_f64();
        self.since
            .is_some_and(|since| seconds_between(since, at) >= cooldown)
    }

    fn reason(&self) -> String {
        match self.since {
            Some(_) => format!("its cooldown ({}) is not over", self.cooldown),
            None => "waits for the pods of its last change".to_owned(),
        }
    }
}

impl Acts {
    /// Takes note that `policy` changed the count.
    pub fn note(&mut self, at: Timestamp, policy: &str, is_scale_in: bool, wait: Wait) {
        let at = whole_second(at);
        let (cooldown, since) = match wait {
            Wait::Cooldown(cooldown) => (cooldown, Some(at)),
            Wait::PodsAndCooldown(cooldown) => (cooldown, None),
        };
        self.0.retain(|act| act.policy != policy);
        if self.0.len() == KEPT {
            self.0.remove(0);
        }
        self.0.push(Act {
            policy: policy.to_owned(),
            at,
            is_scale_in,
            cooldown,
            since,
        });
    }

    /// Begins the cooldowns that waited for pods, when all are ready or none will be, and forgets
    /// the acts that are waited for no longer.
    pub fn settle(&mut self, at: Timestamp, all_ready: bool) {
        for act in &mut self.0 {
            let seconds = seconds_between(act.at, at);
            if act.since.is_none() && seconds > 0.0 && (all_ready || seconds >= PODS) {
                act.since = Some(whole_second(at));
            }
        }
        self.0.retain(|act| !act.is_over(at));
    }

    /// Why `policy` may not act in this direction, if so. What removed pods never keeps it from
    /// adding some.
    pub fn holds(&self, policy: &str, is_scale_in: bool) -> Option<String> {
        let held = |act: &&Act| act.policy == policy && (is_scale_in || !act.is_scale_in);
        self.0.iter().find(held).map(Act::reason)
    }

    /// What belongs into status.
    pub fn to_status(&self) -> Vec<PolicyAct> {
        let acts = self.0.iter().map(|act| PolicyAct {
            policy: act.policy.clone(),
            at: Time(act.at),
            scale_in: act.is_scale_in,
            cooldown: act.cooldown,
            since: act.since.map(Time),
        });
        acts.collect()
    }

    /// From status.
    pub fn from_status(acts: &[PolicyAct]) -> Self {
        let acts = acts.iter().take(KEPT).map(|act| Act {
            policy: act.policy.clone(),
            at: act.at.0,
            is_scale_in: act.scale_in,
            cooldown: act.cooldown,
            since: act.since.as_ref().map(|time| time.0),
        });
        Self(acts.collect())
    }
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + seconds.seconds()
    }

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn a_cooldown_after_a_scale_out_holds_both_directions_and_after_a_scale_in_only_that() {
        for (is_scale_in, holds_out) in [(false, true), (true, false)] {
            let mut acts = Acts::default();
            acts.note(at(0), "azure", is_scale_in, Wait::Cooldown(MINUTE));
            acts.settle(at(59), true);
            assert_eq!(acts.holds("azure", false).is_some(), holds_out);
            assert!(acts.holds("azure", true).is_some());
            assert!(acts.holds("other", true).is_none());
            acts.settle(at(60), true);
            assert_eq!(acts, Acts::default());
        }
    }

    #[test]
    fn the_cooldown_of_a_simple_policy_begins_when_its_pods_are_ready() {
        let wait = Wait::PodsAndCooldown(MINUTE);
        for (ready_from, over) in [(1, 65), (30, 90), (i64::MAX, 660)] {
            let mut acts = Acts::default();
            acts.note(at(0), "simple", false, wait);
            for seconds in (0..over).step_by(5) {
                acts.settle(at(seconds), seconds >= ready_from);
                assert!(acts.holds("simple", false).is_some(), "{seconds} s");
            }
            acts.settle(at(over), true);
            assert!(acts.holds("simple", false).is_none(), "{over} s");
        }
    }

    #[test]
    fn acts_are_bounded_and_survive_a_restart() {
        let mut acts = Acts::default();
        for i in 0..30 {
            acts.note(
                at(i),
                &format!("p{i}"),
                i % 2 == 0,
                Wait::PodsAndCooldown(MINUTE),
            );
        }
        let status = acts.to_status();
        assert_eq!((status.len(), status[0].policy.as_str()), (20, "p10"));
        let text = serde_json::to_string(&status).unwrap();
        let back: Vec<PolicyAct> = serde_json::from_str(&text).unwrap();
        assert_eq!(Acts::from_status(&back), acts);
    }
}
