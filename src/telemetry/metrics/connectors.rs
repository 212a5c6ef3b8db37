//! The metrics of each connector. A connector that is gone takes its series with it, and so does a
//! policy; what is unknown has no series.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError, atomic::AtomicU64},
};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

/// Which connector of which pipeline a series is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ConnectorLabels {
    /// Namespace of the pipeline.
    pub namespace: String,
    /// Name of the pipeline.
    pub pipeline: String,
    /// Name of the connector.
    pub connector: String,
}

/// What one connector's gauges show; what is unknown has no series.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ConnectorNumbers {
    /// Unread records.
    pub lag: Option<f64>,
    /// Seconds since the oldest unread record arrived.
    pub time_lag: Option<f64>,
    /// Records that arrive per second.
    pub arrival_rate: Option<f64>,
    /// Records that are processed per second.
    pub consume_rate: Option<f64>,
    /// Observed replicas.
    pub replicas: Option<f64>,
    /// The count that Sluice asks for.
    pub desired_replicas: Option<f64>,
    /// The count that the policies want, before bounds and steadiness.
    pub wanted_replicas: Option<f64>,
    /// The fewest replicas, by what is in force.
    pub min_replicas: Option<f64>,
    /// The most replicas, by what is in force.
    pub max_replicas: Option<f64>,
    /// Records per second that one replica can process, as learnt.
    pub capacity: Option<f64>,
    /// The saturated samples that `capacity` rests on; 0: a lower bound.
    pub capacity_samples: Option<f64>,
    /// 1 if the count follows its policies, 0 if it is held.
    pub scaling_active: Option<f64>,
}

/// A gauge: its name, what it shows, and its value.
type Shown = (
    &'static str,
    &'static str,
    fn(&ConnectorNumbers) -> Option<f64>,
);

const GAUGES: [Shown; 12] = [
    ("lag_records", "Unread records", |n| n.lag),
    (
        "time_lag_seconds",
        "Seconds since the oldest unread record arrived",
        |n| n.time_lag,
    ),
    (
        "arrival_records_per_second",
        "Records that arrive per second",
        |n| n.arrival_rate,
    ),
    (
        "consume_records_per_second",
        "Records that are processed per second",
        |n| n.consume_rate,
    ),
    ("replicas", "Observed replicas", |n| n.replicas),
    ("desired_replicas", "Replicas that are asked for", |n| {
        n.desired_replicas
    }),
    (
        "wanted_replicas",
        "Replicas that the policies want, before bounds and steadiness",
        |n| n.wanted_replicas,
    ),
    ("min_replicas", "The fewest replicas at this time", |n| {
        n.min_replicas
    }),
    ("max_replicas", "The most replicas at this time", |n| {
        n.max_replicas
    }),
    (
        "capacity_records_per_second",
        "Records per second that one replica can process, as learnt",
        |n| n.capacity,
    ),
    (
        "capacity_samples",
        "Saturated samples that the learnt capacity rests on, up to 100; 0: a lower bound",
        |n| n.capacity_samples,
    ),
    (
        "scaling_active",
        "1 if the count follows its policies, 0 if it is held",
        |n| n.scaling_active,
    ),
];

/// A decision: which way it went, and the stage that kept it from what the policies want.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DecisionLabels {
    namespace: String,
    pipeline: String,
    connector: String,
    direction: &'static str,
    held_by: &'static str,
}

/// What a policy that plays no part, or with an empty name the whole block, would do.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ShadowLabels {
    namespace: String,
    pipeline: String,
    connector: String,
    policy: String,
}

type Floats<L> = Family<L, Gauge<f64, AtomicU64>>;

/// The metrics of all connectors. Clones share the same values.
#[derive(Clone, Debug, Default)]
pub struct ConnectorMetrics {
    gauges: [Floats<ConnectorLabels>; GAUGES.len()],
    decisions: Family<DecisionLabels, Counter>,
    shadow: Floats<ShadowLabels>,
    /// What there is of each connector beside its gauges.
    known: Arc<Mutex<HashMap<ConnectorLabels, Known>>>,
}

#[derive(Debug, Default)]
struct Known {
    decisions: BTreeSet<(&'static str, &'static str)>,
    policies: BTreeSet<String>,
}

impl ConnectorMetrics {
    /// Registers them all.
    pub fn register(&self, registry: &mut Registry) {
        for ((name, help, _), family) in GAUGES.iter().zip(&self.gauges) {
            registry.register(format!("connector_{name}"), *help, family.clone());
        }
        registry.register(
            "connector_decisions",
            "Decisions of the autoscaler, by direction and by the stage that held the count",
            self.decisions.clone(),
        );
        registry.register(
            "connector_shadow_replicas",
            "Replicas that a policy in shadow mode would have; with an empty policy, the whole block",
            self.shadow.clone(),
        );
    }

    /// Shows a connector's numbers.
    pub fn show(&self, labels: &ConnectorLabels, numbers: &ConnectorNumbers) {
        for ((_, _, value), family) in GAUGES.iter().zip(&self.gauges) {
            match value(numbers) {
                Some(value) => {
                    family.get_or_create(labels).set(value);
                }
                None => {
                    family.remove(labels);
                }
            }
        }
    }

