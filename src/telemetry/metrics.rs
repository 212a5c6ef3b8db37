//! Metrics with the prefix `sluice_`. Labels are words of closed sets, or names of resources that
//! exist now: a connector that is gone takes its series with it.

mod connectors;

use std::{sync::Arc, time::Duration};

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

pub use self::connectors::{ConnectorLabels, ConnectorMetrics, ConnectorNumbers};
use super::version::{COMMIT, VERSION};

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
    /// Those of the connectors.
    pub connectors: ConnectorMetrics,
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
            connectors: ConnectorMetrics::default(),
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
        self.connectors.register(&mut r);
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

    /// All metrics in the `OpenMetrics` text format.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
