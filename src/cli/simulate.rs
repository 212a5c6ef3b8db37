//! `sluice simulate`: the autoscaler without a cluster, on a recorded or an invented load. It decides
//! by the very functions that the operator runs, on the clock of the trace.

use std::{
    fs,
    io::{self, BufWriter, StdoutLock, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, anyhow, bail};
use clap::Args;

use super::{
    manifest::{self, Document, Pipeline},
    output::{self, Format, OutputArgs},
};
use crate::{
    api::common::Duration,
    plan::scaling::problems,
    sim::{
        Step, Subject,
        closed_loop::Run,
        group::Model,
        open_loop, picture,
        render::{self, Table},
        trace,
    },
};

/// Flags of `sluice simulate`.
#[derive(Debug, Args)]
pub struct SimulateArgs {
    /// Manifest of the pipeline, YAML or JSON; - reads standard input.
    #[arg(long, value_name = "FILE")]
    pipeline: PathBuf,
    /// The connector whose autoscaler is tried.
    #[arg(long, value_name = "NAME")]
    connector: String,
    /// The trace: JSON Lines in order of time, observations, or arrivals with --closed-loop.
    #[arg(long, value_name = "FILE")]
    trace: PathBuf,
    /// Model of the consumers, YAML or JSON: what is decided then changes what is seen next.
    #[arg(long, value_name = "MODEL")]
    closed_loop: Option<PathBuf>,
    /// The time lag that is allowed: the seconds above it are counted.
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "30s",
        requires = "closed_loop"
    )]
    slo: Duration,
    /// Draws the run as well, into an SVG file.
    #[arg(long, value_name = "FILE.svg")]
    picture: Option<PathBuf>,
    #[command(flatten)]
    output: OutputArgs,
}

/// Prints what would have been decided. Everything is read and checked before.
pub fn simulate(args: &SimulateArgs) -> anyhow::Result<ExitCode> {
    let pipeline = pipeline(&args.pipeline)?;
    let subject = Subject::of(&pipeline.object.spec, &args.connector)
        .map_err(|error| anyhow!("{}: {error}", pipeline.place))?;
    let trace = text(&args.trace)?;
    let told = match &args.closed_loop {
        None => {
            let looks = trace::looks(&trace).with_context(|| name(&args.trace))?;
            refuse(args, &pipeline, &subject, &looks)?;
            open(args, &subject, &looks)
        }
        Some(path) => {
            let model = model(path)?;
            refuse(args, &pipeline, &subject, &[])?;
            let rates =
                trace::rates(&trace, model.partitions).with_context(|| name(&args.trace))?;
            let run = Run::new(&subject, model, &rates, args.slo.as_secs_f64());
            closed(args, run)
        }
    };
    match told {
        // Who reads has seen enough, as with `| head`.
        Err(error) if is_broken_pipe(&error) => Ok(ExitCode::SUCCESS),
        told => told.map(|()| ExitCode::SUCCESS),
    }
}

/// Refuses a block that the operator would not act on; series of `looks` need no declaration.
fn refuse(
    args: &SimulateArgs,
    pipeline: &Pipeline,
    subject: &Subject<'_>,
    looks: &[trace::Look],
) -> anyhow::Result<()> {
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
    Ok(())
}

fn open(args: &SimulateArgs, subject: &Subject<'_>, looks: &[trace::Look]) -> anyhow::Result<()> {
    let mut output = Output::new(args);
    for step in open_loop::run(subject, looks) {
        output.add(step)?;
    }
    output.draw(args, None)?;
    output.end()?.flush()?;
    Ok(())
}

fn closed(args: &SimulateArgs, mut run: Run<'_>) -> anyhow::Result<()> {
    let mut output = Output::new(args);
    for step in run.by_ref() {
        output.add(step)?;
    }
    output.draw(args, Some(args.slo.as_secs_f64()))?;
    let mut out = output.end()?;
    writeln!(out, "{}", render::summary(run.summary())?)?;
    out.flush()?;
    Ok(())
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<io::Error>();
    error.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// Standard output, as decisions come.
struct Output {
    out: BufWriter<StdoutLock<'static>>,
    table: Option<Table>,
    /// For the picture.
    drawn: Option<Vec<Step>>,
}

impl Output {
    fn new(args: &SimulateArgs) -> Self {
        Self {
            out: BufWriter::new(io::stdout().lock()),
            table: (args.output.format == Format::Table).then(Table::default),
            drawn: args.picture.is_some().then(Vec::new),
        }
    }

    fn add(&mut self, step: Step) -> anyhow::Result<()> {
        if let Some(steps) = &mut self.drawn {
            // Stages are not drawn, and are most of a step.
            let mut step = step.clone();
            step.decision.stages.clear();
            steps.push(step);
        }
        match &mut self.table {
            Some(table) => table.add(step),
            None => writeln!(self.out, "{}", render::json(&step)?)?,
        }
        Ok(())
    }

    fn draw(&self, args: &SimulateArgs, slo: Option<f64>) -> anyhow::Result<()> {
        let (Some(path), Some(steps)) = (&args.picture, &self.drawn) else {
            return Ok(());
        };
        let title = format!("Connector {}, simulated", args.connector);
        let svg = picture::picture(steps, &title, slo);
        fs::write(path, svg).with_context(|| format!("cannot write {}", name(path)))
    }

    fn end(mut self) -> io::Result<BufWriter<StdoutLock<'static>>> {
        if let Some(table) = self.table {
            let count = table.count();
            let rows = output::columns(&table.rows());
            write!(self.out, "{rows}\n{count}\n")?;
        }
        Ok(self.out)
    }
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

fn model(path: &Path) -> anyhow::Result<Model> {
    let text = text(path)?;
    let value: serde_json::Value = serde_yaml::from_str(&text).with_context(|| name(path))?;
    let model: Model = serde_path_to_error::deserialize(value).map_err(|error| {
        match error.path().to_string().as_str() {
            "." => anyhow!("{}: {}", name(path), error.inner()),
            field => anyhow!("{}: {field}: {}", name(path), error.inner()),
        }
    })?;
    model
        .check()
        .map_err(|error| anyhow!("{}: {error}", name(path)))?;
    Ok(model)
}

fn text(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", name(path)))
}

fn name(path: &Path) -> String {
    path.display().to_string()
}
