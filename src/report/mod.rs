//! Reporting: what happened, told to the outside: status when something changed, events on
//! transitions, metrics and live values on every pass. The only phase whose failure fails a pass.

mod numbers;
mod written;

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use kube::{Client, Resource, ResourceExt};
use serde_json::json;

pub use self::written::Written;
use crate::{
    api::{IngestionPipeline, IngestionPipelineStatus},
    k8s::{
        self,
        events::{Events, Happening},
    },
    plan::{
        names::MANAGER,
        scaling::{Newest, NewestView},
        settle,
        tellings::Telling,
    },
    telemetry::{
        live::{Live, View},
        metrics::{ConnectorLabels, Metrics},
    },
};

/// Where reports go.
#[derive(Clone)]
pub struct Reporter {
    /// The cluster.
    pub kube: Client,
    /// Events on pipelines.
    pub events: Events,
    /// Metrics.
    pub metrics: Metrics,
    /// Live values.
    pub live: Live,
    /// At most this often are measured numbers written.
    pub status_interval: std::time::Duration,
}

/// What one pass has to tell.
pub struct Outcome<'a> {
    /// The pipeline as it was read.
    pub pipeline: &'a IngestionPipeline,
    /// Its new status.
    pub next: &'a IngestionPipelineStatus,
    /// The newest look at each connector.
    pub newest: BTreeMap<String, Arc<Newest>>,
    /// The connectors that were sampled in this pass.
    pub sampled: &'a [String],
    /// What is worth an Event.
    pub tellings: &'a [Telling],
    /// When.
    pub now: Timestamp,
}

impl Reporter {
    /// Tells everything about one pass, and notes what is now written.
    ///
    /// # Errors
    /// When status could not be written. A conflict is one: the object changed meanwhile, and the
    /// next pass sees how.
    pub async fn pipeline(
        &self,
        outcome: Outcome<'_>,
        written: &mut Written,
    ) -> Result<(), k8s::Error> {
        self.show(&outcome);
        let Outcome {
            pipeline,
            next,
            now,
            ..
        } = outcome;
        let stored = pipeline.status.as_ref();
        let result = if written.is_due(stored, next, now, self.status_interval) {
            self.status(pipeline, next, written, now).await
        } else {
            Ok(())
        };
        // Also where status could not be written: what was done was done.
        for telling in outcome.tellings {
            self.tell(pipeline, telling).await;
        }
        result
    }

    /// Writes status, and notes it. What an autoscaler remembers is only written to the version of
    /// the object that it was read from: whoever has written meanwhile may have decided, too.
    ///
    /// # Errors
    /// When the cluster refuses or does not answer; class `Conflict` when the object has changed.
    pub async fn status(
        &self,
        pipeline: &IngestionPipeline,
        status: &IngestionPipelineStatus,
        written: &mut Written,
        now: Timestamp,
    ) -> Result<(), k8s::Error> {
        let (namespace, name) = (
            pipeline.namespace().unwrap_or_default(),
            pipeline.name_any(),
        );
        let rounded = settle::rounded(status);
        let read = pipeline.resource_version().unwrap_or_default();
        let version = written.version(&read).to_owned();
        let remembers = rounded.connectors.iter().any(|c| c.memory.is_some());
        let write = k8s::write::status::<IngestionPipeline>(
            &self.kube,
            &namespace,
            &name,
            &rounded,
            remembers.then_some(version.as_str()),
            MANAGER,
        );
        let after = write.await?.resource_version();
        written.wrote(now, rounded, &version, after);
        self.metrics.status_written();
        Ok(())
    }

    /// Publishes an event. One that cannot be written must not hold the pass: status says the same.
    pub async fn tell(&self, pipeline: &IngestionPipeline, telling: &Telling) {
        let Telling {
            warning,
            reason,
            message,
        } = telling;
        let happening = Happening {
            warning: *warning,
            reason: reason.as_str(),
            action: "Reconcile",
            note: message,
        };
        let object = pipeline.object_ref(&());
        if let Err(error) = self.events.publish(&object, &happening).await {
            tracing::warn!(reason = reason.as_str(), %error, "event not written");
        }
    }

    fn show(&self, outcome: &Outcome<'_>) {
        let (pipeline, status) = (outcome.pipeline, outcome.next);
        let (namespace, name) = (
            pipeline.namespace().unwrap_or_default(),
            pipeline.name_any(),
        );
        let metrics = &self.metrics.connectors;
        let labels = |connector: &str| ConnectorLabels {
            namespace: namespace.clone(),
            pipeline: name.clone(),
            connector: connector.to_owned(),
        };
        for connector in &status.connectors {
            let newest = outcome.newest.get(&connector.name).map(Arc::as_ref);
            numbers::show(metrics, &labels(&connector.name), connector, newest);
        }
        for connector in outcome.sampled {
            let newest = outcome.newest.get(connector);
            if let Some(decision) = newest.and_then(|newest| newest.decision.as_ref()) {
                numbers::count(metrics, &labels(connector), decision);
            }
        }
        let there = status.connectors.iter().map(|c| c.name.as_str());
        metrics.keep_only(&namespace, &name, &there.collect::<Vec<_>>());
        let view = view(status.clone(), outcome.newest.clone(), outcome.now);
        self.live.set(&namespace, &name, view);
    }

    /// Forgets a pipeline that is gone.
    pub fn forget(&self, pipeline: &IngestionPipeline) {
        let (namespace, name) = (
            pipeline.namespace().unwrap_or_default(),
            pipeline.name_any(),
        );
        self.metrics.connectors.keep_only(&namespace, &name, &[]);
        self.live.remove(&namespace, &name);
    }
}

/// What the operator's endpoint tells of one pipeline.
fn view(
    status: IngestionPipelineStatus,
    newest: BTreeMap<String, Arc<Newest>>,
    now: Timestamp,
) -> View {
    let told = move |tell: fn(&Newest) -> NewestView| {
        let connectors: BTreeMap<&String, NewestView> =
            newest.iter().map(|(name, n)| (name, tell(n))).collect();
        json!({"at": now, "status": status, "connectors": connectors})
    };
    let why = told.clone();
    View::new(move || told(Newest::view), move || why(Newest::why))
}
