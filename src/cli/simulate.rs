//! `sluice simulate`: the autoscaler without a cluster, on a recorded or an invented load. It decides
//! by the very functions that the operator runs, on the clock of the trace.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, anyhow, bail};
use clap::Args;

use super::{
    manifest::{self, Document, Pipeline},
    output::{self, Format, OutputArgs},
};
use crate::plan::scaling::problems;
use crate::sim::{Subject, open_loop, render, trace};

/// Flags of `sluice simulate`.
#[derive(Debug, Args)]
pub struct SimulateArgs {
    /// Manifest of the pipeline, YAML or JSON; - reads standard input.
    #[arg(long, value_name = "FILE")]
    pipeline: PathBuf,
    /// The connector whose autoscaler is tried.
    #[arg(long, value_name = "NAME")]
    connector: String,
    /// The trace: JSON Lines, one observation a line, in order of time.
    #[arg(long, value_name = "FILE")]
    trace: PathBuf,
    #[command(flatten)]
    output: OutputArgs,
}

/// Prints what would have been decided.
pub fn simulate(args: &SimulateArgs) -> anyhow::Result<ExitCode> {
    let pipeline = pipeline(&args.pipeline)?;
    let subject = Subject::of(&pipeline.object.spec, &args.connector)
        .map_err(|error| anyhow!("{}: {error}", pipeline.place))?;
    let looks = trace::looks(&text(&args.trace)?).with_context(|| name(&args.trace))?;
    let given = looks.iter().flat_map(|look| look.metrics.keys().cloned());
    let problems = problems::problems_beside(subject.spec, &given.collect());
    let block = format!(
        "{}: connector {}: autoscaling",
        pipeline.place, args.connector
    );
    manifest::refuse(&block, &problems)?;
    for warning in &problems {
        eprintln!("warning: {block}.{warning}");
    }
    let steps = open_loop::run(&subject, &looks);
    match args.output.format {
        Format::Json => print!("{}", render::json(&steps)?),
        Format::Table => {
            let table = output::columns(&render::rows(&steps));
            print!("{table}\n{}\n", render::count(&steps));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The one pipeline of a manifest.
fn pipeline(path: &Path) -> anyhow::Result<Pipeline> {
    let documents = manifest::read(path)?.into_iter();
    let mut pipelines = documents.filter_map(|document| match document {
        Document::Pipeline(pipeline) => Some(*pipeline),
        Document::Other(_) => None,
    });
    match (pipelines.next(), pipelines.next()) {
        (Some(pipeline), None) => Ok(pipeline),
        (None, _) => bail!("{}: there is no IngestionPipeline in it", name(path)),
        (Some(_), Some(_)) => bail!(
            "{}: there are several pipelines in it: leave the one that is to be tried",
            name(path)
        ),
    }
}

fn text(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", name(path)))
}

fn name(path: &Path) -> String {
    path.display().to_string()
}
