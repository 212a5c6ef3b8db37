//! KEDA's Kafka trigger in its own words: unread records by `lagThreshold`, and no more pods than
//! partitions that lag, where that is asked for. Its known defects are not copied: the count is
//! bounded and never the metric, a partition without a commit counts with what its log holds and
//! never below 0, and the tolerance keeps no bound out of reach.

use super::{Context, Opinion, Wish, proportional};
use crate::{
    api::policies::{LAG, LagThreshold},
    plan::scaling::{
        decision::amount,
        partition::{records, standing},
    },
};

/// What `policy` wants.
pub fn opinion(context: &Context<'_>, policy: &LagThreshold) -> Opinion {
    let Some(unread) = Unread::of(context, policy) else {
        return Opinion::Unknown("no partition's lag could be read".to_owned());
    };
    let activation = policy.activation_lag_threshold;
    if context.replicas() == 0 && unread.lag <= activation {
        let lag = unread.lag;
        let reason = format!("lag {lag} is not above activationLagThreshold {activation}");
        return Opinion::Abstains(reason);
    }
    let (lag, target) = (records(unread.lag), records(policy.lag_threshold.max(1)));
    let why = format!("lag {} at {} a replica", amount(lag), amount(target));
    let (count, reason) = match unread
        .lagging
        .filter(|_| policy.limit_to_partitions_with_lag)
    {
        Some(lagging) => limited(context, lag / target, lagging, &why),
        None => proportional(context, lag / target, context.highest(), &why),
    };
    if unread.is_partly_unknown && count <= context.replicas() {
        return Opinion::Unknown(format!("{reason}, and a partition's lag is not known"));
    }
    Opinion::Wants(Wish::of(count, reason))
}

/// The unread records as `policy` counts them; none when nothing could be read.
pub fn unread(context: &Context<'_>, policy: &LagThreshold) -> Option<i64> {
    Unread::of(context, policy).map(|unread| unread.lag)
}

/// At most one pod for each partition that lags.
fn limited(context: &Context<'_>, need: f64, lagging: i32, why: &str) -> (i32, String) {
    let most = lagging.max(1);
    let (count, reason) = proportional(context, need, context.highest().min(most), why);
    if count > most {
        (most, format!("{why}: {most} partitions with lag"))
    } else {
        (count, reason)
    }
}

/// The unread records as this policy counts them.
struct Unread {
    lag: i64,
    /// Partitions with unread records, where partitions were looked at.
    lagging: Option<i32>,
    is_partly_unknown: bool,
}

impl Unread {
    /// None when nothing could be read. A lag that was given holds as it is.
    fn of(context: &Context<'_>, policy: &LagThreshold) -> Option<Self> {
        if context.observation.metrics.contains_key(LAG) {
            let series = &context.reading.series;
            let lagging = series.lagging_partitions;
            return Some(Self {
                lag: series.lag?,
                lagging: lagging.map(|count| i32::try_from(count).unwrap_or(i32::MAX)),
                is_partly_unknown: false,
            });
        }
        let reset = policy.offset_reset_policy.into();
        let (mut lag, mut lagging, mut known, mut unknown) = (0_i64, 0, 0, 0);
        for sample in &context.observation.partitions {
            match standing(sample, reset) {
                None => unknown += 1,
                Some(_) if policy.exclude_persistent_lag && context.reading.is_stuck(sample) => {
                    known += 1;
                }
                Some(standing) => {
                    known += 1;
                    lag = lag.saturating_add(standing.lag);
                    lagging += i32::from(standing.lag > 0);
                }
            }
        }
        (known > 0).then_some(Self {
            lag,
            lagging: Some(lagging),
            is_partly_unknown: unknown > 0,
        })
    }
}
