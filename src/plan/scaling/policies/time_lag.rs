//! Target tracking on the age of the oldest unread record. An age cannot be divided by its target:
//! how many pods bring it down follows from how many records arrive, how many wait, and what one
//! pod can process.

use super::{Context, Opinion, Wish, proportional};
use crate::{
    api::policies::TargetTracking,
    plan::scaling::{
        capacity::Capacity, decision::amount, partition::records, steady::whole_count,
        time::seconds_between,
    },
};

/// Which share of the target may pass until pods that are asked for now work: the rest is for what
/// is not known, when within the last interval the load rose and how long pods really start.
const HASTE: f64 = 0.5;
/// How far below a count that proved too small a need must lie for that count to be tried again
/// within the hour.
const CALM: f64 = 0.8;

/// Whether the oldest unread record is older than the target.
pub fn is_behind(context: &Context<'_>, policy: &TargetTracking) -> bool {
    let time_lag = context.reading.series.time_lag;
    policy.is_time_lag() && time_lag.is_some_and(|age| age > policy.target)
}

/// What `policy` wants. Required are, in records per second,
/// `arrivals / utilization + (lag + arrivals x rebalance time) / catchUp`: what arrives, with room;
/// and over the target what waits and what will wait after the standstill of the change, within the
/// agreed time (the required capacity of Flink's autoscaler). Within the target there is no second
/// part: lag that is young enough need not shrink.
pub fn opinion(context: &Context<'_>, policy: &TargetTracking) -> Opinion {
    let series = &context.reading.series;
    let Some(age) = series.time_lag else {
        return Opinion::Unknown("no partition's lag could be read".into());
    };
    let is_behind = is_behind(context, policy);
    if series.time_lag_or_more && !is_behind {
        return Opinion::Settling("the age of the oldest unread record is not known yet".into());
    }
    let capacity = context.memory.capacity.as_ref();
    let Some(per_replica) = capacity.and_then(Capacity::measured) else {
        return without_rate(context, policy, is_behind);
    };
    let Some(steady) = series.arrival_rate else {
        return Opinion::Settling("the arrival rate is not known yet".into());
    };
    let surge = surge(context, policy, age, per_replica);
    let arrivals = surge.map_or(steady, |newest| newest.max(steady));
    let mut rate = arrivals / policy.utilization();
    let seconds = format!("{} s behind, target {}", amount(age), amount(policy.target));
    let mut reason = format!("{seconds}; {}/s arrive", amount(arrivals));
    if is_behind {
        let backlog = records(series.lag.unwrap_or(0));
        let missed = arrivals * context.memory.gate.rebalance_seconds.unwrap_or(0.0);
        rate += (backlog + missed) / policy.catch_up_seconds();
        reason = format!("{reason}, {} to catch up", amount(backlog));
    }
    reason = format!("{reason}, {}/s a replica", amount(per_replica));
    wants(context, policy, rate / per_replica, &reason)
}

/// What arrives now, where that is so much more than the present pods process that the target would
/// be in danger before others work. The mean of the last intervals shows a steep rise only when it
/// is over; a pod needs its `warmup`, and the group a rebalance, until it is of use.
fn surge(
    context: &Context<'_>,
    policy: &TargetTracking,
    age: f64,
    per_replica: f64,
) -> Option<f64> {
    let newest = context.reading.newest_arrival_rate?;
    let processed = per_replica * f64::from(context.replicas());
    let rebalance = context.memory.gate.rebalance_seconds.unwrap_or(0.0);
    let until_of_use = context.spec.warmup.as_secs_f64() + rebalance;
    let later = age + (1.0 - processed / newest) * until_of_use;
    (newest > processed && later > HASTE * policy.target).then_some(newest)
}

fn wants(context: &Context<'_>, policy: &TargetTracking, need: f64, why: &str) -> Opinion {
    let (count, reason) = proportional(context, need, context.highest(), why);
    let (count, reason) = calm(context, count, reason);
    Opinion::Wants(Wish {
        covers_arrivals: true,
        may_scale_in: !policy.disable_scale_in,
        ..Wish::of(count, reason)
    })
}

/// A load that moves around the border between two counts would have each of them in turn. A count
/// that a scale-out has just proved too small is not tried again within the hour, unless the need
/// lies well below it.
fn calm(context: &Context<'_>, count: i32, reason: String) -> (i32, String) {
    let (at, replicas) = (context.observation.at, context.replicas());
    let undone = context.memory.undone.filter(|undone| at < undone.until);
    let Some(undone) = undone.filter(|undone| count < replicas && count <= undone.count) else {
        return (count, reason);
    };
    if f64::from(count) <= CALM * f64::from(undone.count) {
        return (count, reason);
    }
    let above = context.levels.at_or_above(undone.count + 1).min(replicas);
    let small = undone.count;
    (
        above,
        format!("{reason}; {small} proved too small within the last hour: {above}"),
    )
}

/// While no sample with a backlog has shown what one pod can process: over the target the count
/// doubles, once an interval, until there is one. Within it the policy only knows that fewer are
/// enough when pods were seen to do more than they have to now; else it would try one level fewer.
fn without_rate(context: &Context<'_>, policy: &TargetTracking, is_behind: bool) -> Opinion {
    let replicas = context.replicas();
    if is_behind {
        return double(context, policy);
    }
    let enough = enough(context, policy).filter(|&count| count < replicas);
    let wish = |count, covers_arrivals, reason| Wish {
        covers_arrivals,
        may_scale_in: !policy.disable_scale_in,
        ..Wish::of(count, reason)
    };
    match enough {
        Some(count) => {
            let reason = format!("within the target; pods did more before: {count}");
            Opinion::Wants(wish(count, true, reason))
        }
        None if policy.disable_scale_in || replicas == 1 => {
            Opinion::Abstains("within the target; no pod's rate is known yet".into())
        }
        None => {
            let count = context.levels.below(replicas);
            let reason = format!("never had a backlog: tries {count}");
            Opinion::Tries(wish(count, false, reason))
        }
    }
}

/// How many pods what arrives needs, by what a pod was seen to do at least.
fn enough(context: &Context<'_>, policy: &TargetTracking) -> Option<i32> {
    let arrivals = context.reading.series.arrival_rate?;
    let seen = context.memory.capacity.as_ref()?.per_replica;
    Some(whole_count(arrivals / policy.utilization() / seen))
}

fn double(context: &Context<'_>, policy: &TargetTracking) -> Opinion {
    let replicas = context.replicas();
    let count = if may_double(context) {
        context.levels.at_or_above(replicas.saturating_mul(2))
    } else {
        replicas
    };
    let target = amount(policy.target);
    let why = format!("over {target} s behind, and no pod's rate is known yet");
    let reason = if count > replicas {
        format!("{why}: twice as many, {count}")
    } else {
        format!("{why}: waits for pods to run")
    };
    Opinion::Wants(Wish {
        is_relative: true,
        may_scale_in: false,
        ..Wish::of(count, reason)
    })
}

/// Doubling is worth something only once a pod runs, and only once an interval.
fn may_double(context: &Context<'_>) -> bool {
    let interval = context.spec.interval.as_secs_f64();
    let since_last = context
        .memory
        .last_scale_out
        .map(|change| seconds_between(change.at, context.observation.at));
    // Half an interval of tolerance: timers are never exact, and moments are whole seconds.
    context.observation.ready > 0 && since_last.is_none_or(|seconds| seconds >= interval / 2.0)
}
