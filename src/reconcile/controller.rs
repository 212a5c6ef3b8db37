//! The controller's streams: which changes wake a pipeline. The pipeline itself by its spec,
//! annotations, finalizers and deletion, never by its status, which is our own writing; its
//! Deployments by any change.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures::{Stream, StreamExt, TryStreamExt};
use k8s_openapi::api::apps::v1::Deployment;
use kube::{
    Api, Client, Resource, ResourceExt,
    core::DeserializeGuard,
    runtime::{
        Controller, Predicate, WatchStreamExt, controller::Action, predicates, reflector,
        utils::PredicateConfig, watcher,
    },
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, warn};

use super::{Context, Error, reconcile};
use crate::api::IngestionPipeline;

/// A pipeline that may not have parsed: one malformed object must not stop the watch of all.
pub type Guarded = DeserializeGuard<IngestionPipeline>;

/// Pipelines that are worked on at the same time.
const CONCURRENCY: u16 = 64;
/// Changes of one pipeline within this time are one pass.
const DEBOUNCE: Duration = Duration::from_millis(200);
/// Wait after a pass that could not report.
const RETRY: Duration = Duration::from_secs(2);

/// Runs until `stop` is cancelled and the passes under way have ended.
pub async fn run(
    client: Client,
    context: Arc<Context>,
    ready: Arc<AtomicBool>,
    stop: CancellationToken,
) {
    let (reader, writer) = reflector::store();
    let pipelines = pipelines(client.clone(), writer, ready);
    let ours = || watcher::Config::default().labels("app.kubernetes.io/managed-by=sluice");
    Controller::for_stream(pipelines, reader)
        .owns(Api::<Deployment>::all(client), ours())
        .with_config(
            kube::runtime::controller::Config::default()
                .concurrency(CONCURRENCY)
                .debounce(DEBOUNCE),
        )
        .graceful_shutdown_on(stop.cancelled_owned())
        .run(reconcile_guarded, retry, context)
        .for_each(|result| async move {
            match result {
                // What a pass could not report, `retry` has said.
                Ok(_) | Err(kube::runtime::controller::Error::ReconcilerFailed(..)) => {}
                // A pass was asked for an object that was deleted meanwhile.
                Err(kube::runtime::controller::Error::ObjectNotFound(object)) => {
                    debug!(%object, "gone before its pass");
                }
                Err(error) => warn!(%error, "controller"),
            }
        })
        .await;
}

fn pipelines(
    client: Client,
    writer: reflector::store::Writer<Guarded>,
    ready: Arc<AtomicBool>,
) -> impl Stream<Item = Result<Guarded, watcher::Error>> {
    watcher(
        Api::<Guarded>::all(client),
        watcher::Config::default().any_semantic(),
    )
    .default_backoff()
    .modify(|pipeline| pipeline.managed_fields_mut().clear())
    .reflect(writer)
    // Not by waiting for the store beside the controller: of two waiters in two tasks the store
    // wakes the last alone.
    .inspect_ok(move |event| {
        if matches!(event, watcher::Event::InitDone) {
            ready.store(true, Ordering::Relaxed);
        }
    })
    .touched_objects()
    .predicate_filter(
        predicates::generation
            .combine(predicates::annotations)
            .combine(predicates::finalizers),
        PredicateConfig::default(),
    )
}

async fn reconcile_guarded(pipeline: Arc<Guarded>, context: Arc<Context>) -> Result<Action, Error> {
    match &pipeline.0 {
        Ok(pipeline) => reconcile(pipeline, &context).await,
        Err(invalid) => {
            let name = invalid.metadata.name.as_deref().unwrap_or_default();
            error!(
                name,
                error = invalid.error,
                "the stored pipeline does not fit this version's schema"
            );
            Ok(Action::await_change())
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the controller's signature")]
fn retry(pipeline: Arc<Guarded>, error: &Error, _: Arc<Context>) -> Action {
    warn!(pipeline = pipeline.meta().name.as_deref().unwrap_or_default(), %error, "pass failed");
    Action::requeue(RETRY)
}