    /// Counts a decision: `out`, `in` or `hold`, and the stage that held the count, empty where
    /// none did. Both are words of closed sets.
    pub fn decided(
        &self,
        labels: &ConnectorLabels,
        direction: &'static str,
        held_by: &'static str,
    ) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let known = known.entry(labels.clone()).or_default();
        known.decisions.insert((direction, held_by));
        let labels = decision(labels, direction, held_by);
        self.decisions.get_or_create(&labels).inc();
    }

    /// Shows what the policies in shadow mode would do; one that is not among them any more goes.
    pub fn shadow(&self, labels: &ConnectorLabels, counts: &[(&str, i32)]) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let known = known.entry(labels.clone()).or_default();
        known.policies.retain(|policy| {
            let stays = counts.iter().any(|(name, _)| name == policy);
            if !stays {
                self.shadow.remove(&policy_of(labels, policy));
            }
            stays
        });
        for (policy, count) in counts {
            known.policies.insert((*policy).to_owned());
            let labels = policy_of(labels, policy);
            self.shadow.get_or_create(&labels).set(f64::from(*count));
        }
    }

    /// Forgets the connectors of a pipeline that are not among those there are.
    pub fn keep_only(&self, namespace: &str, pipeline: &str, there: &[&str]) {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let gone = known.keys().filter(|labels| {
            let of_pipeline = (labels.namespace.as_str(), labels.pipeline.as_str());
            of_pipeline == (namespace, pipeline) && !there.contains(&labels.connector.as_str())
        });
        let gone: Vec<ConnectorLabels> = gone.cloned().collect();
        drop(known);
        for labels in &gone {
            self.forget(labels);
        }
    }

    fn forget(&self, labels: &ConnectorLabels) {
        self.show(labels, &ConnectorNumbers::default());
        self.shadow(labels, &[]);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        for (direction, held_by) in known.remove(labels).unwrap_or_default().decisions {
            self.decisions.remove(&decision(labels, direction, held_by));
        }
    }
}

fn decision(
    labels: &ConnectorLabels,
    direction: &'static str,
    held_by: &'static str,
) -> DecisionLabels {
    let ConnectorLabels {
        namespace,
        pipeline,
        connector,
    } = labels.clone();
    DecisionLabels {
        namespace,
        pipeline,
        connector,
        direction,
        held_by,
    }
}

fn policy_of(labels: &ConnectorLabels, policy: &str) -> ShadowLabels {
    let ConnectorLabels {
        namespace,
        pipeline,
        connector,
    } = labels.clone();
    ShadowLabels {
        namespace,
        pipeline,
        connector,
        policy: policy.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;

    use super::*;

    fn labels(connector: &str) -> ConnectorLabels {
        ConnectorLabels {
            namespace: "plant".into(),
            pipeline: "readings".into(),
            connector: connector.into(),
        }
    }

    #[test]
    fn a_connector_that_is_gone_takes_its_series_with_it() {
        let (metrics, mut registry) = (ConnectorMetrics::default(), Registry::default());
        metrics.register(&mut registry);
        let text = || {
            let mut text = String::new();
            encode(&mut text, &registry).unwrap();
            text
        };
        let numbers = ConnectorNumbers {
            lag: Some(7.0),
            capacity: Some(480.0),
            ..ConnectorNumbers::default()
        };
        for name in ["enrich", "bill"] {
            metrics.show(&labels(name), &numbers);
            metrics.decided(&labels(name), "hold", "cooldown");
            metrics.decided(&labels(name), "out", "");
            metrics.shadow(&labels(name), &[("burst", 3), ("", 4)]);
        }
        metrics.shadow(&labels("enrich"), &[("", 4)]);
        let of = "namespace=\"plant\",pipeline=\"readings\",connector";
        for line in [
            format!("connector_lag_records{{{of}=\"enrich\"}} 7.0"),
            format!("connector_capacity_records_per_second{{{of}=\"bill\"}} 480.0"),
            format!(
                "connector_decisions_total{{{of}=\"bill\",direction=\"hold\",held_by=\"cooldown\"}} 1"
            ),
            format!("connector_shadow_replicas{{{of}=\"bill\",policy=\"burst\"}} 3.0"),
            format!("connector_shadow_replicas{{{of}=\"enrich\",policy=\"\"}} 4.0"),
        ] {
            assert!(text().contains(&line), "no {line} in\n{}", text());
        }
        let gone = format!("{of}=\"enrich\",policy=\"burst\"");
        assert!(!text().contains(&gone), "a policy that is gone");
        metrics.keep_only("plant", "readings", &["bill"]);
        assert!(!text().contains("enrich") && text().contains("bill"));
        metrics.keep_only("plant", "others", &[]);
        assert!(text().contains("bill"));
        metrics.keep_only("plant", "readings", &[]);
        assert!(!text().contains("plant"), "{}", text());
    }
}
