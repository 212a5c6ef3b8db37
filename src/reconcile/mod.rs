//! Wiring: one pass over one pipeline, in one direction: observe, plan, apply, report. What every
//! pass needs is added here: a deadline, the finalizer, memory between passes, back-off.

pub mod backoff;
pub mod controller;
mod deletion;
mod state;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, PoisonError},
    time::Duration,
};

use futures::future::join_all;
use jiff::Timestamp;
use kube::{Resource, ResourceExt, runtime::controller::Action};
use tokio::sync::Mutex;
use tracing::{Instrument, info_span};

use crate::{
    api::{IngestionPipeline, IngestionPipelineStatus, connectors::Connector},
    apply::{self, Sinks, Target},
    class::Class,
    k8s,
    observe::{self, Sources, scaling::Between},
    plan::{
        self, Failure, Identity, PipelinePlan, Settings,
        connectors::{connect::restarts::Restarts, workers},
        pipeline::Subject,
        rescale::SampleSeen,
        settle, tellings,
    },
    report::{self, Reporter},
};
use backoff::Backoff;
use state::{Due, Outcome, State};

/// Marks a pipeline that may have something outside the cluster.
pub const FINALIZER: &str = "sluice.dev/outside";
/// Longest pass: reads and writes have deadlines of their own, this one is the last resort.
const PASS_DEADLINE: Duration = Duration::from_secs(120);

/// How old what was read of Secrets may be in a pass that looks at everything. With the time
/// between two looks this bounds how late a rotation is noticed: 30 s.
const SECRETS_AT_LOOKS: Duration = Duration::from_secs(2);
/// The same in a pass that only takes samples.
const SECRETS_AT_SAMPLES: Duration = Duration::from_secs(15);

/// Why a pass failed: only reporting can.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The cluster refused or failed a write that the pass cannot do without.
    #[error(transparent)]
    Kubernetes(#[from] k8s::Error),
    /// The pass did not end in time.
    #[error("the pass took longer than {} s", PASS_DEADLINE.as_secs())]
    TimedOut,
}

impl Error {
    fn class(&self) -> Class {
        match self {
            Self::Kubernetes(error) => error.class(),
            Self::TimedOut => Class::Down,
        }
    }
}

/// Everything that passes share.
pub struct Context {
    /// Where reads go.
    pub sources: Sources,
    /// Where writes go.
    pub sinks: Sinks,
    /// Where reports go.
    pub reporter: Reporter,
    /// The operator's settings.
    pub settings: Settings,
    /// The clock.
    pub now: fn() -> Timestamp,
    /// Memory between passes, by UID.
    states: std::sync::Mutex<HashMap<String, Arc<Mutex<State>>>>,
    /// Failures in a row of passes that could not report, or not delete, by UID.
    failures: std::sync::Mutex<HashMap<String, Backoff>>,
}

impl Context {
    /// A context without memory.
    #[must_use]
    pub fn new(
        sources: Sources,
        sinks: Sinks,
        reporter: Reporter,
        settings: Settings,
        now: fn() -> Timestamp,
    ) -> Self {
        Self {
            sources,
            sinks,
            reporter,
            settings,
            now,
            states: std::sync::Mutex::default(),
            failures: std::sync::Mutex::default(),
        }
    }

    /// Counts a failed pass and says how long to wait before the next.
    fn failed(&self, pipeline: &impl Resource, class: Class) -> Duration {
        let uid = pipeline.meta().uid.clone().unwrap_or_default();
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.entry(uid).or_default().failed(class)
    }

    fn succeeded(&self, uid: &str) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.remove(uid);
    }

    fn state(&self, uid: &str) -> Arc<Mutex<State>> {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        states.entry(uid.to_owned()).or_default().clone()
    }

    fn forget(&self, pipeline: &IngestionPipeline) {
        let uid = pipeline.metadata.uid.as_deref().unwrap_or_default();
        self.states
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(uid);
        self.succeeded(uid);
        self.reporter.forget(pipeline);
    }
}

