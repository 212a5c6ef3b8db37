//! Thresholds that are so close together that a scale-in calls for a scale-out at once. A value that
//! is an average over the pods grows by n / (n - 1) when one of n goes (Azure's flapping rule), so
//! the two thresholds need a margin. With many pods a small one is enough: what is told is a pair
//! that has too little of it at any count within the bounds.

use super::Report;
use crate::{
    api::policies::{AdjustmentType, Direction, Policy, SUMS, TIME_LAG},
    plan::scaling::decision::amount,
};

/// A threshold that adds or removes pods.
struct Edge<'a> {
    path: String,
    metric: &'a str,
    adds: bool,
    threshold: f64,
    /// Whether the value that is compared is shared by the pods.
    is_shared: bool,
}

/// Warns of each threshold for a scale-in that lies too near to one for a scale-out. `counts` are
/// the fewest and the most pods.
pub fn flapping(counts: (i32, i32), path: &str, policies: &[Policy], report: &mut Report) {
    let edges: Vec<Edge<'_>> = policies
        .iter()
        .enumerate()
        .filter(|(_, policy)| !policy.is_shadow())
        .flat_map(|(index, policy)| edges(&format!("{path}[{index}]"), policy))
        .filter(|edge| edge.threshold.is_finite())
        .collect();
    let fewest = counts.0.clamp(1, 1_000_000);
    let most = counts.1.max(fewest + 1);
    for inner in edges.iter().filter(|edge| !edge.adds) {
        let pairs = edges
            .iter()
            .filter(|edge| edge.adds && edge.metric == inner.metric);
        if let Some(outer) = pairs.min_by(|a, b| a.threshold.total_cmp(&b.threshold)) {
            pair(inner, outer, (fewest, most), report);
        }
    }
}

fn pair(inner: &Edge<'_>, outer: &Edge<'_>, (fewest, most): (i32, i32), report: &mut Report) {
    let (removes, adds) = (inner.threshold, outer.threshold);
    let grown = |from: i32| {
        if inner.is_shared {
            removes * f64::from(from) / f64::from(from - 1)
        } else {
            removes
        }
    };
    if removes <= 0.0 || grown(most) <= adds {
        return;
    }
    let metric = inner.metric;
    let message = if inner.is_shared {
        let at = |from: i32| amount(adds * f64::from(from - 1) / f64::from(from));
        format!(
            "every scale-in at {removes} would be undone: {metric} {removes} on {most} pods is \
             {} on {}, and {} adds pods at {adds}; set it below {} for {most} pods, below {} for \
             scale-in down to {fewest}",
            amount(grown(most)),
            most - 1,
            outer.path,
            at(most),
            at(fewest + 1),
        )
    } else {
        format!(
            "every scale-in at {removes} would be undone: fewer pods do not change {metric}, and \
             {} adds pods at {adds}; set it below {adds}",
            outer.path
        )
    };
    report.warn(inner.path.clone(), message);
}

fn edges<'a>(path: &str, policy: &'a Policy) -> Vec<Edge<'a>> {
    let mut edges: Vec<Edge<'a>> = policy
        .rules
        .iter()
        .enumerate()
        .map(|(index, rule)| Edge {
            path: format!("{path}.rules[{index}].threshold"),
            metric: &rule.metric,
            adds: rule.direction == Direction::Increase,
            threshold: rule.threshold,
            is_shared: rule.divide_per_instance || is_shared(&rule.metric),
        })
        .collect();
    if let Some(step) = &policy.step {
        let adds = step.comparison.is_above();
        let is_exact = step.adjustment_type == AdjustmentType::ExactCapacity;
        let acts = |adjustment: i32| is_exact || if adds { adjustment > 0 } else { adjustment < 0 };
        let bands = step.steps.iter().filter(|band| acts(band.adjustment));
        // The end of a band that lies next to the threshold.
        let offsets = bands.filter_map(|b| if adds { b.lower_bound } else { b.upper_bound });
        let nearest = offsets.min_by(|a, b| a.abs().total_cmp(&b.abs()));
        edges.extend(nearest.map(|offset| Edge {
            path: format!("{path}.step.threshold"),
            metric: &step.metric,
            adds,
            threshold: step.threshold + offset,
            is_shared: is_shared(&step.metric),
        }));
    }
    if let Some(simple) = &policy.simple {
        edges.push(Edge {
            path: format!("{path}.simple.threshold"),
            metric: &simple.metric,
            adds: simple.comparison.is_above(),
            threshold: simple.threshold,
            is_shared: is_shared(&simple.metric),
        });
    }
    edges
}

/// Whether the series is an average over the pods. Those that are always there are sums, and an age.
fn is_shared(metric: &str) -> bool {
    !SUMS.contains(&metric) && metric != TIME_LAG
}
