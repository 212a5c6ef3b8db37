//! From one sample of a connector to its numbers and, where it has an `autoscaling` block, to the
//! count of its Deployment: the guards before the autoscaler, and what becomes of its decision.
//! Pure.

use std::collections::BTreeMap;

use super::{
    Decided, Known, Numbers, ScalingPlan, Unknown, names,
    pipeline::Subject,
    scaling::{self, Decision, Newest, Observation, Override, Scaler, problems::Problem},
    settle::Autoscaled,
};
use crate::api::{
    common::{Duration, Reason},
    connectors::{Connector, ConnectorStatus},
    scaling::{Autoscaling, Mode},
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
    /// That somebody else has set `replicas`.
    pub overridden: Option<Override>,
}

/// One sample of a connector.
#[derive(Clone, Debug, PartialEq)]
pub struct SampleSeen {
    /// Its Deployment's counts; none where it has no Deployment.
    pub counts: Known<Option<CountsSeen>>,
    /// What the autoscaler decides on; with unreadable partitions where the group could not be
    /// read, and without any where none is known.
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

    /// The sample with the values of further series, or why there are none.
    #[must_use]
    pub fn with_metrics(mut self, metrics: BTreeMap<String, Result<f64, Unknown>>) -> Self {
        for (name, value) in metrics {
            let value = value.map_err(|gap| self.metric_gaps.push(gap)).ok();
            self.observation.metrics.insert(name, value);
        }
        self
    }
}

/// Plans one sampled connector. `conflict` names another scaler of its Deployment.
pub fn rescale(
    subject: Subject<'_>,
    connector: &Connector,
    seen: SampleSeen,
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
        plan.newest = Some(Newest::measured(seen.observation));
        return plan;
    };
    let last = last(subject, connector);
    let guard = guard(subject, spec.mode, counts, conflict, last);
    let deployment = names::deployment(subject.pipeline.name, &connector.name);
    let refused = scaler.refuses(spec).cloned();
    if let Some(undecided) = undecided(spec, &connector.name, refused) {
        let series = scaling::measure(spec.interval, offset_reset, scaler, &seen.observation);
        plan.series = numbers(&series);
        let reason = guard.filter(|(reason, _)| *reason != Reason::Shadow);
        let reason = reason.unwrap_or(undecided);
        plan.decided = counts.map(|counts| left_alone(deployment, counts, reason, last, scaler));
        plan.newest = Some(Newest::measured(seen.observation));
        return plan;
    }
    let decide = match &guard {
        Some((reason, _)) if *reason != Reason::Shadow => scaling::decide_without_acting,
        _ => scaling::decide,
    };
    let decision = decide(spec, offset_reset, scaler, &seen.observation);
    plan.series = numbers(&decision.series);
    let kept = Kept {
        deployment,
        last,
        scaler,
    };
    plan.decided = counts.map(|counts| decided(&decision, counts, guard, &seen, kept));
    plan.newest = Some(Newest::decided(seen.observation, decision, spec, scaler));
    plan
}

fn last<'a>(subject: Subject<'a>, connector: &Connector) -> Option<&'a ConnectorStatus> {
    let connectors = subject.last.connectors.iter();
    connectors.into_iter().find(|c| c.name == connector.name)
}

/// Why nothing is decided, if so: the block cannot be used as it is, or is switched off.
fn undecided(
    spec: &Autoscaling,
    connector: &str,
    refused: Option<Problem>,
) -> Option<(Reason, String)> {
    if let Some(problem) = refused {
        let message = format!("spec.connectors[{connector}].autoscaling.{problem}");
        return Some((Reason::InvalidSpec, message));
    }
    (spec.mode == Mode::Off).then(|| {
        let message = "autoscaling.mode is Off: nothing is decided, the count stays as it is";
        (Reason::ScalingOff, message.to_owned())
    })
}

/// A count of which nothing was decided.
fn left_alone(
    deployment: String,
    counts: &CountsSeen,
    (reason, active): (Reason, String),
    last: Option<&ConnectorStatus>,
    scaler: &Scaler,
) -> Decided {
    Decided {
        deployment,
        from: counts.replicas,
        to: counts.replicas,
        acts: false,
        reclaims: false,
        reason,
        why: active.clone(),
        active,
        decisions: last.map(|last| last.decisions.clone()).unwrap_or_default(),
        memory: scaler.memory(),
        shadow_replicas: None,
        shadow: Vec::new(),
    }
}

