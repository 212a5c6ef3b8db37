//! `sluice plan`: what would change if a manifest were applied. Observes and plans by the very
//! functions that the operator runs, and applies nothing.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context as _, bail};
use clap::Args;
use serde::Serialize;
use serde_json::{Map, Value, json};
use tokio::runtime::Runtime;

use super::{
    cluster::{Cluster, ClusterArgs, OperatorArgs},
    manifest::{self, Document, Pipeline},
    now,
    output::{self, ObjectArgs},
    settings,
};
use crate::{
    api::{IngestionPipeline, IngestionPipelineSpec, IngestionPipelineStatus},
    class::Class,
    connect,
    k8s::{self, questions, read},
    kafka::{Pool, PoolSettings},
    observe::{self, Sources, credentials::Credentials},
    plan::{
        self, Finding, Identity, Known, Look, Settings, Severity, Unknown, changes, offline,
        pipeline::{LookSeen, Subject},
        scaling::problems,
    },
    prometheus,
};

/// What a plan without a cluster takes for granted.
const OFFLINE: &str = "planned without a cluster: nothing is there yet, and what the pipeline \
    refers to (Secrets, ConfigMaps, connector classes, observed topics) is taken to be there. \
    --live looks at the cluster";

/// Flags of `sluice plan`.
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// Manifest with one document or several, YAML or JSON; - reads standard input.
    file: PathBuf,
    /// Look at the cluster and at Kafka, with your own credentials; nothing is written.
    #[arg(long)]
    live: bool,
    #[command(flatten)]
    output: ObjectArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(flatten)]
    operator: OperatorArgs,
    /// Image of Connect workers of pipelines that name none [default: as the operator says].
    #[arg(
        long,
        value_name = "IMAGE",
        env = "SLUICE_CONNECT_IMAGE",
        help_heading = "Operator"
    )]
    connect_image: Option<String>,
    /// Prefix of names outside the cluster [default: as the operator says].
    #[arg(
        long,
        value_name = "PREFIX",
        env = "SLUICE_CLUSTER_NAME",
        help_heading = "Operator"
    )]
    cluster_name: Option<String>,
}

/// What would become of one pipeline.
#[derive(Serialize)]
struct Planned {
    namespace: String,
    name: String,
    /// What becomes of the object itself: `create`, `change` or `none`.
    object: &'static str,
    /// The fields of its spec that change.
    fields: Vec<String>,
    steps: Vec<Step>,
    findings: Vec<Told>,
    /// What could not be read: the plan is not complete.
    unknown: BTreeSet<String>,
}

#[derive(Serialize)]
struct Step {
    #[serde(rename = "step")]
    word: &'static str,
    subject: String,
    change: String,
}

#[derive(Serialize)]
struct Told {
    severity: &'static str,
    reason: &'static str,
    message: String,
}

/// Prints what would change: 0 for nothing, 1 for something, 2 where that cannot be told.
pub fn plan(args: &PlanArgs) -> anyhow::Result<ExitCode> {
    let documents = manifest::read(&args.file)?;
    let mut pipelines = Vec::new();
    for document in documents {
        match document {
            Document::Pipeline(pipeline) => pipelines.push(*pipeline),
            Document::Other(what) => eprintln!("note: passed over: {what}"),
        }
    }
    for pipeline in &pipelines {
        refuse(pipeline)?;
    }
    let planned = if args.live {
        Runtime::new()?.block_on(live(args, &pipelines))?
    } else {
        eprintln!("note: {OFFLINE}");
        let one = |pipeline: &Pipeline| without_cluster(args, pipeline);
        pipelines.iter().map(one).collect::<anyhow::Result<_>>()?
    };
    let object = json!({
        "live": args.live,
        "changes": planned.iter().any(Planned::changes),
        "pipelines": planned,
    });
    args.output.format.print(&object, || table(&planned))?;
    Ok(verdict(&planned))
}

/// Refuses a pipeline with an `autoscaling` block that cannot be used as it is.
fn refuse(pipeline: &Pipeline) -> anyhow::Result<()> {
    for connector in &pipeline.object.spec.connectors {
        let block = format!(
            "{}: spec.connectors[{}].autoscaling",
            pipeline.place, connector.name
        );
        let problems = connector.autoscaling.as_ref().map(problems::problems);
        manifest::refuse(&block, &problems.unwrap_or_default())?;
    }
    Ok(())
}