/// One pass, measured and bounded in time.
///
/// # Errors
/// When the pass could not report, or did not end in time.
pub async fn reconcile(pipeline: &IngestionPipeline, context: &Context) -> Result<Action, Error> {
    let span = info_span!(
        "pass",
        namespace = pipeline.namespace().unwrap_or_default(),
        pipeline = pipeline.name_any()
    );
    let began = tokio::time::Instant::now();
    let pass = tokio::time::timeout(PASS_DEADLINE, pass(pipeline, context)).instrument(span);
    let result = pass.await.unwrap_or(Err(Error::TimedOut));
    let label = result
        .as_ref()
        .map_or_else(|error| error.class().as_str(), |_| "ok");
    context.reporter.metrics.pass(label, began.elapsed());
    result
}

async fn pass(pipeline: &IngestionPipeline, context: &Context) -> Result<Action, Error> {
    if pipeline.metadata.deletion_timestamp.is_some() {
        return deletion::pass(pipeline, context).await;
    }
    if !pipeline
        .finalizers()
        .iter()
        .any(|finalizer| finalizer == FINALIZER)
    {
        // The write wakes the pipeline again, with the finalizer: nothing is made before it.
        k8s::write::add_finalizer(&context.sinks.kube, pipeline, FINALIZER).await?;
        return Ok(Action::await_change());
    }
    let state = context.state(pipeline.metadata.uid.as_deref().unwrap_or_default());
    let mut state = state.lock().await;
    let now = (context.now)();
    let due = state.due(pipeline, now);
    if due.look || !due.samples.is_empty() {
        // Boxed: everything that a pass reads would otherwise lie in each of its futures.
        Box::pin(work(pipeline, context, &mut state, &due, now)).await?;
    } else {
        state.look_soon();
    }
    context.succeeded(identity(pipeline).uid);
    Ok(Action::requeue(state.wait(pipeline, (context.now)())))
}

/// Observe, plan, apply, report.
async fn work(
    pipeline: &IngestionPipeline,
    context: &Context,
    state: &mut State,
    due: &Due,
    now: Timestamp,
) -> Result<(), Error> {
    // The cache may predate our own last write: what was written is newer.
    let last = state.last(pipeline);
    let annotations = pipeline.metadata.annotations.clone().unwrap_or_default();
    let restarts = state.restarts.clone();
    let subject = Subject {
        pipeline: identity(pipeline),
        spec: &pipeline.spec,
        last: &last,
        annotations: &annotations,
        settings: &context.settings,
        restarts: &restarts,
        now,
    };
    let age = if due.look {
        SECRETS_AT_LOOKS
    } else {
        SECRETS_AT_SAMPLES
    };
    let (spec, namespace) = (&pipeline.spec.kafka, subject.pipeline.namespace);
    let kafka = context.sources.kafka(namespace, spec, age, now).await;
    let mut plan = PipelinePlan {
        suspended: pipeline.spec.suspend,
        ..PipelinePlan::default()
    };
    plan.cluster_id.clone_from(&last.cluster_id);
    if due.look {
        let seen = Box::pin(observe::look::look(&context.sources, subject, &kafka)).await;
        state.remember(&seen);
        plan = plan::pipeline::look(subject, &seen);
        state.restarts = restarts_of(&plan);
    }
    sample(context, subject, state, due, &kafka, &mut plan, now).await;
    let workers = workers::rest_address(subject.pipeline);
    let target = Target {
        identity: subject.pipeline,
        cluster_id: plan.cluster_id.as_deref(),
        workers: &workers,
    };
    if let Some(ahead) = settle::ahead(&last, &plan) {
        let wrote = context
            .reporter
            .status(pipeline, &ahead, &mut state.written, now)
            .await;
        if let Err(error) = wrote {
            state.take_back();
            return Err(error.into());
        }
    }
    let failures = apply::pipeline(&context.sinks, target, kafka.value(), &plan).await;
    let generation = pipeline.metadata.generation.unwrap_or_default();
    let next = settle::status(&last, &plan, &failures, generation, now);
    if due.look {
        state.looked(pipeline, now, outcome(&plan, &next, &failures));
    }
    let tellings = tellings::tellings(&last, &next, &plan, &failures);
    let told = report::Outcome {
        pipeline,
        next: &next,
        newest: state.newest(),
        sampled: &due.samples,
        tellings: &tellings,
        now,
    };
    let reported = context.reporter.pipeline(told, &mut state.written).await;
    state.current = Some(next);
    reported.map_err(|error| {
        if error.class() == Class::Conflict {
            state.take_back();
        }
        error.into()
    })
}

