//! The alarm of a step or simple policy: a metric that is beyond a threshold in each of so many
//! periods in a row. With a period without a sample it has too little data and cannot tell.

use super::{
    Context, Opinion, Share,
    numbers::{is_above, is_at_least},
};
use crate::{
    api::{
        common::Duration,
        policies::{Comparison, MetricAggregation, Simple, Step},
    },
    plan::scaling::{
        decision::amount,
        windows::{Look, Values},
    },
};

/// An alarm.
#[derive(Clone, Copy, Debug)]
pub struct Alarm<'a> {
    metric: &'a str,
    /// The value that it is compared with.
    pub threshold: f64,
    /// On which side of it the alarm sounds.
    pub comparison: Comparison,
    aggregation: MetricAggregation,
    period: Duration,
    periods: i32,
}

impl<'a> From<&'a Step> for Alarm<'a> {
    fn from(step: &'a Step) -> Self {
        Self {
            metric: &step.metric,
            threshold: step.threshold,
            comparison: step.comparison,
            aggregation: step.metric_aggregation,
            period: step.period,
            periods: step.evaluation_periods,
        }
    }
}

impl<'a> From<&'a Simple> for Alarm<'a> {
    fn from(simple: &'a Simple) -> Self {
        Self {
            metric: &simple.metric,
            threshold: simple.threshold,
            comparison: simple.comparison,
            aggregation: simple.metric_aggregation,
            period: simple.period,
            periods: simple.evaluation_periods,
        }
    }
}

/// The value of each period, newest first; at least one.
#[derive(Clone, Debug, PartialEq)]
pub struct PeriodValues(Vec<f64>);

impl PeriodValues {
    /// The newest.
    pub fn newest(&self) -> f64 {
        self.0.first().copied().unwrap_or(f64::NAN)
    }
}

impl Alarm<'_> {
    /// The values of the periods, or why they are not known.
    pub fn values(&self, context: &Context<'_>) -> Result<PeriodValues, Opinion> {
        let metric = self.metric;
        if context.reading.series.value(metric).is_none() {
            return Err(Opinion::Unknown(format!("{metric} could not be read")));
        }
        let look = Look::periods(metric, self.period, self.periods, context.spec.interval);
        let past = context.windows.look(look, context.observation.at);
        if past.or_more && !self.comparison.is_above() {
            return Err(Opinion::Settling(format!(
                "{metric} may be more than is known yet"
            )));
        }
        let periods = past.stretches.iter();
        let values: Option<Vec<f64>> = periods
            .map(|values| values.as_ref().map(|values| self.value(values)))
            .collect();
        values
            .filter(|_| past.is_whole)
            .map(PeriodValues)
            .ok_or_else(|| {
                let (period, periods) = (look.stretch, self.periods);
                Opinion::Settling(format!(
                    "{metric} was not sampled in each of {periods} periods of {period} yet"
                ))
            })
    }

    fn value(&self, values: &Values) -> f64 {
        match self.aggregation {
            MetricAggregation::Average => values.mean(),
            MetricAggregation::Minimum => values.min,
            MetricAggregation::Maximum => values.max,
        }
    }

    /// Whether every period is beyond the threshold once its value is multiplied by `factor`.
    pub fn sounds(&self, values: &PeriodValues, factor: f64) -> bool {
        let threshold = self.threshold;
        let mut values = values.0.iter().map(|value| value * factor);
        values.all(|value| match self.comparison {
            Comparison::GreaterThanOrEqualToThreshold => is_at_least(value, threshold),
            Comparison::GreaterThanThreshold => is_above(value, threshold),
            Comparison::LessThanThreshold => is_above(threshold, value),
            Comparison::LessThanOrEqualToThreshold => is_at_least(threshold, value),
        })
    }

    /// What the metric is when fewer pods share the load.
    pub fn share(&self) -> Share {
        Share::of(self.metric)
    }

    /// The metric with a value, in words.
    pub fn describe(&self, value: f64) -> String {
        let (metric, threshold) = (self.metric, amount(self.threshold));
        format!("{metric} {} at a threshold of {threshold}", amount(value))
    }
}
