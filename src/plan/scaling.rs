//! The autoscaler: from one look at a consumer group to one decision about its pods. The stages
//! run in a fixed order and each leaves its input, output and reason. Two laws hold over all of
//! them: no policy shrinks on the unknown, and bounds set by a person always apply. It moves
//! nothing itself, and it knows no time but that of the observation.

mod activation;
mod acts;
mod bounds;
mod calendar;
mod capacity;
mod combine;
mod decision;
mod effect;
mod expression;
mod finding;
mod gate;
mod history;
mod hours;
mod inputs;
mod interventions;
mod kept;
mod levels;
mod limits;
mod memory;
pub mod metrics;
mod newest;
mod observation;
mod outlook;
mod partition;
mod policies;
pub mod problems;
mod profiles;
mod rates;
mod rehearse;
mod retention;
mod schedules;
mod series;
mod stages;
mod steady;
mod stuck;
mod tally;
#[cfg(test)]
mod tests;
mod time;
mod windows;

use jiff::Timestamp;

use self::{
    activation::Idle,
    bounds::InForce,
    capacity::Capacity,
    combine::{Combined, combine},
    decision::Trace,
    finding::Told,
    gate::Passage,
    history::History,
    levels::Levels,
    memory::Memory,
    metrics::Expressions,
    partition::standing,
    policies::{Context, Opinion},
    problems::Problem,
    series::{Manner, Reading},
    windows::Windows,
};
pub use self::{
    decision::{Decision, PASSES, STAGES, Stage, amount},
    inputs::Inputs,
    kept::{headline, remember},
    newest::{DecisionView, Newest, NewestView},
    observation::{GroupState, Observation, Override, PartitionSample},
    outlook::outlook_of_kept,
    series::Series,
};
use super::Finding;
use crate::api::{
    common::Duration,
    connectors::OffsetReset,
    decisions::{ScalingMemory, ShadowReplicas},
    scaling::{Autoscaling, Mode},
};

/// What the autoscaler of one connector knows: the samples of the last minutes, and what must
/// survive a restart. A plain value; whoever owns it decides when it is thrown away.
#[derive(Clone, Debug, Default)]
pub struct Scaler {
    history: History,
    windows: Windows,
    memory: Memory,
    expressions: Expressions,
    /// What the last decision was made on.
    reading: Reading,
    /// The block that was checked last, and why it cannot be used.
    checked: Option<(Autoscaling, Option<Problem>)>,
}

/// An unread record whose arrival only Kafka can tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadRecord {
    /// Its topic.
    pub topic: String,
    /// Its partition.
    pub partition: i32,
    /// Its offset: the oldest that the group has not read.
    pub offset: i64,
}

impl Scaler {
    /// The autoscaler as it was before a restart, as far as status tells.
    #[must_use]
    pub fn restore(memory: Option<&ScalingMemory>) -> Self {
        let mut scaler = Self::default();
        scaler.recall(memory);
        scaler
    }

    /// Goes on from what status remembers, as after a restart. What status does not hold makes it
    /// wait longer, never act sooner.
    pub fn recall(&mut self, memory: Option<&ScalingMemory>) {
        self.memory = memory.map(Memory::from_status).unwrap_or_default();
        if self.history.looks().is_empty() {
            self.history = History::remembering(self.memory.stuck.clone());
        }
    }

    /// All but the history, which can be large: what another decision on the same reading needs.
    fn without_history(&self) -> Self {
        Self {
            history: History::default(),
            windows: self.windows.clone(),
            memory: self.memory.clone(),
            expressions: Expressions::default(),
            reading: self.reading.clone(),
            checked: None,
        }
    }

    /// The first reason why a block cannot be used as it is, if there is one. A block is checked
    /// once, not at each look.
    pub fn refuses(&mut self, spec: &Autoscaling) -> Option<&Problem> {
        if self.checked.as_ref().is_none_or(|(known, _)| known != spec) {
            self.checked = Some((spec.clone(), problems::refused(spec)));
        }
        self.checked.as_ref()?.1.as_ref()
    }

    /// What belongs into status; at most 8 KiB. It differs from the last one only when a decision,
    /// a wish, the learnt capacity or the rebalance time does.
    #[must_use]
    pub fn memory(&self) -> ScalingMemory {
        self.memory.to_status()
    }

    /// Whether the ready pods are past their warm-up, and all pods but for those that were just
    /// asked for: until these join, the others go on as before.
    fn is_warm(&self, spec: &Autoscaling, observation: &Observation) -> bool {
        let warmup = spec.warmup.as_secs_f64();
        let before = self.memory.before_scale_outs(observation.at, warmup);
        before.map_or(observation.ready >= observation.replicas, |count| {
            observation.ready == count
        })
    }
}

