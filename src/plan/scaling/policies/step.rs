//! Step and simple scaling, as AWS has them: an alarm, and what it does to the count. A step policy
//! chooses by how far the metric is beyond the threshold. A simple policy makes one change, and then
//! ignores its alarm until the pods are ready and its cooldown is over.

use super::{
    Context, Opinion, Wish,
    adjustment::Adjustment,
    alarm::{Alarm, PeriodValues},
    numbers::{is_above, is_at_least},
};
use crate::{
    api::policies::{AdjustmentType, Simple, Step, StepAdjustment},
    plan::scaling::acts::Wait,
};

/// What step and simple scaling have in common.
#[derive(Clone, Copy, Debug)]
pub struct Response<'a> {
    alarm: Alarm<'a>,
    bands: Bands<'a>,
    kind: AdjustmentType,
    least: i32,
}

/// By how much an alarm changes the count.
#[derive(Clone, Copy, Debug)]
enum Bands<'a> {
    /// By how far the metric is beyond the threshold.
    Steps(&'a [StepAdjustment]),
    /// Always the same.
    One(i32),
}

impl<'a> From<&'a Step> for Response<'a> {
    fn from(policy: &'a Step) -> Self {
        Self {
            alarm: Alarm::from(policy),
            bands: Bands::Steps(&policy.steps),
            kind: policy.adjustment_type,
            least: policy.min_adjustment_magnitude.unwrap_or(0),
        }
    }
}

impl<'a> From<&'a Simple> for Response<'a> {
    fn from(policy: &'a Simple) -> Self {
        Self {
            alarm: Alarm::from(policy),
            bands: Bands::One(policy.adjustment),
            kind: policy.adjustment_type,
            least: policy.min_adjustment_magnitude.unwrap_or(0),
        }
    }
}

impl Response<'_> {
    /// The adjustment for a value beyond the threshold. Above it a band's lower edge belongs to the
    /// band, below it the upper edge.
    fn adjustment(&self, value: f64) -> Option<Adjustment> {
        let change = match self.bands {
            Bands::One(change) => change,
            Bands::Steps(steps) => steps.iter().find(|s| self.covers(s, value))?.adjustment,
        };
        Some(Adjustment {
            kind: self.kind,
            value: change,
            least: self.least,
        })
    }

    fn covers(&self, step: &StepAdjustment, value: f64) -> bool {
        let lower = step.lower_bound.map(|bound| self.alarm.threshold + bound);
        let upper = step.upper_bound.map(|bound| self.alarm.threshold + bound);
        if self.alarm.comparison.is_above() {
            lower.is_none_or(|edge| is_at_least(value, edge))
                && upper.is_none_or(|edge| is_above(edge, value))
        } else {
            lower.is_none_or(|edge| is_above(value, edge))
                && upper.is_none_or(|edge| is_at_least(edge, value))
        }
    }

    /// What the alarm calls for.
    pub fn opinion(&self, context: &Context<'_>) -> Opinion {
        let values = match self.alarm.values(context) {
            Ok(values) => values,
            Err(opinion) => return opinion,
        };
        let why = self.alarm.describe(values.newest());
        if !self.alarm.sounds(&values, 1.0) {
            return Opinion::Abstains(format!("{why}: quiet"));
        }
        match self.adjustment(values.newest()) {
            Some(adjustment) => Opinion::Wants(adjustment.wish(context, &why)),
            None => Opinion::Abstains(format!("{why}: no step covers it")),
        }
    }
}

/// What the simple policy of this name wants.
pub fn simple(context: &Context<'_>, name: &str, policy: &Simple) -> Opinion {
    let wish = match Response::from(policy).opinion(context) {
        Opinion::Wants(wish) => wish,
        other => return other,
    };
    let replicas = context.replicas();
    match context.memory.acts.holds(name, wish.count < replicas) {
        None => Opinion::Wants(Wish {
            wait: Some(Wait::PodsAndCooldown(policy.cooldown)),
            ..wish
        }),
        Some(held) if wish.count < replicas => Opinion::Abstains(held),
        // An alarm that calls for more pods is no time to remove any.
        Some(held) => Opinion::Wants(Wish::of(replicas, held)),
    }
}

/// When the alarm would add pods if fewer stayed.
#[derive(Debug)]
pub struct Trigger<'a> {
    response: Response<'a>,
    values: PeriodValues,
}

impl<'a> Trigger<'a> {
    /// None where the metric is not known.
    pub fn of(context: &Context<'_>, response: Response<'a>) -> Option<Self> {
        let values = response.alarm.values(context).ok()?;
        Some(Self { response, values })
    }

    /// Why it would add pods to `candidate` of the present `replicas`, if so.
    pub fn fires(&self, replicas: i32, candidate: i32) -> Option<String> {
        let alarm = &self.response.alarm;
        let factor = alarm.share().factor(replicas, candidate);
        if !alarm.sounds(&self.values, factor) {
            return None;
        }
        let value = self.values.newest() * factor;
        let count = self.response.adjustment(value)?.apply(candidate);
        (count > candidate).then(|| alarm.describe(value))
    }
}