fn verdict(planned: &[Planned]) -> ExitCode {
    if planned.iter().any(|planned| !planned.unknown.is_empty()) {
        ExitCode::from(2)
    } else if planned.iter().any(Planned::changes) {
        ExitCode::from(1)
    } else {
        ExitCode::SUCCESS
    }
}

fn without_cluster(args: &PlanArgs, pipeline: &Pipeline) -> anyhow::Result<Planned> {
    let default = args.cluster.namespace.as_deref().unwrap_or("default");
    let (namespace, name) = identity(args, pipeline, default)?;
    let settings = args.settings(None);
    let annotations = annotations_of(&pipeline.object);
    let subject = Subject {
        pipeline: Identity {
            namespace: &namespace,
            name: &name,
            uid: "",
        },
        spec: &pipeline.object.spec,
        last: &IngestionPipelineStatus::default(),
        annotations: &annotations,
        settings: &settings,
        restarts: &BTreeMap::new(),
        now: now(),
    };
    let (look, seen) = offline::look(subject);
    let mut planned = Planned::new(subject, None, &look, &seen);
    // In a world that is only assumed, nothing can be waited for.
    planned.findings.retain(|told| told.severity != "waiting");
    Ok(planned)
}

async fn live(args: &PlanArgs, pipelines: &[Pipeline]) -> anyhow::Result<Vec<Planned>> {
    let cluster = args.cluster.cluster().await?;
    let settings = args.settings(args.ask_operator(&cluster).await);
    let sources = Sources {
        kube: cluster.client.clone(),
        kafka: Pool::new(PoolSettings::default()),
        credentials: Credentials::default(),
        connect: connect::Client::new()?,
        prometheus: prometheus::Client::new()?,
        operator_namespace: settings.operator_namespace.clone(),
    };
    let mut planned = Vec::new();
    for pipeline in pipelines {
        let one = Box::pin(with_cluster(args, &cluster, &sources, &settings, pipeline)).await;
        planned.push(one.with_context(|| pipeline.place.clone())?);
    }
    Ok(planned)
}

async fn with_cluster(
    args: &PlanArgs,
    cluster: &Cluster,
    sources: &Sources,
    settings: &Settings,
    pipeline: &Pipeline,
) -> anyhow::Result<Planned> {
    let (namespace, name) = identity(args, pipeline, &cluster.namespace)?;
    let stored: Option<IngestionPipeline> = read::get(&cluster.client, &namespace, &name).await?;
    let wanted = accepted(cluster, &namespace, &name, pipeline, stored.as_ref()).await?;
    let last = stored.as_ref().and_then(|stored| stored.status.clone());
    let mut annotations = stored.as_ref().map(annotations_of).unwrap_or_default();
    annotations.extend(annotations_of(&pipeline.object));
    let uid = stored
        .as_ref()
        .and_then(|stored| stored.metadata.uid.clone());
    let subject = Subject {
        pipeline: Identity {
            namespace: &namespace,
            name: &name,
            uid: uid.as_deref().unwrap_or_default(),
        },
        spec: &wanted.spec,
        last: &last.unwrap_or_default(),
        annotations: &annotations,
        settings,
        restarts: &BTreeMap::new(),
        now: now(),
    };
    let kafka = sources
        .kafka(&namespace, &wanted.spec.kafka, Duration::ZERO, now())
        .await;
    let seen = Box::pin(observe::look::look(sources, subject, &kafka)).await;
    let look = plan::pipeline::look(subject, &seen)
        .look
        .unwrap_or_default();
    Ok(Planned::new(subject, stored.as_ref(), &look, &seen))
}

/// The pipeline as the API would store it, by a dry run. Who may only read gets it as written.
async fn accepted(
    cluster: &Cluster,
    namespace: &str,
    name: &str,
    pipeline: &Pipeline,
    stored: Option<&IngestionPipeline>,
) -> anyhow::Result<IngestionPipeline> {
    let version = stored.and_then(|stored| stored.metadata.resource_version.as_deref());
    let mut written = pipeline.written.clone();
    if let Some(version) = version {
        written["metadata"]["resourceVersion"] = version.into();
    }
    match questions::dry_run(&cluster.client, namespace, name, &written, version).await {
        Ok(accepted) => Ok(accepted),
        Err(error) if error.class() == Class::Denied => {
            eprintln!("note: bounds and rules were not checked: {error}");
            Ok(pipeline.object.clone())
        }
        Err(error) => Err(error.into()),
    }
}

