//! Whether pipelines are ready, and whether their Kafka and their Connect workers answer.

use std::{path::Path, time::Duration};

use futures::{StreamExt as _, stream};
use kube::{Api, ResourceExt, api::ListParams};
use tokio::time::{Instant, sleep};

use super::{AT_ONCE, CheckArgs, Line, Outcome};
use crate::{
    api::{IngestionPipeline, common::ConditionType},
    class::Class,
    cli::{cluster::Cluster, now},
    connect, k8s,
    kafka::{self, Pool, PoolSettings},
    observe::{Sources, credentials::Credentials},
    plan::{Identity, Known, connectors::workers},
    prometheus,
};

/// How often a pipeline that is waited for is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// There in every pod with a service account, and nowhere else.
const IN_POD: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/// The pipelines in scope.
pub struct Found {
    /// All of them.
    pub list: Vec<IngestionPipeline>,
    /// Why they could not be listed, or that there are none.
    line: Option<Line>,
}

/// Finds the pipelines; waits for the one that is asked for, where that is wanted.
pub async fn find(args: &CheckArgs, cluster: &Cluster) -> Found {
    let found = match &args.pipeline {
        Some(name) => one(args, cluster, name).await,
        None => all(args.namespace(cluster), cluster).await,
    };
    match found {
        Ok(list) => Found { list, line: None },
        Err(line) => Found {
            list: Vec::new(),
            line: Some(line),
        },
    }
}

async fn all(namespace: Option<&str>, cluster: &Cluster) -> Result<Vec<IngestionPipeline>, Line> {
    let api: Api<IngestionPipeline> = match namespace {
        Some(namespace) => Api::namespaced(cluster.client.clone(), namespace),
        None => Api::all(cluster.client.clone()),
    };
    let place = namespace.unwrap_or("all namespaces");
    let what = format!("list IngestionPipeline in {place}");
    match k8s::bounded(what, api.list(&ListParams::default())).await {
        Ok(found) if found.items.is_empty() => {
            let message = "there are none; -n or -A looks elsewhere";
            Err(Line::new("pipeline", place, Outcome::Ok, message))
        }
        Ok(found) => Ok(found.items),
        Err(error) => Err(Line::failed("pipeline", place, &error)),
    }
}

async fn one(
    args: &CheckArgs,
    cluster: &Cluster,
    name: &str,
) -> Result<Vec<IngestionPipeline>, Line> {
    let namespace = &cluster.namespace;
    let object = format!("{namespace}/{name}");
    let start = Instant::now();
    loop {
        // Not by get, a right that the operator does without.
        let listed = k8s::read::named::<IngestionPipeline>(&cluster.client, namespace, name).await;
        let found = listed.map_err(|error| Line::failed("pipeline", &object, &error))?;
        let ready = found
            .as_ref()
            .is_some_and(|found| standing(found).outcome == Outcome::Ok);
        let over = args.wait.is_none_or(|wait| start.elapsed() >= wait);
        match found {
            Some(found) if ready || over => return Ok(vec![found]),
            None if over => {
                let message = "there is none of this name in this namespace";
                return Err(Line::new("pipeline", object, Outcome::Problem, message));
            }
            _ => sleep(LOOK_EVERY).await,
        }
    }
}

/// Checks every pipeline, several at once.
///
/// # Errors
/// When no client of Kafka Connect can be made.
pub async fn pipelines(
    args: &CheckArgs,
    cluster: &Cluster,
    found: &Found,
) -> anyhow::Result<Vec<Line>> {
    let sources = Sources {
        kube: cluster.client.clone(),
        kafka: Pool::new(PoolSettings::default()),
        credentials: Credentials::default(),
        connect: connect::Client::new()?,
        prometheus: prometheus::Client::new()?,
        operator_namespace: args.operator.operator_namespace.clone(),
    };
    let lines: Vec<Vec<Line>> = stream::iter(&found.list)
        .map(|pipeline| pipeline_lines(&sources, pipeline))
        .buffered(AT_ONCE)
        .collect()
        .await;
    let lines = lines.into_iter().flatten();
    Ok(found.line.clone().into_iter().chain(lines).collect())
}

