//! Step limits, as the `HorizontalPodAutoscaler` counts them: what a direction may change within a
//! period, from the count at the period's start, which is the present one without what was added and
//! removed since. From zero at least one pod is allowed: a share of nothing would be nothing.

use std::cmp::Ordering;

use jiff::Timestamp;

use super::{
    decision::{PASSES, Trace},
    memory::Memory,
    time::seconds_between,
};
use crate::api::{
    scaling::Autoscaling,
    steadiness::{DirectionBehavior, SelectPolicy, StepLimit, StepLimitType},
};

/// The name of the stage.
const STAGE: &str = "step limits";

/// Whether a block has any.
fn is_limited(direction: &DirectionBehavior) -> bool {
    direction.select_policy == SelectPolicy::Disabled || !direction.policies.is_empty()
}

/// Cuts a change to what the step limits of its direction allow.
pub fn step_limits(spec: &Autoscaling, memory: &Memory, at: Timestamp, trace: &mut Trace) {
    let behavior = &spec.behavior;
    if !is_limited(&behavior.scale_out) && !is_limited(&behavior.scale_in) {
        return;
    }
    let (from, value) = (trace.from(), trace.value());
    let (direction, name) = match value.cmp(&from) {
        Ordering::Equal => return trace.hold_if(STAGE, None),
        Ordering::Greater => (&behavior.scale_out, "scaleOut"),
        Ordering::Less => (&behavior.scale_in, "scaleIn"),
    };
    if direction.select_policy == SelectPolicy::Disabled {
        return trace.hold_if(
            STAGE,
            Some(format!("behavior.{name}.selectPolicy is Disabled")),
        );
    }
    let start = |limit: &StepLimit| from - changed(memory, at, limit.period.as_secs_f64());
    let limited = if value > from {
        let limits = direction
            .policies
            .iter()
            .map(|limit| most(start(limit), limit));
        let limit = match direction.select_policy {
            SelectPolicy::Min => limits.min(),
            _ => limits.max(),
        };
        let least = if from == 0 { 1 } else { from };
        limit.map_or(value, |limit| value.min(limit.max(least)))
    } else {
        let limits = direction
            .policies
            .iter()
            .map(|limit| fewest(start(limit), limit));
        // The smallest change is the one that leaves most.
        let limit = match direction.select_policy {
            SelectPolicy::Min => limits.max(),
            _ => limits.min(),
        };
        limit.map_or(value, |limit| value.max(limit.min(from)))
    };
    let reason = if limited == value {
        PASSES.to_owned()
    } else {
        format!("behavior.{name} allows no more than {from} to {limited} now")
    };
    trace.stage(STAGE, limited, reason);
}

/// What the changes of the last `seconds` added, less what they removed.
fn changed(memory: &Memory, at: Timestamp, seconds: f64) -> i32 {
    let recent = memory
        .changes
        .iter()
        .filter(|change| seconds_between(change.at, at) < seconds);
    recent.map(|change| change.to - change.from).sum()
}

/// The most pods that a limit allows; a share is rounded up.
fn most(start: i32, limit: &StepLimit) -> i32 {
    match limit.kind {
        StepLimitType::Pods => start.saturating_add(limit.value),
        StepLimitType::Percent => {
            let hundredths = i64::from(start) * (100 + i64::from(limit.value));
            saturated(hundredths.saturating_add(99).div_euclid(100))
        }
    }
}

/// The fewest pods that a limit allows; a share is cut.
fn fewest(start: i32, limit: &StepLimit) -> i32 {
    match limit.kind {
        StepLimitType::Pods => start.saturating_sub(limit.value),
        StepLimitType::Percent => {
            let hundredths = i64::from(start) * (100 - i64::from(limit.value)).max(0);
            saturated(hundredths / 100)
        }
    }
}