/// Samples the connectors that are due, and decides. Every Prometheus is asked beside all of it:
/// one that does not answer costs its deadline once, and not once a connector.
async fn sample(
    context: &Context,
    subject: Subject<'_>,
    state: &mut State,
    due: &Due,
    kafka: &plan::Known<crate::kafka::Client>,
    plan: &mut PipelinePlan,
    now: Timestamp,
) {
    let is_due = |connector: &&Connector| due.samples.contains(&connector.name);
    let connectors: Vec<&Connector> = subject.spec.connectors.iter().filter(is_due).collect();
    let sources = &context.sources;
    let metrics = connectors
        .iter()
        .map(|connector| observe::metrics::metrics(sources, subject, connector, now));
    let (groups, metrics) = tokio::join!(
        Box::pin(groups(sources, subject, state, &connectors, kafka, now)),
        Box::pin(join_all(metrics))
    );
    for ((connector, group), metrics) in connectors.into_iter().zip(groups).zip(metrics) {
        let conflict = state.conflict(&connector.name).map(ToOwned::to_owned);
        let sampled = state.samples_of(&connector.name, subject.last);
        let mut scaling = plan::rescale::rescale(
            subject,
            connector,
            group.with_metrics(metrics),
            conflict.as_deref(),
            &mut sampled.scaler,
        );
        sampled.newest = scaling.newest.take().map(Arc::new);
        plan.scaling.insert(connector.name.clone(), scaling);
        state.sampled(connector, now);
    }
    plan.autoscaled = plan::rescale::autoscaled(subject, &plan.scaling);
}

/// One sample of each connector's consumer group.
async fn groups(
    sources: &Sources,
    subject: Subject<'_>,
    state: &mut State,
    connectors: &[&Connector],
    kafka: &plan::Known<crate::kafka::Client>,
    now: Timestamp,
) -> Vec<SampleSeen> {
    let mut groups = Vec::new();
    for connector in connectors {
        let partitions = state.partitions_of(connector, subject.last);
        let offsets_retention = state.offsets_retention();
        let retention_seconds = state.retention_of(connector);
        let sampled = state.samples_of(&connector.name, subject.last);
        let between = Between {
            scaler: &sampled.scaler,
            sampler: &mut sampled.sampler,
            partitions,
            offsets_retention,
            retention_seconds,
        };
        let seen = observe::scaling::sample(sources, subject, connector, kafka, between, now);
        groups.push(seen.await);
    }
    groups
}

fn identity(pipeline: &IngestionPipeline) -> Identity<'_> {
    Identity {
        namespace: pipeline.metadata.namespace.as_deref().unwrap_or_default(),
        name: pipeline.metadata.name.as_deref().unwrap_or_default(),
        uid: pipeline.metadata.uid.as_deref().unwrap_or_default(),
    }
}

fn restarts_of(plan: &PipelinePlan) -> BTreeMap<String, Restarts> {
    let parts = plan.look.iter().flat_map(|look| &look.connectors);
    parts
        .filter_map(|part| Some((part.status.name.clone(), part.restarts?)))
        .collect()
}

/// How a look ended, as far as it decides when the next one is due.
fn outcome(plan: &PipelinePlan, next: &IngestionPipelineStatus, failures: &[Failure]) -> Outcome {
    let gravest = failures.iter().map(|failure| failure.class).max();
    let ready = next
        .conditions
        .iter()
        .any(|c| c.type_ == "Ready" && c.status == "True");
    match gravest {
        Some(class) => Outcome::Failed(class),
        None if plan.has_steps() => Outcome::Stepped,
        None if ready || plan.suspended => Outcome::Settled,
        None => Outcome::Waiting,
    }
}
