//! One pass over a pipeline that is being deleted: what it asked to delete in Kafka goes, its
//! claims are given back, the finalizer comes off. An unreachable Kafka holds that for a bounded
//! time only, and what was left behind is told.

use std::{collections::BTreeMap, time::Duration};

use kube::runtime::controller::Action;
use tracing::{info, warn};

use super::{Context, Error, FINALIZER, SECRETS_AT_LOOKS, identity};
use crate::{
    api::{
        IngestionPipeline,
        common::{ConditionType, Reason},
    },
    apply, k8s, observe,
    plan::{
        conditions::{self, Verdict},
        deletion::{self, DeletionPlan},
        pipeline::Subject,
        tellings::Telling,
    },
    report::Written,
};

/// How soon the next pass of a deletion comes where nothing failed.
const AGAIN: Duration = Duration::from_secs(2);

/// One pass.
pub async fn pass(pipeline: &IngestionPipeline, context: &Context) -> Result<Action, Error> {
    let marked = pipeline
        .metadata
        .finalizers
        .iter()
        .flatten()
        .any(|f| f == FINALIZER);
    if !marked {
        context.forget(pipeline);
        return Ok(Action::await_change());
    }
    let last = pipeline.status.clone().unwrap_or_default();
    let annotations = pipeline.metadata.annotations.clone().unwrap_or_default();
    let now = (context.now)();
    let subject = Subject {
        pipeline: identity(pipeline),
        spec: &pipeline.spec,
        last: &last,
        annotations: &annotations,
        settings: &context.settings,
        restarts: &BTreeMap::new(),
        now,
    };
    let since = pipeline
        .metadata
        .deletion_timestamp
        .as_ref()
        .map_or(now, |time| time.0);
    let mut failed = None;
    let plan = if deletion::topics(subject).is_empty() {
        DeletionPlan {
            done: true,
            ..DeletionPlan::default()
        }
    } else {
        let (spec, namespace) = (&pipeline.spec.kafka, subject.pipeline.namespace);
        let kafka = context
            .sources
            .kafka(namespace, spec, SECRETS_AT_LOOKS, now)
            .await;
        let seen = observe::deletion::deletion(&context.sources, subject, &kafka).await;
        let plan = deletion::deletion(subject, &seen, since, now);
        failed = apply::deletion::deletion(&context.sinks, subject, kafka.value(), &plan).await;
        plan
    };
    if !plan.done {
        tell_waiting(pipeline, context, &plan).await?;
        let wait = match failed {
            Some(class) => context.failed(pipeline, class),
            None => AGAIN,
        };
        return Ok(Action::requeue(wait));
    }
    tell_left_behind(pipeline, context, &plan.left_behind).await;
    apply::deletion::release_all(&context.sinks, subject.pipeline).await?;
    k8s::write::remove_finalizer(&context.sinks.kube, pipeline, FINALIZER).await?;
    info!("deleted");
    context.forget(pipeline);
    Ok(Action::await_change())
}

/// Says why the deletion is not over; the rest of the status stays as it was.
async fn tell_waiting(
    pipeline: &IngestionPipeline,
    context: &Context,
    plan: &DeletionPlan,
) -> Result<(), Error> {
    let Some(finding) = &plan.waiting else {
        return Ok(());
    };
    let mut next = pipeline.status.clone().unwrap_or_default();
    let verdict = Verdict::new(
        ConditionType::Ready,
        false,
        finding.reason,
        finding.message.clone(),
    );
    let generation = pipeline.metadata.generation.unwrap_or_default();
    let ready = conditions::conditions(&next.conditions, &[verdict], generation, (context.now)());
    next.conditions
        .retain(|c| c.type_ != ConditionType::Ready.as_str());
    next.conditions.extend(ready);
    next.observed_generation = generation;
    if pipeline.status.as_ref() != Some(&next) {
        let mut written = Written::default();
        context
            .reporter
            .status(pipeline, &next, &mut written, (context.now)())
            .await?;
    }
    Ok(())
}

/// Says what stays in Kafka, in the log, a metric, and an event, for the object itself is going.
async fn tell_left_behind(pipeline: &IngestionPipeline, context: &Context, left: &[String]) {
    if left.is_empty() {
        return;
    }
    let topics = left.join(", ");
    warn!(topics, "left behind in Kafka");
    context
        .reporter
        .metrics
        .left_behind(left.len().try_into().unwrap_or(u64::MAX));
    let telling = Telling {
        warning: true,
        reason: Reason::LeftBehind,
        message: format!(
            "topics left behind in Kafka: {topics}; delete them with Kafka's own tools"
        ),
    };
    context.reporter.tell(pipeline, &telling).await;
}
