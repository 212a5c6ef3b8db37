//! `sluice check`: what a person runs when something does not work, and what `helm test` runs. Each
//! check ends in one line: ok, a problem with what to do, or not checked and why.

mod definition;
mod pipelines;
mod rights;

use std::{process::ExitCode, time::Duration};

use clap::Args;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use serde::Serialize;
use serde_json::json;
use tokio::runtime::Runtime;

use super::{
    cluster::{Cluster, ClusterArgs, OperatorArgs},
    output::{self, ObjectArgs},
    settings,
};
use crate::{api::IngestionPipeline, class::Class, k8s};

/// How many questions are asked at once.
const AT_ONCE: usize = 8;

/// Flags of `sluice check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Check the pipelines of all namespaces.
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    all_namespaces: bool,
    /// Check this pipeline alone, and print its conditions.
    #[arg(long, value_name = "NAME", conflicts_with = "all_namespaces")]
    pipeline: Option<String>,
    /// Wait up to this long until the pipeline is ready: 30s, 5m, 1h.
    #[arg(long, value_name = "DURATION", requires = "pipeline", value_parser = settings::duration)]
    wait: Option<Duration>,
    /// Check the rights of the operator's service account, which needs the right to impersonate
    /// it, and not your own.
    #[arg(long)]
    as_operator: bool,
    #[command(flatten)]
    output: ObjectArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(flatten)]
    operator: OperatorArgs,
}

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
enum Outcome {
    Ok,
    Problem,
    NotChecked,
}

/// One line of the result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Line {
    check: &'static str,
    object: String,
    outcome: Outcome,
    message: String,
}

impl Line {
    fn new(
        check: &'static str,
        object: impl Into<String>,
        outcome: Outcome,
        message: impl Into<String>,
    ) -> Self {
        Self {
            check,
            object: object.into(),
            outcome,
            message: message.into(),
        }
    }

    /// A read that failed: what may not be looked at is not checked, the rest is a problem.
    fn failed(check: &'static str, object: impl Into<String>, error: &k8s::Error) -> Self {
        let outcome = match error.class() {
            Class::Denied => Outcome::NotChecked,
            _ => Outcome::Problem,
        };
        Self::new(check, object, outcome, error.to_string())
    }
}

/// Prints what was found: 0 for nothing wrong, 1 for problems, 2 without a cluster.
pub fn check(args: &CheckArgs) -> anyhow::Result<ExitCode> {
    Runtime::new()?.block_on(checked(args))
}

async fn checked(args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let cluster = args.cluster.cluster().await?;
    let mut lines = vec![definition::definition(&cluster.client).await?];
    lines.extend(rights::rights(args, &cluster).await?);
    let found = pipelines::find(args, &cluster).await;
    lines.extend(pipelines::pipelines(args, &cluster, &found).await?);
    print(args, &lines, &found)?;
    let problem = lines.iter().any(|line| line.outcome == Outcome::Problem);
    Ok(ExitCode::from(u8::from(problem)))
}

impl CheckArgs {
    /// The namespace of pipelines; none for all.
    fn namespace<'a>(&self, cluster: &'a Cluster) -> Option<&'a str> {
        (!self.all_namespaces).then_some(cluster.namespace.as_str())
    }
}

fn print(args: &CheckArgs, lines: &[Line], found: &pipelines::Found) -> anyhow::Result<()> {
    let conditions = match (&args.pipeline, found.list.as_slice()) {
        (Some(_), [pipeline]) => conditions(pipeline),
        _ => &[],
    };
    let object = json!({"checks": lines, "conditions": conditions});
    let table = || table(lines, conditions);
    args.output.format.print(&object, table)
}

fn table(lines: &[Line], conditions: &[Condition]) -> String {
    let mut rows = vec![["CHECK", "OBJECT", "RESULT", "MESSAGE"].map(str::to_owned)];
    rows.extend(lines.iter().map(|line| {
        let outcome = match line.outcome {
            Outcome::Ok => "ok",
            Outcome::Problem => "problem",
            Outcome::NotChecked => "not checked",
        };
        let (check, outcome) = (line.check.to_owned(), outcome.to_owned());
        [check, line.object.clone(), outcome, line.message.clone()]
    }));
    let mut text = output::columns(&rows);
    if !conditions.is_empty() {
        let mut rows = vec![["CONDITION", "STATUS", "REASON", "MESSAGE"].map(str::to_owned)];
        let row = |c: &Condition| [&c.type_, &c.status, &c.reason, &c.message].map(Clone::clone);
        rows.extend(conditions.iter().map(row));
        text.push('\n');
        text.push_str(&output::columns(&rows));
    }
    text
}

fn conditions(pipeline: &IngestionPipeline) -> &[Condition] {
    let status = pipeline.status.as_ref();
    status.map_or(&[], |status| status.conditions.as_slice())
}
