//! `sluice why`: the last decisions of an autoscaler as a person reads them: what went in, what each
//! stage made of it, who won, what held it back, and what would change it.

mod text;

use std::{collections::BTreeMap, io::IsTerminal as _, process::ExitCode, time::Duration};

use anyhow::{anyhow, bail};
use clap::Args;
use jiff::Timestamp;
use serde::Serialize;

use super::{
    cluster::{Cluster, ClusterArgs, OperatorArgs},
    now,
    output::ObjectArgs,
    view::{self, LiveView},
};
use crate::{
    api::{
        IngestionPipeline, IngestionPipelineStatus,
        common::{ConditionType, Reason},
        connectors::{Connector, ConnectorStatus},
        decisions::DecisionStatus,
    },
    plan::{
        scaling::{DecisionView, Inputs, NewestView, Series, headline, outlook_of_kept},
        settle::follows,
    },
};

/// How long one question to the cluster may take.
const DEADLINE: Duration = Duration::from_secs(10);

/// Flags of `sluice why`.
#[derive(Debug, Args)]
pub struct WhyArgs {
    /// The pipeline.
    name: String,
    /// One of its connectors; all with an autoscaler, else.
    connector: Option<String>,
    /// How many decisions are told.
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u64).range(1..=11))]
    last: u64,
    #[command(flatten)]
    output: ObjectArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(flatten)]
    operator: OperatorArgs,
}

/// Everything that is told.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    namespace: String,
    pipeline: String,
    at: Timestamp,
    /// `operator` or `status`.
    source: &'static str,
    /// How old status is, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    age_seconds: Option<i64>,
    connectors: Vec<ConnectorTold>,
}

/// One connector.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ConnectorTold {
    name: String,
    /// Why scaling acts or not: one of the stable reasons.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// The same for a person, where it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    /// Newest first.
    decisions: Vec<DecisionTold>,
}

/// One decision.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct DecisionTold {
    /// The sentence that its Event has.
    headline: String,
    #[serde(flatten)]
    decision: DecisionStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    series: Option<Series>,
    #[serde(skip_serializing_if = "Option::is_none")]
    inputs: Option<Inputs>,
    /// What would change it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    outlook: Vec<String>,
}

/// Tells the last decisions: 0 when every count follows its policies, 1 when one does not.
pub fn why(args: &WhyArgs) -> anyhow::Result<ExitCode> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(tell(args))
}

async fn tell(args: &WhyArgs) -> anyhow::Result<ExitCode> {
    let cluster = args.cluster.cluster().await?;
    let told = tokio::time::timeout(DEADLINE, told(args, &cluster)).await;
    let told = told.map_err(|_| {
        let seconds = DEADLINE.as_secs();
        anyhow!("the cluster did not answer within {seconds} s")
    })??;
    let colour = std::io::stdout().is_terminal();
    args.output
        .format
        .print(&told, || text::of(&told, colour))?;
    let held = told.connectors.iter().any(|c| c.message.is_some());
    Ok(ExitCode::from(u8::from(held)))
}

async fn told(args: &WhyArgs, cluster: &Cluster) -> anyhow::Result<Told> {
    let pipeline = view::pipeline(cluster, &args.name).await?;
    let scaled = scaled(&pipeline, args.connector.as_deref())?;
    let live = view::live::<LiveView>(cluster, &args.operator, &args.name, "/why").await;
    if let Err(error) = &live {
        eprintln!("note: from status, for the operator does not answer: {error:#}");
    }
    let live = live.ok();
    let (at, status) = match &live {
        Some(live) => (live.at, live.status.clone()),
        None => (now(), pipeline.status.clone().unwrap_or_default()),
    };
    let last = usize::try_from(args.last)?;
    let connectors = scaled.into_iter().map(|connector| {
        let newest = live
            .as_ref()
            .and_then(|l| l.connectors.get(&connector.name));
        one(connector, &status, newest, last, at)
    });
    Ok(Told {
        namespace: cluster.namespace.clone(),
        pipeline: args.name.clone(),
        at,
        source: if live.is_some() { "operator" } else { "status" },
        age_seconds: live.is_none().then(|| view::age(&pipeline, at).as_secs()),
        connectors: connectors.collect(),
    })
}