impl PlanArgs {
    /// The running operator's settings, on which names and images depend.
    async fn ask_operator(&self, cluster: &Cluster) -> Option<Settings> {
        let answer = self.operator.ask(&cluster.client, "/v1/settings");
        if let Ok(Ok(settings)) = tokio::time::timeout(k8s::DEADLINE, answer).await {
            return Some(settings);
        }
        eprintln!(
            "note: the operator at service {}/{} does not tell its settings: planned with \
             --connect-image and --cluster-name as given, or their defaults",
            self.operator.operator_namespace, self.operator.operator_service
        );
        None
    }

    fn settings(&self, operator: Option<Settings>) -> Settings {
        let mut settings = operator.unwrap_or_else(|| Settings {
            connect_image: settings::CONNECT_IMAGE.to_owned(),
            cluster_name: None,
            operator_namespace: self.operator.operator_namespace.clone(),
            deletion_deadline: Duration::ZERO,
            status_interval: Duration::ZERO,
            prometheus_servers: Vec::new(),
        });
        if let Some(image) = &self.connect_image {
            settings.connect_image.clone_from(image);
        }
        if self.cluster_name.is_some() {
            settings.cluster_name.clone_from(&self.cluster_name);
        }
        settings
    }
}

/// Namespace and name, by the rules of kubectl.
fn identity(
    args: &PlanArgs,
    pipeline: &Pipeline,
    default: &str,
) -> anyhow::Result<(String, String)> {
    let metadata = &pipeline.object.metadata;
    let name = metadata.name.clone().unwrap_or_default();
    match (&metadata.namespace, &args.cluster.namespace) {
        (Some(own), Some(asked)) if own != asked => bail!(
            "{}: metadata.namespace is {own}, and --namespace is {asked}: leave one of them out",
            pipeline.place
        ),
        (Some(own), _) => Ok((own.clone(), name)),
        (None, _) => Ok((default.to_owned(), name)),
    }
}

fn annotations_of(pipeline: &IngestionPipeline) -> BTreeMap<String, String> {
    pipeline.metadata.annotations.clone().unwrap_or_default()
}

impl Planned {
    fn new(
        subject: Subject<'_>,
        stored: Option<&IngestionPipeline>,
        look: &Look,
        seen: &LookSeen,
    ) -> Self {
        let fields = stored.map_or_else(Vec::new, |stored| changed(&stored.spec, subject.spec));
        let step = |change: changes::Change| Step {
            word: change.step,
            subject: change.subject.to_string(),
            change: change.change,
        };
        Self {
            namespace: subject.pipeline.namespace.to_owned(),
            name: subject.pipeline.name.to_owned(),
            object: match stored {
                None => "create",
                Some(_) if fields.is_empty() => "none",
                Some(_) => "change",
            },
            fields,
            steps: changes::changes(look, seen).into_iter().map(step).collect(),
            findings: findings(look).map(told).collect(),
            unknown: gaps(seen).map(|gap| gap.message.clone()).collect(),
        }
    }

    /// Whether anything would change, or a person has to act before it can.
    fn changes(&self) -> bool {
        let stalled = self.findings.iter().any(|told| told.severity == "stalled");
        self.object != "none" || !self.steps.is_empty() || stalled
    }
}

/// The fields of a spec that change, appear or go.
fn changed(before: &IngestionPipelineSpec, after: &IngestionPipelineSpec) -> Vec<String> {
    let value = |spec| serde_json::to_value(spec).unwrap_or_default();
    let mut fields = Vec::new();
    compare("spec", &value(before), &value(after), &mut fields);
    fields
}

/// Entries of a list are found again by their names, where they have some.
fn compare(path: &str, before: &Value, after: &Value, fields: &mut Vec<String>) {
    let (one, other) = match (before, after) {
        (Value::Object(one), Value::Object(other)) => (one.clone(), other.clone()),
        (Value::Array(one), Value::Array(other)) => match (by_name(one), by_name(other)) {
            (Some(one), Some(other)) => (one, other),
            _ if one == other => return,
            _ => return fields.push(path.to_owned()),
        },
        _ if before == after => return,
        _ => return fields.push(path.to_owned()),
    };
    let keys: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    for key in keys {
        let path = if before.is_array() {
            format!("{path}[{key}]")
        } else {
            format!("{path}.{key}")
        };
        match (one.get(key), other.get(key)) {
            (Some(before), Some(after)) => compare(&path, before, after, fields),
            _ => fields.push(path),
        }
    }
}

