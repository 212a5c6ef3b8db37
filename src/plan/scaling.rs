//! The autoscaler: from one look at a consumer group to one decision about its pods. The stages
//! run in a fixed order and each leaves its input, output and reason. Two laws hold over all of
//! them: no policy shrinks on the unknown, and bounds set by a person always apply. It moves
//! nothing itself, and it knows no time but that of the observation.

mod capacity;
mod combine;
mod decision;
mod expression;
mod gate;
mod history;
mod levels;
mod memory;
pub mod metrics;
mod observation;
mod policies;
mod rehearse;
mod series;
mod stages;
mod steady;
#[cfg(test)]
mod tests;
mod time;

use std::collections::BTreeSet;

use jiff::Timestamp;

use self::{
    combine::{Combined, combine},
    decision::{Trace, amount},
    gate::Passage,
    history::{History, standing},
    levels::Levels,
    memory::Memory,
    metrics::Expressions,
    policies::{Context, Opinion},
    series::Reading,
    time::seconds_between,
};
pub use self::{
    decision::{Decision, Stage, remember},
    observation::{GroupState, Observation, PartitionSample},
    series::Series,
};
use super::Finding;
use crate::api::{
    common::{Duration, Reason},
    connectors::OffsetReset,
    scaling::{Autoscaling, ScalingMemory},
};

/// What the autoscaler of one connector knows: the samples of the last minutes, and what must
/// survive a restart. A plain value; whoever owns it decides when it is thrown away.
#[derive(Clone, Debug, Default)]
pub struct Scaler {
    history: History,
    memory: Memory,
    expressions: Expressions,
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
    /// The autoscaler as it was before a restart, as far as status tells. What status does not
    /// hold makes it wait longer, never act sooner.
    #[must_use]
    pub fn restore(memory: Option<&ScalingMemory>) -> Self {
        Self {
            history: History::default(),
            memory: memory.map(Memory::from_status).unwrap_or_default(),
            expressions: Expressions::default(),
        }
    }

    /// What is wrong with the metrics of a block; as [`metrics::problems`] for what the cluster
    /// stores.
    pub fn metric_problems(&mut self, spec: &Autoscaling) -> Vec<metrics::Problem> {
        self.expressions.problems(&spec.metrics, &BTreeSet::new())
    }

    /// What belongs into status; at most 8 KiB. It differs from the last one only when a decision,
    /// a wish, the learnt capacity or the rebalance time does.
    #[must_use]
    pub fn memory(&self) -> ScalingMemory {
        self.memory.to_status()
    }

