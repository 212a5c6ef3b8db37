//! Target tracking: keeps lag per replica, or another metric, at a target: the value is divided by
//! it. The age of the oldest unread record is a case of its own.

use super::{Context, Opinion, Wish, proportional, time_lag};
use crate::{
    api::policies::{MetricOf, TargetTracking},
    plan::scaling::decision::amount,
};

/// What `policy` wants.
pub fn opinion(context: &Context<'_>, policy: &TargetTracking) -> Opinion {
    if policy.is_time_lag() {
        time_lag::opinion(context, policy)
    } else {
        metric(context, policy)
    }
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

fn wants(context: &Context<'_>, policy: &TargetTracking, need: f64, why: &str) -> Opinion {
    let (count, reason) = proportional(context, need, context.highest(), why);
    Opinion::Wants(Wish {
        may_scale_in: !policy.disable_scale_in,
        ..Wish::of(count, reason)
    })
}
