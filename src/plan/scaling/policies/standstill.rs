//! When a policy on the number of unread records would add pods again after a scale-in: what arrives
//! while the group rebalances is unread at once, and where that alone is more than the pods that are
//! left are to have, the scale-in would be undone as soon as it is made.

use super::{Context, lag_threshold};
use crate::{
    api::policies::{LAG, LagThreshold, MetricOf, TargetTracking},
    plan::scaling::{
        decision::amount,
        partition::records,
        steady::{is_tolerated, whole_count},
    },
};

/// When the lag of a standstill would call for more pods than stay.
#[derive(Debug)]
pub struct Trigger<'a> {
    context: Context<'a>,
    lag: f64,
    target: f64,
}

impl<'a> Trigger<'a> {
    /// For target tracking on a sum of unread records.
    pub fn of_tracking(context: &Context<'a>, policy: &TargetTracking) -> Option<Self> {
        let lag = context.reading.series.lag?;
        let is_sum = policy.metric == LAG && policy.of() == MetricOf::Total;
        is_sum.then(|| Self::of(context, lag, policy.target))?
    }

    /// For KEDA's trigger.
    pub fn of_threshold(context: &Context<'a>, policy: &LagThreshold) -> Option<Self> {
        let lag = lag_threshold::unread(context, policy)?;
        Self::of(context, lag, records(policy.lag_threshold.max(1)))
    }

    /// None until it is known how long the group stands still, and how much arrives meanwhile.
    fn of(context: &Context<'a>, lag: i64, target: f64) -> Option<Self> {
        let seconds = context.memory.gate.rebalance_seconds?;
        let arrivals = context.reading.series.arrival_rate?;
        Some(Self {
            context: *context,
            lag: records(lag) + arrivals * seconds,
            target,
        })
    }

    /// Why it would add pods to `candidate`, if so.
    pub fn fires(&self, candidate: i32) -> Option<String> {
        let need = self.lag / self.target;
        let behavior = &self.context.spec.behavior;
        let is_more = whole_count(need) > candidate && !is_tolerated(need, candidate, behavior);
        is_more.then(|| {
            let (lag, target) = (amount(self.lag), amount(self.target));
            format!("lag {lag} after the rebalance at {target} a replica")
        })
    }
}