    fn is_warm(&self, spec: &Autoscaling, at: Timestamp) -> bool {
        let warmup = spec.warmup.as_secs_f64();
        let last = self.memory.last_scale_out;
        last.is_none_or(|change| seconds_between(change.at, at) >= warmup)
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
    let warm = scaler.is_warm(spec, observation.at);
    let reading = series::read(
        spec.interval,
        offset_reset,
        &mut scaler.history,
        observation,
        warm,
    );
    decide_on(spec, scaler, observation, &reading)
}

/// As [`decide`], for a count that will not be touched: the observation is kept, and nothing of the
/// decision is remembered, so that no cooldown begins with a change that never happened.
#[must_use]
pub fn decide_without_acting(
    spec: &Autoscaling,
    offset_reset: OffsetReset,
    scaler: &mut Scaler,
    observation: &Observation,
) -> Decision {
    let memory = scaler.memory.clone();
    let decision = decide(spec, offset_reset, scaler, observation);
    scaler.memory = memory;
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
    series::read(
        interval,
        offset_reset,
        &mut scaler.history,
        observation,
        true,
    )
    .series
}

/// Decides from series that were already read.
fn decide_on(
    spec: &Autoscaling,
    scaler: &mut Scaler,
    observation: &Observation,
    reading: &Reading,
) -> Decision {
    let at = observation.at;
    let revision = observation.revision.as_deref();
    let learnt = scaler.memory.capacity.take();
    scaler.memory.capacity = capacity::learn(learnt, revision, reading);
    let passage = scaler.memory.gate.pass(at, observation.group);

    let levels = Levels::of(&observation.partitions, spec.partitions);
    let context = Context {
        spec,
        observation,
        reading,
        levels: &levels,
        memory: &scaler.memory,
    };
    let mut trace = Trace::begin(observation.replicas);
    trace.stage("series", observation.replicas, describe(&reading.series));
    let opinions = opinions(&context, &mut trace);
    let combined = combine(&opinions, observation.replicas);
    trace.stage("combined", combined.count, combined.reason.clone());
    let is_unknown = reading.unreadable.is_some() || opinions.iter().any(|(_, o)| is_unknown(o));
    let highest = context.highest();
    stages::partitions(&context, &mut trace, combined.is_wish);
    let is_trial = stages::guards(&context, combined.covers_arrivals, &mut trace);
    stages::stabilize(spec, &mut scaler.memory, at, &mut trace);
    let step = stages::Step {
        is_relative: combined.is_relative,
        is_trial,
    };
    stages::pauses(spec, &scaler.memory, at, step, &mut trace);
    stages::gate(passage, &mut trace);
    stages::bounds(spec, &mut trace);

    scaler.memory.note(at, observation.replicas, trace.value());
    if combined.count > observation.replicas
        && let Some(load) = reading.load
    {
        capacity::note_overload(&mut scaler.memory.capacity, load);
    }
    let active = active(spec, reading, passage, &combined, highest, is_unknown);
    conclude(observation, reading, trace, combined, active, is_unknown)
}

fn opinions<'a>(context: &Context<'a>, trace: &mut Trace) -> Vec<(&'a str, Opinion)> {
    let policies = context.spec.policies.iter();
    let opinions: Vec<_> = policies
        .map(|policy| (policy.name.as_str(), policies::opinion(context, policy)))
        .collect();
    for (name, opinion) in &opinions {
        trace.policy(name, opinion.count(context.replicas()), opinion.reason());
    }
    opinions
}

const fn is_unknown(opinion: &Opinion) -> bool {
    matches!(opinion, Opinion::Unknown(_))
}

/// What the condition `ScalingActive` says; no numbers that change from look to look.
fn active(
    spec: &Autoscaling,
    reading: &Reading,
    passage: Passage,
    combined: &Combined,
    highest: i32,
    is_unknown: bool,
) -> Finding {
    let name = &combined.by;
    if reading.no_partitions {
        return Finding::waiting(
            Reason::LagUnknown,
            "no partition of consumes.topics is known, the count holds: check that the topics exist",
        );
    }
    if is_unknown {
        let first = reading.unreadable.as_ref().map_or("the lag", |u| &u.first);
        return Finding::waiting(
            Reason::LagUnknown,
            format!("cannot read {first}; nothing scales in until it can be read"),
        );
    }
    if passage == Passage::Stuck {
        return Finding::note(
            Reason::RebalanceStuck,
            "the consumer group does not finish rebalancing, scaling no longer waits for it: check the pods' logs and max.poll.interval.ms",
        );
    }
    if combined.is_wish && combined.count > highest {
        return if highest < spec.max_replicas {
            Finding::note(
                Reason::PartitionLimited,
                format!(
                    "policy {name} wants more pods than the topic has partitions, {highest}: add partitions"
                ),
            )
        } else {
            Finding::note(
                Reason::AtMaximum,
                format!(
                    "policy {name} wants more pods than maxReplicas, {highest}: raise maxReplicas"
                ),
            )
        };
    }
    Finding::note(
        Reason::Scaling,
        "lag is read, and the count follows the policies",
    )
}

fn conclude(
    observation: &Observation,
    reading: &Reading,
    trace: Trace,
    combined: Combined,
    active: Finding,
    is_unknown: bool,
) -> Decision {
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
        by,
        why,
        stages: trace.into_stages(),
        series: reading.series.clone(),
        is_held: held_by.is_some() || (to == from && is_unknown && !combined.is_wish),
        active,
    }
}

fn describe(series: &Series) -> String {
    let value = |value: Option<f64>| value.map_or_else(|| "unknown".to_owned(), amount);
    format!(
        "lag {}, {} s behind, {}/s arrive, {}/s processed",
        series
            .lag
            .map_or_else(|| "unknown".to_owned(), |lag| lag.to_string()),
        value(series.time_lag),
        value(series.arrival_rate),
        value(series.consume_rate),
    )
}
