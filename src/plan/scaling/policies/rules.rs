//! Rules as Azure Autoscale has them: out when any out-rule holds, by the one that gives most; in
//! when no out-rule holds and all in-rules do, by the one that takes least. A rule folds the samples
//! of each grain, then the grains of its window. After a rule has acted its cooldown holds the rules
//! of this policy; one that removed pods never holds those that add some.

use super::{
    Context, Opinion, Share, Wish,
    adjustment::Adjustment,
    numbers::{is_above, is_at_least, is_equal},
};
use crate::{
    api::policies::{Direction, Operator, ScaleRule, Statistic, TimeAggregation},
    plan::scaling::{
        acts::Wait,
        decision::amount,
        windows::{Look, Values},
    },
};

/// What the rules of the policy of this name want.
pub fn opinion(context: &Context<'_>, name: &str, rules: &[ScaleRule]) -> Opinion {
    let verdicts: Vec<Verdict<'_>> = rules.iter().map(|r| Verdict::of(context, r)).collect();
    let wishes = |direction| holding(context, &verdicts, direction);
    let most = wishes(Direction::Increase).max_by_key(|wish| wish.count);
    if let Some(wish) = most {
        return out(context, name, wish);
    }
    let unknown = verdicts
        .iter()
        .find(|v| matches!(v.value, Value::Unreadable));
    if let Some(verdict) = unknown {
        return Opinion::Unknown(format!("{} could not be read", verdict.rule.metric));
    }
    if let Some(verdict) = verdicts.iter().find(|v| matches!(v.value, Value::TooFew)) {
        let (metric, window) = (&verdict.rule.metric, verdict.rule.time_window);
        return Opinion::Settling(format!("{metric} is not known for {window} yet"));
    }
    let in_rules = rules.iter().filter(|r| r.direction == Direction::Decrease);
    let least = wishes(Direction::Decrease).max_by_key(|wish| wish.count);
    match least.filter(|_| wishes(Direction::Decrease).count() == in_rules.count()) {
        Some(wish) => match context.memory.acts.holds(name, true) {
            Some(held) => Opinion::Abstains(held),
            None => Opinion::Wants(wish),
        },
        None => Opinion::Abstains("no rule calls for a change".to_owned()),
    }
}

/// The wishes of the rules of one direction that hold.
fn holding<'a>(
    context: &'a Context<'_>,
    verdicts: &'a [Verdict<'_>],
    direction: Direction,
) -> impl Iterator<Item = Wish> + use<'a> {
    let verdicts = verdicts.iter();
    verdicts.filter_map(move |verdict| {
        let value = verdict
            .holding()
            .filter(|_| verdict.rule.direction == direction)?;
        Some(wish(context, verdict.rule, value))
    })
}

/// What a rule that holds makes of the present count; an out-rule never removes pods, and an
/// in-rule never adds any.
fn wish(context: &Context<'_>, rule: &ScaleRule, value: f64) -> Wish {
    let replicas = context.replicas();
    let why = describe(rule, value);
    let wish = Adjustment::from(rule).wish(context, &why);
    let is_astray = match rule.direction {
        Direction::Increase => wish.count < replicas,
        Direction::Decrease => wish.count > replicas,
    };
    if is_astray {
        let count = rule.value;
        return Wish::of(
            replicas,
            format!("{why}: {replicas}, not {count}, in this direction"),
        );
    }
    Wish {
        wait: Some(Wait::Cooldown(rule.cooldown)),
        ..wish
    }
}

fn out(context: &Context<'_>, name: &str, wish: Wish) -> Opinion {
    Opinion::Wants(match context.memory.acts.holds(name, false) {
        Some(held) => Wish::of(context.replicas(), format!("{}, but {held}", wish.reason)),
        None => wish,
    })
}

/// A rule and the value that it looks at now.
#[derive(Debug)]
struct Verdict<'a> {
    rule: &'a ScaleRule,
    value: Value,
}

/// The value of a rule.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Value {
    /// As it is compared.
    Known(f64),
    /// The samples do not fill the window yet, or say only what it is at least.
    TooFew,
    /// The series could not be read.
    Unreadable,
}

impl<'a> Verdict<'a> {
    fn of(context: &Context<'_>, rule: &'a ScaleRule) -> Self {
        let value = match folded(context, rule) {
            Value::Known(total) if rule.divide_per_instance => {
                Value::Known(total / f64::from(context.replicas().max(1)))
            }
            other => other,
        };
        Self { rule, value }
    }

