//! What a step policy, a simple policy or a rule does to the count: so many pods more or fewer, so
//! many per cent, or a count.

use super::{Context, Wish};
use crate::api::policies::{AdjustmentType, ChangeType, Direction, ScaleRule};

/// What is done to the count.
#[derive(Clone, Copy, Debug)]
pub struct Adjustment {
    /// What `value` is.
    pub kind: AdjustmentType,
    /// Pods, per cent, or the count.
    pub value: i32,
    /// The smallest change that a percentage makes, in pods.
    pub least: i32,
}

impl From<&ScaleRule> for Adjustment {
    fn from(rule: &ScaleRule) -> Self {
        let change = match rule.direction {
            Direction::Increase => rule.value,
            Direction::Decrease => rule.value.saturating_neg(),
        };
        let (kind, value) = match rule.kind {
            ChangeType::ChangeCount => (AdjustmentType::ChangeInCapacity, change),
            ChangeType::PercentChangeCount => (AdjustmentType::PercentChangeInCapacity, change),
            ChangeType::ExactCount => (AdjustmentType::ExactCapacity, rule.value),
        };
        Self {
            kind,
            value,
            least: 0,
        }
    }
}

impl Adjustment {
    /// The count that becomes of `base`.
    pub fn apply(self, base: i32) -> i32 {
        match self.kind {
            AdjustmentType::ChangeInCapacity => base.saturating_add(self.value),
            AdjustmentType::ExactCapacity => self.value,
            AdjustmentType::PercentChangeInCapacity => {
                let change = percent(base, self.value).saturating_abs();
                let magnitude = change.max(self.least);
                base.saturating_add(self.value.signum().saturating_mul(magnitude))
            }
        }
    }

    /// The wish that it makes of the present count. What it adds, it adds to the pods that are not
    /// on their way any more, and it never takes away those that are.
    pub fn wish(self, context: &Context<'_>, why: &str) -> Wish {
        let replicas = context.replicas();
        let settled = context.settled_replicas();
        let is_step = self.kind != AdjustmentType::ExactCapacity;
        if self.value <= 0 || !is_step {
            let count = self.apply(replicas).max(1);
            return Wish {
                is_relative: is_step,
                ..Wish::of(count, format!("{why}: {count}"))
            };
        }
        let count = self.apply(settled).max(replicas).max(1);
        let on_their_way = replicas - settled;
        let reason = if on_their_way > 0 {
            format!("{why}: {count}, {on_their_way} of them are on their way")
        } else {
            format!("{why}: {count}")
        };
        Wish::of(count, reason)
    }
}

/// So many per cent of `count`, rounded as AWS does: a part of a pod counts as one, and beyond
/// that towards zero (12.7 is 12, 0.67 is 1, -0.58 is -1, -6.67 is -6). How Azure rounds is not
/// documented; its percentages are rounded alike.
fn percent(count: i32, per_cent: i32) -> i32 {
    let hundredths = i64::from(count) * i64::from(per_cent);
    let whole = if hundredths.abs() < 100 {
        hundredths.signum()
    } else {
        hundredths / 100
    };
    i32::try_from(whole).unwrap_or(if whole < 0 { i32::MIN } else { i32::MAX })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cases W3, W5 and W8a to W8dt of the conformance vectors.
    #[test]
    fn percentages_are_rounded_as_aws_rounds() {
        for (count, per_cent, change) in [
            (11, 30, 3),
            (13, -30, -3),
            (127, 10, 12),
            (67, 1, 1),
            (58, -1, -1),
            (4, -15, -1),
            (37, 13, 4),
            (19, -31, -5),
            (100, 1, 1),
            (10, 0, 0),
            (0, 50, 0),
            (i32::MAX, 100_000, i32::MAX),
        ] {
            assert_eq!(percent(count, per_cent), change, "{per_cent} % of {count}");
        }
    }

    /// Cases W9b to W9t: the least change holds in both directions, and only for a percentage.
    #[test]
    fn the_least_change_holds_for_percentages() {
        let apply = |kind, value, least, base| Adjustment { kind, value, least }.apply(base);
        let percentage = AdjustmentType::PercentChangeInCapacity;
        assert_eq!(apply(percentage, -10, 5, 20), 15);
        assert_eq!(apply(percentage, -5, 4, 30), 26);
        assert_eq!(apply(percentage, 20, 3, 10), 13);
        assert_eq!(apply(percentage, 20, 3, 40), 48);
        assert_eq!(apply(percentage, 0, 3, 40), 40);
        assert_eq!(apply(AdjustmentType::ChangeInCapacity, 1, 3, 10), 11);
    }
}
