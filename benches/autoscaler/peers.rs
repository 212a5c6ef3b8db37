//! The autoscalers that are compared, each as it comes: Sluice by the product's own decisions, the
//! others by the models beside this file.

use serde_json::json;
use sluice::{
    api::{connectors::OffsetReset, scaling::Autoscaling},
    plan::scaling::{Observation, Scaler, decide, unread_since_wanted},
    sim::{group::Group, summary::Summary},
};

use super::{
    aws::TargetTracking,
    drive::{Case, Looks, drive},
    keda::{Keda, Trigger},
    optimum::optimum,
};

/// The partitions bound the count, nothing else.
const MOST: i32 = 1000;

/// Who decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Autoscaler {
    /// Sluice with `targetTracking: {metric: timeLag, target: <the SLO>}` and its defaults.
    Sluice,
    /// KEDA's trigger `kafka` with its default `lagThreshold`, and the HPA with its defaults.
    Keda,
    /// The same, with as many records a replica as it processes within the SLO.
    KedaTuned,
    /// AWS target tracking on that backlog of an instance, with its defaults.
    Aws,
    /// The hindsight optimum.
    Optimum,
}

/// Every autoscaler, in the order of the table.
pub const ALL: [Autoscaler; 5] = [
    Autoscaler::Sluice,
    Autoscaler::Keda,
    Autoscaler::KedaTuned,
    Autoscaler::Aws,
    Autoscaler::Optimum,
];

impl Autoscaler {
    /// As the table names it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sluice => "Sluice",
            Self::Keda => "HPA on KEDA",
            Self::KedaTuned => "HPA on KEDA, tuned",
            Self::Aws => "AWS",
            Self::Optimum => "optimum",
        }
    }

    /// What comes of `case` under this autoscaler.
    pub fn run(self, case: &Case, seed: u64) -> Summary {
        let acceptable = case.slo * case.model.rate_per_replica;
        match self {
            Self::Sluice => {
                let spec = sluice(case.slo);
                let mut scaler = Scaler::default();
                let interval = usize::try_from(spec.interval.as_secs()).unwrap_or(1);
                drive(case, Looks::every(interval, seed), |_, group| {
                    let observation = observe(&scaler, group);
                    decide(&spec, OffsetReset::Earliest, &mut scaler, &observation).to
                })
            }
            Self::Keda => keda(case, seed, Trigger::default()),
            Self::KedaTuned => {
                let trigger = Trigger {
                    lag_threshold: records(acceptable),
                    ..Trigger::default()
                };
                keda(case, seed, trigger)
            }
            Self::Aws => {
                // AWS knows no partitions; a person who does bounds the group by them.
                let mut group = TargetTracking::new(acceptable, case.model.partitions);
                drive(case, Looks::every(60, seed), |now, consumers| {
                    let backlog = backlog(&consumers.observe());
                    group.minute(now, consumers.replicas(), consumers.ready(), backlog)
                })
            }
            Self::Optimum => optimum(case),
        }
    }
}

/// The block of a user who sets nothing but the target.
fn sluice(slo: f64) -> Autoscaling {
    let policy = json!({"name": "keep-up", "targetTracking": {"metric": "timeLag", "target": slo}});
    let block = json!({"maxReplicas": MOST, "policies": [policy]});
    serde_json::from_value(block).expect("a block as in the documentation")
}

/// As the operator does: what the samples cannot tell of arrivals is looked up.
fn observe(scaler: &Scaler, group: &Group) -> Observation {
    let mut observation = group.observe();
    for unread in unread_since_wanted(scaler, OffsetReset::Earliest, &observation) {
        let since = group.unread_since(unread.partition);
        let sample = observation.partitions.iter_mut();
        let mut sample = sample.filter(|sample| sample.partition == unread.partition);
        if let Some(sample) = sample.next() {
            sample.unread_since = since;
        }
    }
    observation
}

fn keda(case: &Case, seed: u64, trigger: Trigger) -> Summary {
    let mut keda = Keda::new(trigger, 0, MOST);
    drive(case, Looks::every(15, seed), |now, group| {
        let partitions = group.observe().partitions;
        keda.sync(now, group.replicas(), &partitions)
    })
}

/// Unread records, as the offsets tell.
#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
fn backlog(observation: &Observation) -> f64 {
    let partitions = observation.partitions.iter();
    let unread = partitions.filter_map(|p| Some(p.end? - p.committed?));
    unread.sum::<i64>() as f64
}

#[expect(clippy::cast_possible_truncation, reason = "far below 2^63")]
fn records(count: f64) -> i64 {
    count.round() as i64
}
