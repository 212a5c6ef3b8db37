//! Target tracking: keeps lag per replica, or the age of the oldest unread record, at a target.
//! A lag is divided by its target. An age cannot be: how many pods bring it down follows from how
//! many records arrive, how many wait, and what one pod can process.

use super::{Context, Opinion, Wish, proportional};
use crate::{
    api::policies::{MetricOf, TargetTracking},
    plan::scaling::{
        capacity::Capacity, decision::amount, history::records, steady::whole_count,
        time::seconds_between,
    },
};

/// What `policy` wants.
pub fn opinion(context: &Context<'_>, policy: &TargetTracking) -> Opinion {
    if policy.is_time_lag() {
        time_lag(context, policy)
    } else {
        metric(context, policy)
    }
}

/// Whether the oldest unread record is older than the target.
pub fn is_behind(context: &Context<'_>, policy: &TargetTracking) -> bool {
    let time_lag = context.reading.series.time_lag;
    policy.is_time_lag() && time_lag.is_some_and(|age| age > policy.target)
}

/// A value is proportional to the count: a sum is shared by the pods, an average is one of those
/// that are ready and warm. As long as such an average is above its target no pod goes, whether or
/// not those on their way would be too many (`HorizontalPodAutoscaler`).
fn metric(context: &Context<'_>, policy: &TargetTracking) -> Opinion {
    let name = &policy.metric;
    let Some(value) = context.reading.series.value(name) else {
        return Opinion::Unknown(format!("{name} could not be read"));
    };
    let why = format!("{name} {} at {}", amount(value), amount(policy.target));
    if policy.of() == MetricOf::Total {
        return wants(
            context,
            policy,
            value / policy.target,
            &format!("{why} a replica"),
        );
    }
    let pods = match (context.replicas(), context.warm_replicas()) {
        (0, _) => 1,
        (_, 0) => return Opinion::Settling(format!("{why}: no pod is ready and warm yet")),
        (_, warm) => warm,
    };
    let need = f64::from(pods) * value / policy.target;
    let least = if value > policy.target {
        context.replicas()
    } else {
        0
    };
    wants(context, policy, need.max(f64::from(least)), &why)
}

fn time_lag(context: &Context<'_>, policy: &TargetTracking) -> Opinion {
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
    let Some(arrivals) = series.arrival_rate else {
        return Opinion::Settling("the arrival rate is not known yet".into());
    };
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

fn wants(context: &Context<'_>, policy: &TargetTracking, need: f64, why: &str) -> Opinion {
    let (count, reason) = proportional(context, need, context.highest(), why);
    Opinion::Wants(Wish {
        covers_arrivals: policy.is_time_lag(),
        may_scale_in: !policy.disable_scale_in,
        ..Wish::of(count, reason)
    })
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