    /// The value, where it makes the rule hold.
    fn holding(&self) -> Option<f64> {
        match self.value {
            Value::Known(value) if holds(self.rule, value) => Some(value),
            _ => None,
        }
    }
}

/// The value of the window, not divided.
fn folded(context: &Context<'_>, rule: &ScaleRule) -> Value {
    if context.reading.series.value(&rule.metric).is_none() {
        return Value::Unreadable;
    }
    let look = Look::grains(rule, context.spec.interval);
    let past = context.windows.look(look, context.observation.at);
    let needs_all = !matches!(
        rule.operator,
        Operator::GreaterThan | Operator::GreaterThanOrEqual
    );
    if !past.is_whole || (past.or_more && needs_all) {
        return Value::TooFew;
    }
    let grains = past.stretches.iter().flatten();
    let grains: Vec<f64> = grains
        .map(|values| statistic(rule.statistic, values))
        .collect();
    aggregate(rule.time_aggregation, &grains).map_or(Value::TooFew, Value::Known)
}

fn statistic(statistic: Statistic, values: &Values) -> f64 {
    match statistic {
        Statistic::Average => values.mean(),
        Statistic::Min => values.min,
        Statistic::Max => values.max,
        Statistic::Sum => values.sum,
        Statistic::Count => values.count,
    }
}

/// The grains, newest first, as one value; none without a grain.
fn aggregate(aggregation: TimeAggregation, grains: &[f64]) -> Option<f64> {
    let newest = *grains.first()?;
    let total: f64 = grains.iter().sum();
    #[expect(clippy::cast_precision_loss, reason = "at most 43,200 grains")]
    let count = grains.len() as f64;
    Some(match aggregation {
        TimeAggregation::Average => total / count,
        TimeAggregation::Minimum => grains.iter().copied().fold(newest, f64::min),
        TimeAggregation::Maximum => grains.iter().copied().fold(newest, f64::max),
        TimeAggregation::Total => total,
        TimeAggregation::Count => count,
        TimeAggregation::Last => newest,
    })
}

fn holds(rule: &ScaleRule, value: f64) -> bool {
    let threshold = rule.threshold;
    match rule.operator {
        Operator::Equals => is_equal(value, threshold),
        Operator::NotEquals => !is_equal(value, threshold),
        Operator::GreaterThan => is_above(value, threshold),
        Operator::GreaterThanOrEqual => is_at_least(value, threshold),
        Operator::LessThan => is_above(threshold, value),
        Operator::LessThanOrEqual => is_at_least(threshold, value),
    }
}

fn describe(rule: &ScaleRule, value: f64) -> String {
    let of = if rule.divide_per_instance {
        " a replica"
    } else {
        ""
    };
    let (metric, threshold) = (&rule.metric, amount(rule.threshold));
    format!(
        "{metric} {}{of} at a threshold of {threshold}",
        amount(value)
    )
}

/// When an out-rule would hold if fewer pods stayed.
#[derive(Debug)]
pub struct Trigger<'a> {
    rule: &'a ScaleRule,
    folded: f64,
}

impl<'a> Trigger<'a> {
    /// None for an in-rule, and where the value is not known.
    pub fn of(context: &Context<'_>, rule: &'a ScaleRule) -> Option<Self> {
        match folded(context, rule) {
            Value::Known(folded) if rule.direction == Direction::Increase => {
                Some(Self { rule, folded })
            }
            _ => None,
        }
    }

    /// Why it would add pods to `candidate` of the present `replicas`, if so. Azure's estimate:
    /// `observed x current / candidate`, and for a total that is judged per instance
    /// `total / candidate`. A number of samples stays what it is.
    pub fn fires(&self, replicas: i32, candidate: i32) -> Option<String> {
        let rule = self.rule;
        let is_count =
            rule.statistic == Statistic::Count || rule.time_aggregation == TimeAggregation::Count;
        let estimate = if rule.divide_per_instance {
            self.folded / f64::from(candidate.max(1))
        } else if is_count {
            self.folded
        } else {
            self.folded * Share::of(&rule.metric).factor(replicas, candidate)
        };
        let adds = Adjustment::from(rule).apply(candidate) > candidate;
        (adds && holds(rule, estimate)).then(|| describe(rule, estimate))
    }
}