/// The connectors with an autoscaler, or the one that was asked for.
fn scaled<'a>(
    pipeline: &'a IngestionPipeline,
    wanted: Option<&str>,
) -> anyhow::Result<Vec<&'a Connector>> {
    let all = &pipeline.spec.connectors;
    if let Some(wanted) = wanted
        && !all.iter().any(|c| c.name == wanted)
    {
        let names: Vec<&str> = all.iter().map(|c| c.name.as_str()).collect();
        bail!(
            "there is no connector {wanted}: the pipeline has {}",
            names.join(", ")
        );
    }
    let scaled = all.iter().filter(|c| c.autoscaling.is_some());
    let scaled: Vec<_> = scaled
        .filter(|c| wanted.is_none_or(|w| c.name == w))
        .collect();
    if scaled.is_empty() {
        bail!(
            "nothing is decided: {} has no autoscaling block",
            wanted.unwrap_or("no connector")
        );
    }
    Ok(scaled)
}

fn one(
    connector: &Connector,
    status: &IngestionPipelineStatus,
    newest: Option<&NewestView>,
    last: usize,
    at: Timestamp,
) -> ConnectorTold {
    let name = &connector.name;
    let found = status.connectors.iter().find(|c| c.name == *name);
    let newest = newest.and_then(|newest| newest.decision.as_ref());
    let kept = found.map_or(&[][..], |found| &found.decisions);
    // The newest may be among those kept, shorter.
    let kept = kept.iter().filter(|kept| {
        newest.is_none_or(|n| (&n.decision.at, n.decision.to) != (&kept.at, kept.to))
    });
    let mut decisions: Vec<DecisionTold> =
        newest.map(|view| whole(name, view)).into_iter().collect();
    decisions.extend(kept.map(|kept| short(name, kept)));
    decisions.truncate(last);
    if newest.is_none()
        && let (Some(spec), Some(first)) = (&connector.autoscaling, decisions.first_mut())
    {
        let memory = found.and_then(|found| found.memory.as_ref());
        let partitions = partitions(connector, status);
        first.outlook = outlook_of_kept(spec, memory, &partitions, &first.decision, at);
    }
    ConnectorTold {
        name: name.clone(),
        reason: found.and_then(|found| found.scaling_reason.clone()),
        message: found.and_then(|found| held(found, status)),
        decisions,
    }
}

/// Why a count does not follow its policies.
fn held(connector: &ConnectorStatus, status: &IngestionPipelineStatus) -> Option<String> {
    let reason = connector.scaling_reason.as_deref()?;
    if Reason::of(reason).is_none_or(follows) {
        return None;
    }
    let mut conditions = status.conditions.iter();
    let condition = conditions.find(|c| c.type_ == ConditionType::ScalingActive.as_str());
    let message = condition.map_or("", |condition| condition.message.as_str());
    let own = message.strip_prefix(&format!("connector {}: ", connector.name));
    Some(own.unwrap_or_default().to_owned())
}

/// The partitions of the topics that a connector reads, as status knows them.
fn partitions(connector: &Connector, status: &IngestionPipelineStatus) -> BTreeMap<String, i32> {
    let read = connector
        .consumes
        .iter()
        .flat_map(|consumes| &consumes.topics);
    let count = |name: &String| {
        let topic = status.topics.iter().find(|topic| topic.name == *name)?;
        Some((name.clone(), topic.partitions?))
    };
    read.filter_map(count).collect()
}

fn whole(connector: &str, view: &DecisionView) -> DecisionTold {
    DecisionTold {
        series: Some(view.series.clone()),
        inputs: Some(view.inputs.clone()),
        outlook: view.outlook.clone(),
        ..short(connector, &view.decision)
    }
}

fn short(connector: &str, decision: &DecisionStatus) -> DecisionTold {
    DecisionTold {
        headline: headline(
            connector,
            decision.from,
            decision.to,
            decision.shadow,
            &decision.why,
        ),
        decision: decision.clone(),
        series: None,
        inputs: None,
        outlook: Vec::new(),
    }
}
