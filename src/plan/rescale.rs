//! From one sample of a connector to its numbers and, where it has an `autoscaling` block, to the
//! count of its Deployment: the guards before the autoscaler, and what becomes of its decision.
//! Pure.

use std::collections::BTreeMap;

use super::{
    Decided, Known, Numbers, ScalingPlan, Unknown, names,
    pipeline::Subject,
    scaling::{self, Decision, Observation, Scaler},
    settle::Autoscaled,
};
use crate::api::{
    common::{Duration, Reason},
    connectors::{Connector, ConnectorStatus},
    scaling::Autoscaling,
};

/// How often a connector without `autoscaling` is sampled.
pub const SAMPLE_EVERY: Duration = Duration::from_secs(15);

/// The counts of a Deployment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CountsSeen {
    /// Pods asked for.
    pub replicas: i32,
    /// Pods there.
    pub observed: i32,
    /// Pods ready.
    pub ready: i32,
    /// Digest of the pod template as applied.
    pub revision: Option<String>,
    /// UID of the controlling owner.
    pub owner: Option<String>,
}

/// One sample of a connector.
#[derive(Clone, Debug, PartialEq)]
pub struct SampleSeen {
    /// Its Deployment's counts; none where it has no Deployment.
    pub counts: Known<Option<CountsSeen>>,
    /// What the autoscaler decides on; without partitions where the group could not be read.
    pub observation: Observation,
    /// Why the group could not be read.
    pub gap: Option<Unknown>,
    /// Why further series could not be read.
    pub metric_gaps: Vec<Unknown>,
}

impl SampleSeen {
    /// A sample without the group.
    #[must_use]
    pub fn blind(
        counts: Known<Option<CountsSeen>>,
        observation: Observation,
        gap: Unknown,
    ) -> Self {
        Self {
            counts,
            observation,
            gap: Some(gap),
            metric_gaps: Vec::new(),
        }
    }
}

/// Plans one sampled connector. `conflict` names another scaler of its Deployment.
pub fn rescale(
    subject: Subject<'_>,
    connector: &Connector,
    seen: &SampleSeen,
    conflict: Option<&str>,
    scaler: &mut Scaler,
) -> ScalingPlan {
    let counts = seen.counts.value().and_then(Option::as_ref);
    let mut plan = ScalingPlan {
        replicas: counts.map(|c| c.observed),
        ready: counts.map(|c| c.ready),
        ..ScalingPlan::default()
    };
    let offset_reset = connector
        .consumes
        .as_ref()
        .map(|c| c.offset_reset)
        .unwrap_or_default();
    let Some(spec) = &connector.autoscaling else {
        let series = scaling::measure(SAMPLE_EVERY, offset_reset, scaler, &seen.observation);
        plan.series = numbers(&series);
        return plan;
    };
    let guard = guard(subject, counts, conflict, seen);
    let decide = if guard.is_some() {
        scaling::decide_without_acting
    } else {
        scaling::decide
    };
    let decision = decide(spec, offset_reset, scaler, &seen.observation);
    plan.series = numbers(&decision.series);
    plan.decided = counts.map(|counts| {
        let last = subject
            .last
            .connectors
            .iter()
            .find(|c| c.name == connector.name);
        let deployment = names::deployment(subject.pipeline.name, &connector.name);
        let active = guard
            .as_ref()
            .map(|(reason, message)| (*reason, message.clone()))
            .or_else(|| metrics_fault(connector, spec, seen, scaler))
            .unwrap_or_else(|| (decision.active.reason, decision.active.message.clone()));
        decided(
            &decision,
            counts,
            guard.is_some(),
            active,
            Kept {
                deployment,
                last,
                scaler,
            },
        )
    });
    plan
}