/// Why the count is not touched, whatever was decided.
fn guard(
    subject: Subject<'_>,
    mode: Mode,
    counts: Option<&CountsSeen>,
    conflict: Option<&str>,
    last: Option<&ConnectorStatus>,
) -> Option<(Reason, String)> {
    let owner = counts.and_then(|c| c.owner.as_deref());
    if subject.spec.suspend {
        Some((Reason::Suspended, "stopped by spec.suspend".to_owned()))
    } else if subject.paused() {
        Some((
            Reason::Paused,
            "held by the annotation sluice.dev/paused".to_owned(),
        ))
    } else if mode == Mode::Shadow {
        // Before other scalers: beside one it shows what it would do in its place.
        Some((
            Reason::Shadow,
            "autoscaling.mode is Shadow: decisions are made and shown, and nobody acts".to_owned(),
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
    } else if counts.is_some_and(|counts| is_stopped(counts, last)) {
        Some((
            Reason::Progressing,
            "the pods that spec.suspend stopped are started again".to_owned(),
        ))
    } else {
        None
    }
}

/// Whether the pods were stopped by `spec.suspend`, and not scaled to zero: then pods are wanted,
/// and nobody else has set the count. Resuming brings back the count before.
fn is_stopped(counts: &CountsSeen, last: Option<&ConnectorStatus>) -> bool {
    let wanted = last.and_then(|last| last.desired_replicas).unwrap_or(0);
    counts.replicas == 0 && wanted > 0 && counts.overridden.is_none()
}

/// What `ScalingActive` says of a decision: why something cannot be read says more than that it
/// cannot.
fn standing(decision: &Decision, seen: &SampleSeen) -> (Reason, String) {
    let reason = decision.active.reason;
    if let Some(gap) = seen.gap.as_ref().filter(|_| reason == Reason::LagUnknown) {
        return (reason, gap.message.clone());
    }
    match seen.metric_gaps.first() {
        Some(gap) if reason != Reason::LagUnknown => (
            gap.reason,
            format!("{}; nothing scales in by it", gap.message),
        ),
        _ => (reason, decision.active.message.clone()),
    }
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
    guard: Option<(Reason, String)>,
    seen: &SampleSeen,
    kept: Kept<'_>,
) -> Decided {
    let held = guard.is_some();
    let is_told = guard
        .as_ref()
        .is_none_or(|(reason, _)| *reason == Reason::Shadow);
    let (reason, active) = guard.unwrap_or_else(|| standing(decision, seen));
    let mut decisions = kept
        .last
        .map(|last| last.decisions.clone())
        .unwrap_or_default();
    if is_told {
        scaling::remember(&mut decisions, decision);
    }
    Decided {
        deployment: kept.deployment,
        from: counts.replicas,
        to: if held { counts.replicas } else { decision.to },
        acts: !held,
        reclaims: decision.reclaims,
        reason,
        active,
        why: decision.why.clone(),
        decisions,
        memory: kept.scaler.memory(),
        shadow_replicas: (is_told && decision.is_shadow).then_some(decision.to),
        shadow: decision.shadow.clone(),
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
        let spec = connector.autoscaling.as_ref()?;
        let now = sampled
            .get(&connector.name)
            .and_then(|scaling| scaling.decided.as_ref());
        let remembered = || {
            let last = last(subject, connector).and_then(remembered);
            (last.unwrap_or(Reason::Progressing), String::new())
        };
        let verdict = if let Some(decided) = now {
            (decided.reason, decided.active.clone())
        } else {
            let refused = scaling::problems::refused(spec);
            undecided(spec, &connector.name, refused).unwrap_or_else(remembered)
        };
        Some((connector.name.clone(), verdict))
    };
    subject.spec.connectors.iter().filter_map(of).collect()
}

fn remembered(last: &ConnectorStatus) -> Option<Reason> {
    Reason::of(last.scaling_reason.as_deref()?)
}

#[cfg(test)]
mod tests;