/// The oldest unread records whose arrival the samples cannot tell, because they are older: look
/// each up by timestamp and set `unread_since` of its partition before deciding. A record is
/// named once, until the group has read it.
#[must_use]
pub fn unread_since_wanted(
    scaler: &Scaler,
    offset_reset: OffsetReset,
    observation: &Observation,
) -> Vec<UnreadRecord> {
    let unread = observation.partitions.iter().filter_map(|sample| {
        let standing = standing(sample, offset_reset).filter(|s| s.lag > 0)?;
        let wanted = scaler.history.needs_look_up(sample, standing.position);
        wanted.then(|| UnreadRecord {
            topic: sample.topic.clone(),
            partition: sample.partition,
            offset: standing.position,
        })
    });
    unread.collect()
}

/// Decides how many pods a connector should have, from one observation and what `scaler` knows;
/// `scaler` then knows of this one too. Total: whatever comes in, there is a decision, if only to
/// hold. Observations come in order of time.
#[must_use]
pub fn decide(
    spec: &Autoscaling,
    offset_reset: OffsetReset,
    scaler: &mut Scaler,
    observation: &Observation,
) -> Decision {
    let capacity = scaler.memory.capacity.as_ref();
    let manner = Manner {
        interval: spec.interval,
        reset: offset_reset,
        is_warm: scaler.is_warm(spec, observation),
        per_replica: capacity.and_then(Capacity::measured),
    };
    let mut reading = series::read(manner, &mut scaler.history, observation);
    scaler
        .expressions
        .add_to(&mut reading.series, &spec.metrics, observation);
    reading.shown.others.clone_from(&reading.series.others);
    scaler.memory.stuck = scaler.history.stuck();
    let decision = decide_on(spec, scaler, observation, &reading);
    scaler.reading = reading;
    decision
}

/// As [`decide`], for a count that will not be touched: the observation is kept, and nothing of the
/// decision is remembered, so that no cooldown begins with a change that never happened. What was
/// seen, and not decided, is remembered all the same.
#[must_use]
pub fn decide_without_acting(
    spec: &Autoscaling,
    offset_reset: OffsetReset,
    scaler: &mut Scaler,
    observation: &Observation,
) -> Decision {
    let memory = scaler.memory.clone();
    let decision = decide(spec, offset_reset, scaler, observation);
    let Memory { hours, stuck, .. } = std::mem::take(&mut scaler.memory);
    scaler.memory = Memory {
        hours,
        stuck,
        ..memory
    };
    decision
}

/// The series of a connector that nobody scales, looked at every `interval`.
#[must_use]
pub fn measure(
    interval: Duration,
    offset_reset: OffsetReset,
    scaler: &mut Scaler,
    observation: &Observation,
) -> Series {
    let manner = Manner {
        interval,
        reset: offset_reset,
        is_warm: true,
        per_replica: None,
    };
    series::read(manner, &mut scaler.history, observation).shown
}

/// Decides from series that were already read.
fn decide_on(
    spec: &Autoscaling,
    scaler: &mut Scaler,
    observation: &Observation,
    reading: &Reading,
) -> Decision {
    let at = observation.at;
    let passage = learn(spec, scaler, observation, reading);
    let in_force = InForce::at(spec, &mut scaler.memory.schedules, at);
    let spec = &*in_force.spec;
    let idle = note_hands(spec, &mut scaler.memory, observation, reading);

    let levels = Levels::of(
        &observation.partitions,
        &observation.partition_counts,
        spec.partitions,
    );
    let look = Look {
        spec,
        observation,
        reading,
        levels: &levels,
    };
    let context = look.context(scaler);
    let mut trace = Trace::begin(observation.replicas);
    let inputs = inputs(&context);
    let described = inputs.describe(&reading.shown);
    trace.stage("series", observation.replicas, described);
    let wanted = wanted(&context, &idle, &mut trace);
    let is_bounded = stages::in_time(&in_force, &mut trace);
    let set = in_force.set.is_some();
    let wish = Some(&wanted.combined).filter(|wish| wish.is_wish && !set && !is_bounded);
    stages::partitions(&context, &mut trace, wish);
    let risk = if set {
        stages::remember_wish(spec, &mut scaler.memory, at, &trace);
        None
    } else {
        steady(&look, scaler, &wanted.combined, &mut trace)
    };
    let overridden = scaler.memory.overridden.as_ref();
    let overridden = overridden.filter(|held| held.holds(spec, at));
    interventions::leave(spec, overridden, &mut trace);
    let reclaims = observation.overridden.is_some() && overridden.is_none();
    if !set && risk.is_none() {
        let cost = gate::cost(&look.context(scaler), trace.value());
        stages::gate(passage, cost, &mut trace);
    }
    stages::bounds(spec, wanted.is_blind, &mut trace);

    let active = finding::active(Told {
        context: look.context(scaler),
        wanted: &wanted,
        passage,
        risk: risk.as_deref(),
    });
    let is_shadow = spec.mode == Mode::Shadow;
    note(&look, scaler, &wanted.combined, &trace);
    let shadow = wanted.shadow.clone();
    let decision = conclude(observation, reading, trace, wanted, active);
    Decision {
        inputs,
        reclaims,
        is_shadow,
        shadow,
        ..decision
    }
}