/// Why the count is not touched, whatever was decided.
fn guard(
    subject: Subject<'_>,
    counts: Option<&CountsSeen>,
    conflict: Option<&str>,
    seen: &SampleSeen,
) -> Option<(Reason, String)> {
    let owner = counts.and_then(|c| c.owner.as_deref());
    if subject.spec.suspend {
        Some((Reason::Suspended, "stopped by spec.suspend".to_owned()))
    } else if subject.paused() {
        Some((
            Reason::Paused,
            "held by the annotation sluice.dev/paused".to_owned(),
        ))
    } else if let Some(other) = conflict {
        Some((
            Reason::ConflictingScaler,
            format!(
                "{other} scales the same Deployment: Sluice leaves the count alone until it is deleted"
            ),
        ))
    } else if owner.is_some_and(|owner| owner != subject.pipeline.uid) {
        Some((
            Reason::NotOurs,
            "the Deployment belongs to somebody else".to_owned(),
        ))
    } else {
        seen.gap
            .as_ref()
            .map(|gap| (Reason::LagUnknown, gap.message.clone()))
    }
}

/// The first further series without a value, and why.
fn metrics_fault(
    connector: &Connector,
    spec: &Autoscaling,
    seen: &SampleSeen,
    scaler: &mut Scaler,
) -> Option<(Reason, String)> {
    let declared = scaler.metric_problems(spec).into_iter().map(|problem| {
        let message = format!("spec.connectors[{}].autoscaling.{problem}", connector.name);
        (Reason::MetricInvalid, message)
    });
    let read = seen.metric_gaps.iter();
    let (reason, message) = declared
        .chain(read.map(|gap| (gap.reason, gap.message.clone())))
        .next()?;
    Some((reason, format!("{message}; nothing scales in by it")))
}

/// What a decision is put together with.
struct Kept<'a> {
    deployment: String,
    last: Option<&'a ConnectorStatus>,
    scaler: &'a Scaler,
}

fn decided(
    decision: &Decision,
    counts: &CountsSeen,
    held: bool,
    (reason, active): (Reason, String),
    kept: Kept<'_>,
) -> Decided {
    let mut decisions = kept
        .last
        .map(|last| last.decisions.clone())
        .unwrap_or_default();
    if !held {
        scaling::remember(&mut decisions, decision);
    }
    Decided {
        deployment: kept.deployment,
        from: counts.replicas,
        to: if held { counts.replicas } else { decision.to },
        // 0 pods asked for means stopped: only resuming starts them again.
        acts: !held && counts.replicas > 0,
        reason,
        active,
        why: decision.why.clone(),
        decisions,
        memory: kept.scaler.memory(),
    }
}

fn numbers(series: &scaling::Series) -> Numbers {
    Numbers {
        lag: series.lag,
        time_lag_seconds: series.time_lag.map(whole_seconds),
        arrival_rate: series.arrival_rate,
        consume_rate: series.consume_rate,
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "seconds of lag are far below 2^63"
)]
fn whole_seconds(seconds: f64) -> i64 {
    seconds.round() as i64
}

/// For every connector with `autoscaling` whether it is followed: from this pass, else as it was.
#[must_use]
pub fn autoscaled(subject: Subject<'_>, sampled: &BTreeMap<String, ScalingPlan>) -> Autoscaled {
    let of = |connector: &Connector| {
        connector.autoscaling.as_ref()?;
        let now = sampled
            .get(&connector.name)
            .and_then(|scaling| scaling.decided.as_ref());
        let last = subject
            .last
            .connectors
            .iter()
            .find(|c| c.name == connector.name);
        let verdict = match now {
            Some(decided) => (decided.reason, decided.active.clone()),
            None => (
                last.and_then(remembered).unwrap_or(Reason::Progressing),
                String::new(),
            ),
        };
        Some((connector.name.clone(), verdict))
    };
    subject.spec.connectors.iter().filter_map(of).collect()
}

fn remembered(last: &ConnectorStatus) -> Option<Reason> {
    let word = last.scaling_reason.as_deref()?;
    Reason::ALL
        .iter()
        .copied()
        .find(|reason| reason.as_str() == word)
}
