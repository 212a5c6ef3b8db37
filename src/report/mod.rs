//! Reporting: what happened, told to the outside: status when something changed, events on
//! transitions, metrics and live values on every pass. The only phase whose failure fails a pass.

use jiff::{SignedDuration, Timestamp};
use kube::{Client, Resource, ResourceExt};
use serde::Serialize;

use crate::{
    api::{IngestionPipeline, IngestionPipelineStatus},
    k8s::{
        self,
        events::{Events, Happening},
    },
    plan::{names::MANAGER, settle, tellings::Telling},
    telemetry::{
        live::Live,
        metrics::{ConnectorLabels, ConnectorNumbers, Metrics},
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

/// What readers of live values get.
#[derive(Serialize)]
struct View<'a> {
    at: Timestamp,
    status: &'a IngestionPipelineStatus,
}

/// The status that was written last, and when.
pub type Written = Option<(Timestamp, IngestionPipelineStatus)>;

impl Reporter {
    /// Tells everything about one pass; returns what is now written.
    ///
    /// # Errors
    /// When status could not be written. A conflict is one: the object changed meanwhile, and the
    /// next pass sees how.
    pub async fn pipeline(
        &self,
        pipeline: &IngestionPipeline,
        next: &IngestionPipelineStatus,
        tellings: &[Telling],
        written: Written,
        now: Timestamp,
    ) -> Result<Written, k8s::Error> {
        self.show(pipeline, next, now);
        let stored = pipeline.status.as_ref();
        let before = written.as_ref().map(|(_, status)| status).or(stored);
        let due = worth_writing(
            before,
            next,
            written.as_ref().map(|(at, _)| *at),
            now,
            self.status_interval,
        );
        let after = if due {
            let rounded = settle::rounded(next);
            self.status(pipeline, &rounded).await?;
            Some((now, rounded))
        } else {
            written
        };
        for telling in tellings {
            self.tell(pipeline, telling).await;
        }
        Ok(after)
    }

    /// Writes status. Nobody else writes it, and a pipeline has one pass at a time: no resource
    /// version is needed, and a stale view of the object does not fail the write.
    ///
    /// # Errors
    /// When the cluster refuses or does not answer.
    pub async fn status(
        &self,
        pipeline: &IngestionPipeline,
        status: &IngestionPipelineStatus,
    ) -> Result<(), k8s::Error> {
        let (namespace, name) = (
            pipeline.namespace().unwrap_or_default(),
            pipeline.name_any(),
        );
        let write = k8s::write::status::<IngestionPipeline>(
            &self.kube, &namespace, &name, status, None, MANAGER,
        );
        write.await?;
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

    fn show(&self, pipeline: &IngestionPipeline, status: &IngestionPipelineStatus, now: Timestamp) {
        let (namespace, name) = (
            pipeline.namespace().unwrap_or_default(),
            pipeline.name_any(),
        );
        for connector in &status.connectors {
            let labels = ConnectorLabels {
                namespace: namespace.clone(),
                pipeline: name.clone(),
                connector: connector.name.clone(),
            };
            let numbers = ConnectorNumbers {
                lag: connector.lag,
                time_lag: connector.time_lag_seconds.map(seconds),
                replicas: connector.replicas,
                desired_replicas: connector.desired_replicas,
            };
            self.metrics.connector(&labels, numbers);
        }
        if let Ok(view) = serde_json::to_string(&View { at: now, status }) {
            self.live.set(&namespace, &name, &view);
        }
    }

    /// Forgets a pipeline that is gone.
    pub fn forget(&self, pipeline: &IngestionPipeline) {
        let (namespace, name) = (
            pipeline.namespace().unwrap_or_default(),
            pipeline.name_any(),
        );
        for connector in &pipeline.spec.connectors {
            self.metrics.forget(&ConnectorLabels {
                namespace: namespace.clone(),
                pipeline: name.clone(),
                connector: connector.name.clone(),
            });
        }
        self.live.remove(&namespace, &name);
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "seconds of lag are far below 2^53"
)]
fn seconds(value: i64) -> f64 {
    value as f64
}

/// A change of structure at once, a change of numbers (after rounding) at most every interval.
fn worth_writing(
    before: Option<&IngestionPipelineStatus>,
    next: &IngestionPipelineStatus,
    written_at: Option<Timestamp>,
    now: Timestamp,
    interval: std::time::Duration,
) -> bool {
    let Some(before) = before else { return true };
    if settle::structure(before) != settle::structure(next) {
        return true;
    }
    let interval = SignedDuration::try_from(interval).unwrap_or(SignedDuration::MAX);
    let due = written_at.is_none_or(|at| now.duration_since(at) >= interval);
    due && settle::rounded(before) != settle::rounded(next)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::api::connectors::ConnectorStatus;

    fn status(lag: i64, replicas: i32) -> IngestionPipelineStatus {
        let connector = ConnectorStatus {
            name: "enrich".into(),
            lag: Some(lag),
            replicas: Some(replicas),
            ..ConnectorStatus::default()
        };
        IngestionPipelineStatus {
            connectors: vec![connector],
            ..Default::default()
        }
    }

    fn worth(before: &IngestionPipelineStatus, next: &IngestionPipelineStatus, age: i64) -> bool {
        let now = Timestamp::from_second(1000).unwrap();
        let written = Timestamp::from_second(1000 - age).unwrap();
        worth_writing(
            Some(before),
            next,
            Some(written),
            now,
            Duration::from_secs(30),
        )
    }

    #[test]
    fn numbers_are_written_at_most_every_interval() {
        assert!(!worth(&status(100, 1), &status(900, 1), 29));
        assert!(worth(&status(100, 1), &status(900, 1), 30));
    }

    #[test]
    fn a_difference_below_the_rounding_is_not_written() {
        assert!(!worth(&status(10_001, 1), &status(10_002, 1), 60));
    }

    #[test]
    fn a_change_of_structure_is_written_at_once() {
        assert!(worth(&status(100, 1), &status(100, 2), 0));
    }
}