fn by_name(list: &[Value]) -> Option<Map<String, Value>> {
    let named = |entry: &Value| Some((entry.get("name")?.as_str()?.to_owned(), entry.clone()));
    list.iter().map(named).collect()
}

fn findings(look: &Look) -> impl Iterator<Item = &Finding> {
    let topics = look.topics.iter().flat_map(|topic| &topic.findings);
    let connectors = look.connectors.iter().flat_map(|part| &part.findings);
    look.findings
        .iter()
        .chain(topics)
        .chain(&look.workers.findings)
        .chain(connectors)
}

fn told(finding: &Finding) -> Told {
    Told {
        severity: match finding.severity {
            Severity::Note => "note",
            Severity::Waiting => "waiting",
            Severity::Stalled => "stalled",
        },
        reason: finding.reason.as_str(),
        message: finding.message.clone(),
    }
}

/// What could not be read of Kafka and Kubernetes. Connect is not among it: from outside the
/// cluster it never can be, and a finding says so.
fn gaps(seen: &LookSeen) -> impl Iterator<Item = &Unknown> {
    let topics = seen.topics.values();
    let topics = topics.flat_map(|view| [view.topic.unknown(), view.claim.unknown()]);
    let claims = seen.claims.values().map(Known::unknown);
    let containers = seen.containers.connectors.values();
    let containers = containers.flat_map(|seen| {
        let (deployment, references) = (seen.deployment.unknown(), seen.references.unknown());
        [deployment, references, seen.scalers.unknown()]
    });
    let workers = seen.workers.iter().flat_map(|view| {
        [
            view.deployment.unknown(),
            view.service.unknown(),
            view.config_map.unknown(),
            view.network_policy.unknown(),
            view.references.unknown(),
        ]
    });
    [
        seen.cluster.unknown(),
        seen.containers.deployments.unknown(),
    ]
    .into_iter()
    .chain(topics)
    .chain(claims)
    .chain(containers)
    .chain(workers)
    .flatten()
}

fn table(planned: &[Planned]) -> String {
    let blocks: Vec<String> = planned.iter().map(block).collect();
    blocks.join("\n")
}

fn block(planned: &Planned) -> String {
    let what = match planned.object {
        "create" => "would be created".to_owned(),
        "change" => format!("would change: {}", planned.fields.join(", ")),
        _ => "stays as it is".to_owned(),
    };
    let mut text = format!(
        "IngestionPipeline {}/{} {what}\n",
        planned.namespace, planned.name
    );
    let mut rows = vec![["STEP", "OBJECT", "CHANGE"].map(str::to_owned)];
    let row = |step: &Step| {
        [
            step.word.to_owned(),
            step.subject.clone(),
            step.change.clone(),
        ]
    };
    rows.extend(planned.steps.iter().map(row));
    if planned.steps.is_empty() {
        text.push_str("Nothing would be done outside it.\n");
    } else {
        text.push_str(&output::columns(&rows));
    }
    for told in &planned.findings {
        let _ = writeln!(text, "{}: {}: {}", told.severity, told.reason, told.message);
    }
    for gap in &planned.unknown {
        let _ = writeln!(text, "not known: {gap}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changed_fields_are_named_by_the_entry_that_they_are_in() {
        let spec = |topics: Value| -> IngestionPipelineSpec {
            let kafka = json!({"bootstrapServers": "k:9092"});
            serde_json::from_value(json!({"kafka": kafka, "topics": topics})).unwrap()
        };
        let before = spec(json!([{"name": "a", "partitions": 1}, {"name": "b"}]));
        let after = spec(json!([{"name": "c"}, {"name": "a", "partitions": 2}]));
        let fields = [
            "spec.topics[a].partitions",
            "spec.topics[b]",
            "spec.topics[c]",
        ];
        assert_eq!(changed(&before, &after), fields);
        assert_eq!(changed(&after, &after), Vec::<String>::new());
    }
}