/// What one decision is made on, but for what the autoscaler knows.
#[derive(Clone, Copy)]
struct Look<'a> {
    spec: &'a Autoscaling,
    observation: &'a Observation,
    reading: &'a Reading,
    levels: &'a Levels,
}

impl<'a> Look<'a> {
    const fn context<'b>(&self, scaler: &'b Scaler) -> Context<'b>
    where
        'a: 'b,
    {
        Context {
            spec: self.spec,
            observation: self.observation,
            reading: self.reading,
            windows: &scaler.windows,
            levels: self.levels,
            memory: &scaler.memory,
        }
    }
}

/// The stages between what the policies want and what a person holds. Says why unread records would
/// expire otherwise, where the count goes to the highest for it.
fn steady(
    look: &Look<'_>,
    scaler: &mut Scaler,
    combined: &Combined,
    trace: &mut Trace,
) -> Option<String> {
    let (spec, at) = (look.spec, look.observation.at);
    let is_trial = stages::guards(&look.context(scaler), combined.covers_arrivals, trace);
    stages::stabilize(spec, &mut scaler.memory, at, trace);
    limits::step_limits(spec, &scaler.memory, at, trace);
    let step = stages::Step {
        is_relative: combined.is_relative,
        is_trial,
    };
    stages::pauses(spec, &scaler.memory, at, step, trace);
    effect::hold(&scaler.memory, trace);
    let risk = retention::guard(&look.context(scaler), trace);
    interventions::suspend(spec, at, trace);
    risk
}

/// Takes note of what was decided, as far as later decisions depend on it.
fn note(look: &Look<'_>, scaler: &mut Scaler, combined: &Combined, trace: &Trace) {
    let (observation, memory) = (look.observation, &mut scaler.memory);
    let (from, to, at) = (trace.from(), trace.value(), observation.at);
    if look.spec.mode != Mode::Shadow {
        if combined.covers_arrivals {
            memory.note_undone(at, from, to);
        }
        if to > from {
            memory.effect.note(observation, look.reading);
        }
        memory.note(at, from, to);
        note_act(memory, at, trace, combined);
    }
    if combined.count > from
        && from > 0
        && let Some(load) = look.reading.load
    {
        capacity::note_overload(&mut memory.capacity, load);
    }
}

/// Takes one look into what is learnt, whatever holds at this moment.
fn learn(
    spec: &Autoscaling,
    scaler: &mut Scaler,
    observation: &Observation,
    reading: &Reading,
) -> Passage {
    let at = observation.at;
    let revision = observation.revision.as_deref();
    let learnt = scaler.memory.capacity.take();
    scaler.memory.capacity = capacity::learn(learnt, revision, reading);
    let all_ready = observation.ready >= observation.replicas;
    scaler.memory.acts.settle(at, all_ready);
    let (policies, series) = (bounds::policies(spec), &reading.series);
    scaler.windows.keep(policies, spec.interval, at, series);
    let interval = spec.interval.as_secs_f64();
    scaler.memory.effect.judge(observation, reading, interval);
    if bounds::policies(spec).any(|policy| policy.predictive.is_some()) {
        let arrivals = reading.shown.arrival_rate;
        let known = arrivals.filter(|_| reading.unreadable.is_none());
        scaler.memory.hours.keep(at, known);
    }
    scaler.memory.gate.pass(at, observation.group)
}

/// Takes note of what persons did, and of the proof that the group is idle, where it is needed.
fn note_hands(
    spec: &Autoscaling,
    memory: &mut Memory,
    observation: &Observation,
    reading: &Reading,
) -> Result<Idle, String> {
    memory.overridden = interventions::overridden(memory.overridden.take(), spec, observation);
    let idle = activation::proof(memory.idle, observation, reading.series.lag);
    memory.idle = idle.clone().ok().filter(|_| spec.min_replicas == 0);
    idle
}

