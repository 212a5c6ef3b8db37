//! What keeps the count steady: lengths of time, tolerances and step limits within their bounds.

use super::Report;
use crate::api::{scaling::Autoscaling, steadiness::DirectionBehavior};

const HOUR: u64 = 3600;
const WEEK: u64 = 7 * 24 * HOUR;

/// Checks everything that slows a change down.
pub fn steadiness(spec: &Autoscaling, report: &mut Report) {
    report.lasts("warmup", spec.warmup, 0..=HOUR);
    report.lasts("cooldown.scaleOut", spec.cooldown.scale_out, 0..=24 * HOUR);
    report.lasts("cooldown.scaleIn", spec.cooldown.scale_in, 0..=24 * HOUR);
    report.lasts("activation.idleFor", spec.activation.idle_for, 0..=WEEK);
    report.within("activation.lag", spec.activation.lag, 0..=i64::MAX);
    report.lasts("overrideFor", spec.override_for, 0..=WEEK);
    direction("behavior.scaleOut", &spec.behavior.scale_out, report);
    direction("behavior.scaleIn", &spec.behavior.scale_in, report);
}

fn direction(path: &str, behavior: &DirectionBehavior, report: &mut Report) {
    if let Some(window) = behavior.stabilization_window {
        report.lasts(format!("{path}.stabilizationWindow"), window, 0..=HOUR);
    }
    if let Some(tolerance) = behavior.tolerance {
        let path = format!("{path}.tolerance");
        if report.finite(&path, tolerance) && !(0.0..=1.0).contains(&tolerance) {
            let message = format!("{tolerance} does not lie between 0 and 1: 0.1 is 10 %");
            report.refuse(path, message);
        }
    }
    for (index, limit) in behavior.policies.iter().enumerate() {
        let path = format!("{path}.policies[{index}]");
        report.within(format!("{path}.value"), limit.value, 1..=100_000);
        report.lasts(format!("{path}.period"), limit.period, 1..=HOUR / 2);
    }
}