async fn pipeline_lines(sources: &Sources, pipeline: &IngestionPipeline) -> Vec<Line> {
    let (kafka, connect) = tokio::join!(brokers(sources, pipeline), workers(sources, pipeline));
    let mut lines = vec![standing(pipeline), kafka];
    lines.extend(connect);
    lines
}

fn object(pipeline: &IngestionPipeline) -> String {
    let namespace = pipeline.namespace().unwrap_or_default();
    format!("{namespace}/{}", pipeline.name_any())
}

/// What the operator says of the newest generation.
fn standing(pipeline: &IngestionPipeline) -> Line {
    let line = |outcome, message: String| Line::new("pipeline", object(pipeline), outcome, message);
    let status = pipeline.status.clone().unwrap_or_default();
    if Some(status.observed_generation) != pipeline.metadata.generation {
        let message = "the operator has not looked at its newest generation: does it run, and \
                       does it watch this namespace? See its log";
        return line(Outcome::Problem, message.to_owned());
    }
    let ready = ConditionType::Ready.as_str();
    match status.conditions.into_iter().find(|c| c.type_ == ready) {
        Some(ready) if ready.status == "True" => line(Outcome::Ok, "Ready".to_owned()),
        Some(ready) => {
            let message = format!("not ready: {}: {}", ready.reason, ready.message);
            line(Outcome::Problem, message)
        }
        None => line(Outcome::Problem, "it has no condition Ready yet".to_owned()),
    }
}

/// Whether Kafka answers from here, with the pipeline's own settings.
async fn brokers(sources: &Sources, pipeline: &IngestionPipeline) -> Line {
    let line = |outcome, message: String| Line::new("kafka", object(pipeline), outcome, message);
    let namespace = pipeline.namespace().unwrap_or_default();
    let client = match sources
        .kafka(&namespace, &pipeline.spec.kafka, Duration::ZERO, now())
        .await
    {
        Known::Value(client) => client,
        Known::Unknown(unknown) => return line(Outcome::Problem, unknown.message),
    };
    match kafka::read::cluster(&client).await {
        Ok(cluster) => {
            let message = format!("cluster {}, brokers {}", cluster.id, cluster.brokers);
            line(Outcome::Ok, message)
        }
        // A name that only pods can resolve is no fault of Kafka's.
        Err(error) if error.class() == Class::Down && !in_pod() => {
            let message = format!("{error}. From outside the cluster that may be as it should be");
            line(Outcome::Problem, message)
        }
        Err(error) => line(Outcome::Problem, error.to_string()),
    }
}

/// Whether the REST interface of the pipeline's workers answers, where it has any.
async fn workers(sources: &Sources, pipeline: &IngestionPipeline) -> Option<Line> {
    pipeline.spec.connect.as_ref()?;
    let line =
        |outcome, message: String| Some(Line::new("connect", object(pipeline), outcome, message));
    if !in_pod() {
        let message = "the workers' REST interface answers only the operator's pods";
        return line(Outcome::NotChecked, message.to_owned());
    }
    let (namespace, name) = (
        pipeline.namespace().unwrap_or_default(),
        pipeline.name_any(),
    );
    let address = workers::rest_address(Identity {
        namespace: &namespace,
        name: &name,
        uid: "",
    });
    let asked = async {
        let endpoint = sources.connect.endpoint(&address)?;
        connect::read::plugins(&endpoint).await
    };
    match asked.await {
        Ok(plugins) => line(Outcome::Ok, format!("connector classes {}", plugins.len())),
        Err(error) => {
            let message = format!("{error}. A NetworkPolicy lets only the operator's pods in");
            line(Outcome::Problem, message)
        }
    }
}

fn in_pod() -> bool {
    Path::new(IN_POD).exists()
}
