//! What would change a decision. Nothing here has a formula of its own: the decision is made again,
//! by the same functions, at later times, with other values or with other bounds, until it comes
//! out differently. That takes many decisions, so it is only done when somebody asks.

mod thresholds;
mod time;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::{
    Scaler, decide_on,
    decision::Decision,
    memory::Memory,
    observation::{GroupState, Observation},
    series::{Reading, Series},
};
use crate::api::{
    common::Duration,
    decisions::{DecisionStatus, ScalingMemory},
    policies::{MetricOf, Policy, TargetTracking},
    scaling::Autoscaling,
    schedules::Suspension,
    steadiness::{Behavior, Cooldown, DirectionBehavior},
};

/// More than any bound.
const ANY: i32 = 1000;

/// What would change `decision`, in sentences for a person, the nearest first; empty where nothing
/// would. `scaler` is the autoscaler after it.
#[must_use]
pub fn outlook(
    spec: &Autoscaling,
    scaler: &Scaler,
    observation: &Observation,
    decision: &Decision,
) -> Vec<String> {
    let now = Situation::after(spec, scaler, observation, decision);
    let mut lines = vec![time::line(&now)];
    lines.extend(now.once_known());
    lines.extend(now.without_suspension());
    let patient = now.patient();
    let settled = patient.decide();
    lines.extend(patient.beyond_bounds(&settled));
    lines.extend(thresholds::lines(&patient, settled.to));
    lines
}

/// What would change a decision of which only status is left, looked at `now`: taken that the
/// policies go on wanting what they wanted. `memory` is what status remembers, `partitions` the
/// number of each topic's.
#[must_use]
pub fn outlook_of_kept(
    spec: &Autoscaling,
    memory: Option<&ScalingMemory>,
    partitions: &BTreeMap<String, i32>,
    decision: &DecisionStatus,
    now: Timestamp,
) -> Vec<String> {
    let output = |name: &str| {
        let mut stages = decision.stages.iter();
        stages.find(|s| s.name == name).map(|s| s.output)
    };
    let Some(wanted) = output("combined") else {
        return Vec::new();
    };
    let situation = |wish| Situation {
        spec: wanting(spec),
        scaler: Scaler::restore(memory.map(|m| as_of(m, decision)).as_ref()),
        observation: Observation {
            at: now,
            replicas: decision.to,
            ready: decision.to,
            partition_counts: partitions.clone(),
            group: GroupState::Stable,
            ..Observation::default()
        },
        reading: reading(wish),
    };
    let known = situation(output("rehearsal").unwrap_or(wanted));
    let mut lines = vec![time::line(&known)];
    lines.extend(known.without_suspension());
    let patient = situation(wanted).patient();
    lines.extend(patient.beyond_bounds(&patient.decide()));
    lines
}

/// The series by which the policies' wish is given.
const WISH: &str = "wish";

/// A block whose only policy wants what the series [`WISH`] says.
fn wanting(spec: &Autoscaling) -> Autoscaling {
    let mut spec = spec.clone();
    let policies = vec![Policy {
        name: WISH.to_owned(),
        target_tracking: Some(TargetTracking {
            metric: WISH.to_owned(),
            target: 1.0,
            of: Some(MetricOf::Total),
            ..TargetTracking::default()
        }),
        ..Policy::default()
    }];
    for profile in &mut spec.profiles {
        profile.policies.clone_from(&policies);
    }
    spec.policies = policies;
    spec.behavior.scale_out.tolerance = Some(0.0);
    spec.behavior.scale_in.tolerance = Some(0.0);
    spec
}

/// A reading with nothing but the wish; nothing arrives that a rehearsal could mind.
fn reading(wish: i32) -> Reading {
    let mut series = Series {
        arrival_rate: Some(0.0),
        ..Series::default()
    };
    series.set(WISH, Some(wish.into()));
    Reading {
        series,
        sustained_rate: Some(0.0),
        ..Reading::default()
    }
}

/// What was remembered with the decision: a wish without a time was made at that moment.
fn as_of(memory: &ScalingMemory, decision: &DecisionStatus) -> ScalingMemory {
    let mut memory = memory.clone();
    for wish in &mut memory.highest_wishes {
        wish.until.get_or_insert_with(|| decision.at.clone());
    }
    memory
}

/// Everything that the next decision rests on.
#[derive(Clone, Debug)]
struct Situation {
    spec: Autoscaling,
    scaler: Scaler,
    observation: Observation,
    reading: Reading,
}

impl Situation {
    /// One interval after a decision was carried out, with everything as it was.
    fn after(
        spec: &Autoscaling,
        scaler: &Scaler,
        observation: &Observation,
        decision: &Decision,
    ) -> Self {
        let mut observation = observation.clone();
        if decision.to != decision.from && !decision.is_shadow {
            observation.replicas = decision.to;
            observation.ready = decision.to;
        }
        let mut next = Self {
            spec: spec.clone(),
            scaler: scaler.without_history(),
            observation,
            reading: scaler.reading.clone(),
        };
        next.pass(spec.interval.as_secs());
        next
    }

