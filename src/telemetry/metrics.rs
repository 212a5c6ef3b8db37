//! Metrics with the prefix `sluice_`. Labels are words of closed sets, or names of resources that
//! exist now: a connector that is gone takes its series with it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64},
    },
    time::Duration,
};

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
        info::Info,
    },
    registry::Registry,
};

use super::version::{COMMIT, VERSION};

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

/// A step and how it ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StepLabels {
    step: &'static str,
    result: &'static str,
}

/// How a pass ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PassLabels {
    result: &'static str,
}

/// What one connector's gauges show; what is unknown has no series.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ConnectorNumbers {
    /// Unread records.
    pub lag: Option<i64>,
    /// Seconds since the oldest unread record arrived.
    pub time_lag: Option<f64>,
    /// Observed replicas.
    pub replicas: Option<i32>,
    /// Wanted replicas.
    pub desired_replicas: Option<i32>,
}

type Floats = Family<ConnectorLabels, Gauge<f64, AtomicU64>>;
type Integers = Family<ConnectorLabels, Gauge<i64, AtomicI64>>;

/// Every metric of the process. Clones share the same values.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    passes: Family<PassLabels, Counter>,
    pass_seconds: Histogram,
    steps: Family<StepLabels, Counter>,
    status_writes: Counter,
    left_behind: Counter,
    leader: Gauge,
    leader_transitions: Gauge,
    definition_outdated: Gauge,
    lag: Integers,
    time_lag: Floats,
    replicas: Integers,
    desired: Integers,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Arc::default(),
            passes: Family::default(),
            pass_seconds: Histogram::new(exponential_buckets(0.001, 4.0, 8)),
            steps: Family::default(),
            status_writes: Counter::default(),
            left_behind: Counter::default(),
            leader: Gauge::default(),
            leader_transitions: Gauge::default(),
            definition_outdated: Gauge::default(),
            lag: Family::default(),
            time_lag: Family::default(),
            replicas: Family::default(),
            desired: Family::default(),
        };
        metrics.registry = Arc::new(metrics.registered());
        metrics
    }
}

impl Metrics {
    fn registered(&self) -> Registry {
        let mut r = Registry::with_prefix("sluice");
        self.register_process(&mut r);
        let build = [("version", VERSION), ("commit", COMMIT)];
        r.register("build", "Which build this is", Info::new(build.to_vec()));
        r.register(
            "reconciles",
            "Passes over a pipeline, by result",
            self.passes.clone(),
        );
        r.register(
            "reconcile_duration_seconds",
            "Duration of a pass over a pipeline",
            self.pass_seconds.clone(),
        );
        r.register(
            "steps",
            "Steps carried out, by step and result",
            self.steps.clone(),
        );
        r.register(
            "status_writes",
            "Writes of a pipeline's status",
            self.status_writes.clone(),
        );
        r.register(
            "left_behind",
            "Things outside the cluster left behind by deletions that ran out of time",
            self.left_behind.clone(),
        );
        r.register("connector_lag_records", "Unread records", self.lag.clone());
        r.register(
            "connector_time_lag_seconds",
            "Seconds since the oldest unread record arrived",
            self.time_lag.clone(),
        );
        r.register(
            "connector_replicas",
            "Observed replicas",
            self.replicas.clone(),
        );
        r.register(
            "connector_desired_replicas",
            "Wanted replicas",
            self.desired.clone(),
        );
        r
    }

    fn register_process(&self, r: &mut Registry) {
        r.register(
            "leader",
            "1 while this operator leads, 0 while it stands by",
            self.leader.clone(),
        );
        r.register(
            "leader_transitions",
            "How often the lease had changed hands when this operator took it",
            self.leader_transitions.clone(),
        );
        r.register(
            "definition_outdated",
            "1 if the installed definition lacked fields of this version at the start",
            self.definition_outdated.clone(),
        );
    }

    /// Shows whether this operator leads.
    pub fn leads(&self, leads: bool) {
        self.leader.set(leads.into());
    }

    /// Shows how often the lease has changed hands.
    pub fn leader_transitions(&self, count: i32) {
        self.leader_transitions.set(count.into());
    }

    /// Shows whether the installed definition is older than this version.
    pub fn definition_outdated(&self, outdated: bool) {
        self.definition_outdated.set(outdated.into());
    }

    /// Counts one pass; `result` is `ok` or an error class.
    pub fn pass(&self, result: &'static str, took: Duration) {
        self.passes.get_or_create(&PassLabels { result }).inc();
        self.pass_seconds.observe(took.as_secs_f64());
    }

    /// Counts one step; `result` is `ok` or an error class.
    pub fn step(&self, step: &'static str, result: &'static str) {
        self.steps.get_or_create(&StepLabels { step, result }).inc();
    }

    /// Counts one write of a status.
    pub fn status_written(&self) {
        self.status_writes.inc();
    }

    /// Counts things that a deletion left behind outside the cluster.
    pub fn left_behind(&self, count: u64) {
        self.left_behind.inc_by(count);
    }

    /// Shows one connector's numbers.
    pub fn connector(&self, labels: &ConnectorLabels, numbers: ConnectorNumbers) {
        integer(&self.lag, labels, numbers.lag);
        integer(&self.replicas, labels, numbers.replicas.map(i64::from));
        integer(
            &self.desired,
            labels,
            numbers.desired_replicas.map(i64::from),
        );
        match numbers.time_lag {
            Some(seconds) => {
                self.time_lag.get_or_create(labels).set(seconds);
            }
            None => {
                self.time_lag.remove(labels);
            }
        }
    }

    /// Forgets a connector that is gone.
    pub fn forget(&self, labels: &ConnectorLabels) {
        self.connector(labels, ConnectorNumbers::default());
    }

    /// All metrics in the `OpenMetrics` text format.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

fn integer(family: &Integers, labels: &ConnectorLabels, value: Option<i64>) {
    match value {
        Some(value) => {
            family.get_or_create(labels).set(value);
        }
        None => {
            family.remove(labels);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connector_that_is_gone_takes_its_series_with_it() {
        let metrics = Metrics::default();
        let labels = ConnectorLabels {
            namespace: "plant".into(),
            pipeline: "readings".into(),
            connector: "enrich".into(),
        };
        let numbers = ConnectorNumbers {
            lag: Some(7),
            time_lag: Some(1.5),
            ..ConnectorNumbers::default()
        };
        metrics.connector(&labels, numbers);
        assert!(
            metrics
                .encode()
                .contains("sluice_connector_lag_records{namespace=\"plant\"")
        );
        metrics.forget(&labels);
        assert!(!metrics.encode().contains("plant"));
    }

    #[test]
    fn the_build_is_told() {
        let text = Metrics::default().encode();
        let line = format!("sluice_build_info{{version=\"{VERSION}\",commit=\"{COMMIT}\"}} 1");
        assert!(text.contains(&line), "{text}");
    }

    #[test]
    fn steps_are_counted_by_result() {
        let metrics = Metrics::default();
        metrics.step("createTopic", "ok");
        metrics.step("createTopic", "down");
        let text = metrics.encode();
        assert!(text.contains("sluice_steps_total{step=\"createTopic\",result=\"down\"} 1"));
    }
}