fn saturated(count: i64) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan;
    use serde_json::{Value, json};

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + seconds.seconds()
    }

    /// Looks `every` seconds that want `wish`, and the counts that come of it.
    fn run(title: &str, behavior: &Value, every: i64, wish: i32, counts: &[i32]) {
        let block = json!({"maxReplicas": 1000, "policies": [], "behavior": behavior});
        let spec: Autoscaling = serde_json::from_value(block).unwrap();
        let mut memory = Memory::default();
        for (i, pair) in (0..).zip(counts.windows(2)) {
            let [from, expected] = [pair[0], pair[1]];
            let mut trace = Trace::begin(from);
            trace.stage("combined", wish, "");
            step_limits(&spec, &memory, at(i * every), &mut trace);
            assert_eq!(trace.value(), expected, "{title}: look {i}");
            memory.note(at(i * every), from, expected);
        }
    }

    fn limits(direction: &str, select: &str, limits: &[(&str, i32, &str)]) -> Value {
        let limit = |(kind, value, period): &(&str, i32, &str)| json!({"type": kind, "value": value, "period": period});
        let policies: Vec<Value> = limits.iter().map(limit).collect();
        json!({direction: {"selectPolicy": select, "policies": policies}})
    }

    /// H3, H4, H4b, H15, H16, H17, F9a to F10b, F19 and N4t of the conformance vectors.
    #[test]
    fn the_vendors_numbers() {
        let falling = limits(
            "scaleIn",
            "Max",
            &[("Pods", 4, "60s"), ("Percent", 10, "60s")],
        );
        let slow = [80, 72, 64, 57, 51, 45, 40, 36, 32, 28, 24, 20, 16, 12, 10];
        run("4 pods or 10 %", &falling, 120, 10, &slow);
        run(
            "spent within the period",
            &falling,
            30,
            10,
            &[80, 72, 72, 64],
        );
        let rising = limits(
            "scaleOut",
            "Max",
            &[("Percent", 100, "15s"), ("Pods", 4, "15s")],
        );
        run("from 1", &rising, 20, 40, &[1, 5, 10, 20, 40, 40]);
        run("from 3", &rising, 20, 40, &[3, 7, 14, 28, 40]);
        run("from 0", &rising, 20, 40, &[0, 4, 8]);
        let half = |direction| limits(direction, "Max", &[("Percent", 50, "60s")]);
        run("half in", &half("scaleIn"), 60, 1, &[10, 5]);
        run("half out", &half("scaleOut"), 60, 200, &[10, 15]);
        run(
            "a share of nothing",
            &half("scaleOut"),
            60,
            200,
            &[0, 1, 2, 3, 5],
        );
        let most = |direction| limits(direction, "Max", &[("Percent", 60, "60s")]);
        run("60 % in", &most("scaleIn"), 60, 1, &[10, 4]);
        run("60 % out", &most("scaleOut"), 60, 200, &[10, 16]);
        run("60 % of 25", &most("scaleIn"), 60, 4, &[25, 10]);
        run(
            "3 out",
            &limits("scaleOut", "Max", &[("Pods", 3, "60s")]),
            120,
            14,
            &[5, 8, 11, 14],
        );
        run(
            "3 in",
            &limits("scaleIn", "Max", &[("Pods", 3, "60s")]),
            120,
            6,
            &[16, 13],
        );
    }

    #[test]
    fn the_limit_that_allows_less_may_be_chosen() {
        let both = [("Pods", 4, "60s"), ("Percent", 100, "60s")];
        run("out", &limits("scaleOut", "Min", &both), 60, 40, &[10, 14]);
        run("in", &limits("scaleIn", "Min", &both), 60, 1, &[10, 6]);
    }

    #[test]
    fn a_direction_can_be_forbidden() {
        let none = limits("scaleIn", "Disabled", &[]);
        run("in", &none, 60, 5, &[10, 10]);
        run("out", &none, 60, 12, &[10, 12]);
    }

    /// What was removed within the period may be added again: both count from its start.
    #[test]
    fn additions_and_removals_of_a_period_cancel_out() {
        let limit = limits("scaleOut", "Max", &[("Pods", 2, "60s")]);
        let spec: Autoscaling =
            serde_json::from_value(json!({"maxReplicas": 1000, "policies": [], "behavior": limit}))
                .unwrap();
        let mut memory = Memory::default();
        memory.note(at(0), 10, 7);
        let mut trace = Trace::begin(7);
        trace.stage("combined", 40, "");
        step_limits(&spec, &memory, at(30), &mut trace);
        assert_eq!(trace.value(), 12);
    }
}