/// What the policies want together, after activation.
struct Wanted {
    combined: Combined,
    shadow: Vec<ShadowReplicas>,
    /// Whether something that a policy looks at could not be read.
    is_unknown: bool,
    /// The first policy's word for it.
    unknown: Option<String>,
    /// Whether no policy could read what it looks at.
    is_blind: bool,
    /// Whether the age of the group's commits plays a part.
    is_expiring: bool,
}

fn wanted(context: &Context<'_>, idle: &Result<Idle, String>, trace: &mut Trace) -> Wanted {
    let activation = activation::judge(context, idle);
    let least = context.spec.min_replicas.max(1);
    activation.tell(trace, least);
    let (opinions, shadow) = opinions(context, trace);
    let combined = combine(&opinions, context.replicas());
    let combined = activation.apply(combined, &opinions, least);
    trace.stage("combined", combined.count, combined.reason.clone());
    let reading = context.reading;
    let blind = opinions.iter().filter(|(_, o)| is_unknown(o));
    let first = blind.clone().next();
    let unknown = blind.count();
    Wanted {
        combined,
        shadow,
        unknown: first.map(|(_, opinion)| opinion.reason().to_owned()),
        is_unknown: reading.unreadable.is_some() || unknown > 0,
        is_blind: unknown > 0 && unknown == opinions.len() && !reading.no_partitions,
        is_expiring: activation.is_expiring(),
    }
}

fn inputs(context: &Context<'_>) -> Inputs {
    Inputs {
        ready: context.observation.ready,
        group: context.observation.group,
        capacity: context.memory.capacity.as_ref().map(Capacity::to_status),
        partitions: context.levels.counts().to_vec(),
        min_replicas: context.spec.min_replicas,
        max_replicas: context.spec.max_replicas,
    }
}

/// What the policies that play a part want, and the counts that the others would have.
fn opinions<'a>(
    context: &Context<'a>,
    trace: &mut Trace,
) -> (Vec<(&'a str, Opinion)>, Vec<ShadowReplicas>) {
    let (mut opinions, mut shadow) = (Vec::new(), Vec::new());
    for policy in &context.spec.policies {
        let opinion = policies::opinion(context, policy);
        let (count, reason) = (opinion.count(context.replicas()), opinion.reason());
        if policy.is_shadow() {
            trace.policy(&policy.name, count, &format!("shadow: {reason}"));
            if !matches!(opinion, Opinion::Settling(_) | Opinion::Unknown(_)) {
                shadow.push(ShadowReplicas {
                    name: policy.name.clone(),
                    replicas: stages::within_bounds(context, count),
                });
            }
        } else {
            trace.policy(&policy.name, count, reason);
            opinions.push((policy.name.as_str(), opinion));
        }
    }
    (opinions, shadow)
}

/// Takes note that the policy whose wish was carried out, in part at least, now waits.
fn note_act(memory: &mut Memory, at: Timestamp, trace: &Trace, combined: &Combined) {
    let (from, to) = (trace.from(), trace.value());
    if let Some(wait) = combined.wait
        && to != from
        && to.cmp(&from) == combined.count.cmp(&from)
    {
        memory.acts.note(at, &combined.by, to < from, wait);
    }
}

const fn is_unknown(opinion: &Opinion) -> bool {
    matches!(opinion, Opinion::Unknown(_))
}

fn conclude(
    observation: &Observation,
    reading: &Reading,
    trace: Trace,
    wanted: Wanted,
    active: Finding,
) -> Decision {
    let Wanted {
        combined,
        is_unknown,
        ..
    } = wanted;
    let (from, to) = (observation.replicas, trace.value());
    let held_by = trace.held_by().cloned();
    let moved_by = trace.changes().filter(|s| s.input == from).last().cloned();
    let changes = trace
        .changes()
        .map(|s| format!("; {}: {}", s.name, s.reason));
    let why = format!("{}{}", combined.reason, changes.collect::<String>());
    let by = held_by.as_ref().or(moved_by.as_ref());
    let by = by.map_or(combined.by, |stage| stage.name.clone());
    Decision {
        at: observation.at,
        from,
        to,
        wanted: combined.count,
        by,
        why,
        stages: trace.into_stages(),
        series: reading.shown.clone(),
        inputs: Inputs::default(),
        is_shadow: false,
        reclaims: false,
        shadow: Vec::new(),
        is_held: held_by.is_some() || (to == from && is_unknown && !combined.is_wish),
        active,
    }
}