    fn pass(&mut self, seconds: u64) {
        let seconds = SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
        let at = self.observation.at.saturating_add(seconds);
        self.observation.at = at.unwrap_or(Timestamp::MAX);
    }

    const fn replicas(&self) -> i32 {
        self.observation.replicas
    }

    fn decide(&self) -> Decision {
        self.clone().decided()
    }

    fn decided(&mut self) -> Decision {
        decide_on(
            &self.spec,
            &mut self.scaler,
            &self.observation,
            &self.reading,
        )
    }

    /// What is decided once everything can be read.
    fn once_known(&self) -> Option<String> {
        self.reading.unreadable.as_ref()?;
        let mut known = self.clone();
        known.reading.unreadable = None;
        let to = known.decided().to;
        (to != self.decide().to).then(|| format!("{to} once every partition can be read"))
    }

    /// What is decided when a person takes the suspension back.
    fn without_suspension(&self) -> Option<String> {
        let mut free = self.clone();
        free.spec.suspend = Suspension::default();
        let to = free.decided().to;
        (to != self.decide().to).then(|| format!("{to} when autoscaling.suspend is taken back"))
    }

    /// The same, as if every wait were over and nothing were on the move: what the count comes to in
    /// the end.
    fn patient(&self) -> Self {
        let mut patient = self.clone();
        let none = Duration::from_secs(0);
        let direction = |tolerance| DirectionBehavior {
            stabilization_window: Some(none),
            tolerance,
            ..DirectionBehavior::default()
        };
        patient.spec.cooldown = Cooldown {
            scale_out: none,
            scale_in: none,
        };
        patient.spec.warmup = none;
        patient.spec.behavior = Behavior {
            scale_out: direction(self.spec.behavior.scale_out.tolerance),
            scale_in: direction(self.spec.behavior.scale_in.tolerance),
        };
        patient.spec.suspend = Suspension::default();
        patient.observation.group = GroupState::Stable;
        let none = Memory::default();
        let memory = &mut patient.scaler.memory;
        (memory.last_scale_out, memory.last_scale_in) = (None, None);
        (memory.changes, memory.acts) = (none.changes, none.acts);
        (memory.highest, memory.lowest) = (none.highest, none.lowest);
        (memory.gate, memory.overridden) = (none.gate, None);
        patient.observation.overridden = None;
        patient
    }

    /// What is wanted beyond the bounds that `settled` came to lie at.
    fn beyond_bounds(&self, settled: &Decision) -> Vec<String> {
        let (count, inputs) = (settled.to, &settled.inputs);
        let shares = inputs.partitions.iter().max().copied().unwrap_or_default();
        let max = bound(inputs.max_replicas, self.spec.max_replicas, settled);
        let min = bound(inputs.min_replicas, self.spec.min_replicas, settled);
        let with = |change: fn(&mut Autoscaling)| {
            let mut other = self.clone();
            change(&mut other.spec);
            Some(other.decided().to)
        };
        let raised = with(raise).filter(|&to| to > count);
        let idle = with(let_idle).filter(|&to| to > count);
        let lowered = with(lower).filter(|&to| to < count);
        let both = with(|spec| {
            raise(spec);
            let_idle(spec);
        });
        let both = both.filter(|&to| to > count && raised.is_none() && idle.is_none());
        let lines = [
            raised.map(|to| format!("raise maxReplicas ({max}): {to} are wanted")),
            idle.map(|to| format!("add partitions (now {shares}): {to} replicas are wanted")),
            both.map(|to| format!("raise maxReplicas ({max}) and add partitions: {to} are wanted")),
            lowered.map(|to| format!("lower minReplicas ({min}): {to} would do")),
        ];
        lines.into_iter().flatten().collect()
    }
}

/// A bound in force, with where it comes from when it is not the block's own.
fn bound(in_force: i32, own: i32, decision: &Decision) -> String {
    let mut stages = decision.stages.iter();
    match stages.find(|stage| stage.name == "profile and schedule") {
        Some(stage) if in_force != own => format!("{in_force}, by {}", stage.reason),
        _ => in_force.to_string(),
    }
}

fn raise(spec: &mut Autoscaling) {
    spec.max_replicas = ANY;
    for profile in &mut spec.profiles {
        profile.capacity.maximum = ANY;
    }
    for schedule in &mut spec.schedules {
        schedule.max_replicas = None;
    }
}

fn lower(spec: &mut Autoscaling) {
    spec.min_replicas = spec.min_replicas.min(1);
    for profile in &mut spec.profiles {
        profile.capacity.minimum = profile.capacity.minimum.min(1);
    }
    for schedule in &mut spec.schedules {
        schedule.min_replicas = None;
    }
}

const fn let_idle(spec: &mut Autoscaling) {
    spec.partitions.allow_idle = true;
}
