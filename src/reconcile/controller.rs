//! The controller's streams: which changes wake a pipeline. The pipeline itself by its spec,
//! annotations, finalizers and deletion, never by its status, which is our own writing; its
//! Deployments by any change.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::{Stream, StreamExt, TryStreamExt, future::join_all};
use k8s_openapi::api::apps::v1::Deployment;
use kube::{
    Api, Client, Resource, ResourceExt,
    core::{DeserializeGuard, NamespaceResourceScope},
    runtime::{
        Controller, Predicate, WatchStreamExt, controller::Action, predicates, reflector,
        utils::PredicateConfig, watcher,
    },
};
use tokio::sync::Semaphore;
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
/// Runs until `stop` is cancelled and the passes under way have ended. `namespaces` are those whose
/// pipelines are worked on; none for all. `ready` is set once they were listed.
pub async fn run(
    client: Client,
    namespaces: &[String],
    context: Arc<Context>,
    ready: Arc<AtomicBool>,
    stop: CancellationToken,
) {
    let scopes: Vec<Option<&str>> = match namespaces {
        [] => vec![None],
        named => named.iter().map(|name| Some(name.as_str())).collect(),
    };
    let passes = Arc::new(Passes {
        context,
        permits: Semaphore::new(CONCURRENCY.into()),
    });
    let unlisted = Arc::new(AtomicUsize::new(scopes.len()));
    // One controller a namespace, each with a store of its own: a watch of one namespace that is
    // listed anew would take the others' pipelines out of a common store.
    join_all(scopes.into_iter().map(|namespace| {
        let (unlisted, ready) = (Arc::clone(&unlisted), Arc::clone(&ready));
        let listed = move || {
            if unlisted.fetch_sub(1, Ordering::Relaxed) == 1 {
                ready.store(true, Ordering::Relaxed);
            }
        };
        controller(&client, namespace, Arc::clone(&passes), listed, &stop)
    }))
    .await;
}

/// What the controllers of all namespaces share.
struct Passes {
    context: Arc<Context>,
    permits: Semaphore,
}

async fn controller(
    client: &Client,
    namespace: Option<&str>,
    passes: Arc<Passes>,
    listed: impl FnOnce() + Send + 'static,
    stop: &CancellationToken,
) {
    let (reader, writer) = reflector::store();
    let pipelines = pipelines(api(client, namespace), writer, listed);
    let ours = || watcher::Config::default().labels("app.kubernetes.io/managed-by=sluice");
    Controller::for_stream(pipelines, reader)
        .owns(api::<Deployment>(client, namespace), ours())
        .with_config(
            kube::runtime::controller::Config::default()
                .concurrency(CONCURRENCY)
                .debounce(DEBOUNCE),
        )
        .graceful_shutdown_on(stop.clone().cancelled_owned())
        .run(reconcile_guarded, retry, passes)
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

fn api<K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>>(
    client: &Client,
    namespace: Option<&str>,
) -> Api<K> {
    match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}

fn pipelines(
    api: Api<Guarded>,
    writer: reflector::store::Writer<Guarded>,
    listed: impl FnOnce() + Send + 'static,
) -> impl Stream<Item = Result<Guarded, watcher::Error>> {
    let mut listed = Some(listed);
    watcher(api, watcher::Config::default().any_semantic())
        .default_backoff()
        .modify(|pipeline| pipeline.managed_fields_mut().clear())
        .reflect(writer)
        // Not by waiting for the store beside the controller: of two waiters in two tasks the
        // store wakes the last alone.
        .inspect_ok(move |event| {
            if matches!(event, watcher::Event::InitDone)
                && let Some(listed) = listed.take()
            {
                listed();
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

async fn reconcile_guarded(pipeline: Arc<Guarded>, passes: Arc<Passes>) -> Result<Action, Error> {
    // Never closed: there is always a permit to wait for.
    let _permit = passes.permits.acquire().await.ok();
    match &pipeline.0 {
        Ok(pipeline) => reconcile(pipeline, &passes.context).await,
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
fn retry(pipeline: Arc<Guarded>, error: &Error, passes: Arc<Passes>) -> Action {
    warn!(pipeline = pipeline.meta().name.as_deref().unwrap_or_default(), %error, "pass failed");
    Action::requeue(passes.context.failed(&*pipeline, error.class()))
}
