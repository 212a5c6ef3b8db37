//! What the condition `ScalingActive` says of a decision: one finding, the gravest. It names what a
//! person can do something about, and no numbers that change from look to look.

use super::{
    Wanted, capacity::Capacity, gate::Passage, interventions, policies::Context,
    steady::whole_count, tally::PartitionName,
};
use crate::{api::common::Reason, plan::Finding};

/// How many partitions are named; more are counted.
const NAMED: usize = 3;

/// What a finding is made from.
#[derive(Clone, Copy)]
pub struct Told<'a> {
    /// What was decided on.
    pub context: Context<'a>,
    /// What the policies want.
    pub wanted: &'a Wanted,
    /// The rebalance gate.
    pub passage: Passage,
    /// Why unread records are about to expire, if they are.
    pub risk: Option<&'a str>,
}

/// The finding.
pub fn active(told: Told<'_>) -> Finding {
    let Told {
        context, wanted, ..
    } = told;
    unknown(told)
        .or_else(|| losing(told))
        .or_else(|| held_by_group(told))
        .or_else(|| unhelped(context))
        .or_else(|| held_by_hand(context))
        .or_else(|| ineffective(context))
        .or_else(|| {
            let (combined, highest) = (&wanted.combined, context.highest());
            let is_more = combined.is_wish && combined.count > highest;
            is_more.then(|| limited(context, &combined.by, highest))
        })
        .unwrap_or_else(|| {
            let message = "lag is read, and the count follows the policies";
            Finding::note(Reason::Scaling, message)
        })
}

fn unknown(told: Told<'_>) -> Option<Finding> {
    let reading = told.context.reading;
    if reading.no_partitions {
        return Some(Finding::waiting(
            Reason::LagUnknown,
            "no partition of consumes.topics is known, the count holds: check that the topics exist",
        ));
    }
    if let Some(unreadable) = &reading.unreadable {
        let first = &unreadable.first;
        let message = format!("cannot read {first}; nothing scales in until it can be read");
        return Some(Finding::waiting(Reason::LagUnknown, message));
    }
    let reason = match reading.series.lag {
        None => Reason::LagUnknown,
        Some(_) => Reason::MetricUnknown,
    };
    let what = told
        .wanted
        .unknown
        .as_ref()
        .filter(|_| told.wanted.is_unknown)?;
    let message = format!("{what}; nothing scales in until it can be");
    Some(Finding::waiting(reason, message))
}

fn losing(told: Told<'_>) -> Option<Finding> {
    told.risk?;
    let place = &told.context.reading.expiry.as_ref()?.partition;
    let message = format!(
        "unread records of {place} expire before they are read, the count goes to the highest: raise the topic's retention.ms, or maxReplicas"
    );
    Some(Finding::note(Reason::RetentionAtRisk, message))
}

fn held_by_group(told: Told<'_>) -> Option<Finding> {
    if told.passage == Passage::Stuck {
        return Some(Finding::note(
            Reason::RebalanceStuck,
            "the consumer group does not finish rebalancing, scaling no longer waits for it: check the pods' logs and max.poll.interval.ms",
        ));
    }
    told.wanted.is_expiring.then(|| {
        Finding::note(
            Reason::OffsetsExpiring,
            "the broker forgets the commits of a group without pods, so there must be some from time to time: raise offsets.retention.minutes, or set minReplicas: 1",
        )
    })
}

/// Partitions that more pods cannot help.
fn unhelped(context: Context<'_>) -> Option<Finding> {
    let reading = context.reading;
    if !reading.stuck.is_empty() {
        let message = format!(
            "{} with unread records made no progress over several commits, more pods would not help: look for a record that cannot be processed, in the pods' logs",
            names(&reading.stuck)
        );
        return Some(Finding::note(Reason::StuckPartitions, message));
    }
    (!reading.hot.is_empty()).then(|| {
        let message = format!(
            "{} gets more records than one pod can process, more pods would not help: spread its keys, or make a pod faster",
            names(&reading.hot)
        );
        Finding::note(Reason::HotPartition, message)
    })
}

fn names(partitions: &[PartitionName]) -> String {
    let named = partitions.iter().take(NAMED).map(ToString::to_string);
    let text = named.collect::<Vec<_>>().join(", ");
    match partitions.len().saturating_sub(NAMED) {
        0 => text,
        more => format!("{text} and {more} more"),
    }
}

fn held_by_hand(context: Context<'_>) -> Option<Finding> {
    let spec = context.spec;
    let at = context.observation.at;
    let overridden = context.memory.overridden.as_ref();
    if overridden.is_some_and(|held| held.holds(spec, at)) {
        let message = format!(
            "somebody else has set the count: it is left alone for overrideFor ({})",
            spec.override_for
        );
        return Some(Finding::note(Reason::Overridden, message));
    }
    interventions::is_suspended(spec, at).then(|| {
        let message = "a direction is suspended by autoscaling.suspend";
        Finding::note(Reason::ScalingSuspended, message)
    })
}

fn ineffective(context: Context<'_>) -> Option<Finding> {
    let known = context.memory.effect.ineffective()?;
    let message = format!(
        "the scale-out from {} to {} pods brought nothing, no policy adds pods until {}: what the pods write to may be the limit, a lock that they share, or a few partitions with most of the records",
        known.from, known.to, known.until
    );
    Some(Finding::note(Reason::ScaleOutIneffective, message))
}

/// Why a policy does not get what it wants: the partitions, or `maxReplicas`.
fn limited(context: Context<'_>, name: &str, highest: i32) -> Finding {
    if highest >= context.spec.max_replicas {
        let message =
            format!("policy {name} wants more pods than maxReplicas, {highest}: raise maxReplicas");
        return Finding::note(Reason::AtMaximum, message);
    }
    let advice = match advised(context, highest) {
        Some(partitions) => format!(
            "what arrives needs {partitions} partitions: with more of them records of one key go to another partition than before, and their order is lost at the change"
        ),
        None => "add partitions if that lasts".to_owned(),
    };
    let message =
        format!("policy {name} wants more pods than the topic has partitions, {highest}: {advice}");
    Finding::note(Reason::PartitionLimited, message)
}

/// How many partitions what arrives needs, by what one pod can process: the next multiple of the
/// present number, so that counts which share them evenly go on to do so, and so that the advice does
/// not change with every look. None while the present ones are enough, or nothing is known.
fn advised(context: Context<'_>, partitions: i32) -> Option<i32> {
    let arrivals = context.reading.shown.arrival_rate?;
    let per_replica = context
        .memory
        .capacity
        .as_ref()
        .and_then(Capacity::measured)?;
    let planned = context.active_policies().find_map(|policy| {
        let tracking = policy.target_tracking.as_ref()?;
        tracking.is_time_lag().then(|| tracking.utilization())
    });
    let needed = whole_count(arrivals / planned? / per_replica);
    let partitions = partitions.max(1);
    let times = (needed + partitions - 1) / partitions;
    (times > 1).then(|| partitions.saturating_mul(times))
}
