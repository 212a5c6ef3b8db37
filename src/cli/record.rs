//! `sluice record`: what the operator sees of one connector, look by look, as a trace that
//! `sluice simulate` takes. It asks the operator's endpoint; status has too little for a trace.

use std::{
    fs::File,
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context as _, anyhow, bail};
use clap::Args;
use jiff::Timestamp;
use tokio::time::{Instant, sleep, timeout};

use super::{
    cluster::{Cluster, ClusterArgs, OperatorArgs},
    view::{self, LiveView},
};
use crate::{api::common, plan::scaling::Observation};

/// How long one question to the cluster may take.
const DEADLINE: Duration = Duration::from_secs(10);
/// How often the operator is asked: an interval is at least a second.
const EVERY: Duration = Duration::from_millis(500);

/// Flags of `sluice record`.
#[derive(Debug, Args)]
pub struct RecordArgs {
    /// The pipeline.
    name: String,
    /// The connector; it may be left out where only one has an autoscaler.
    connector: Option<String>,
    /// How long to record, such as 10m. Left out: until interrupted.
    #[arg(long = "for", value_name = "DURATION")]
    duration: Option<common::Duration>,
    /// The file to write; standard output, else.
    #[arg(long, short, value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(flatten)]
    operator: OperatorArgs,
}

/// Records until the time is over, or until interrupted.
pub fn record(args: &RecordArgs) -> anyhow::Result<ExitCode> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(watch(args))
}

async fn watch(args: &RecordArgs) -> anyhow::Result<ExitCode> {
    let cluster = args.cluster.cluster().await?;
    let connector = timeout(DEADLINE, connector(args, &cluster)).await??;
    let mut out: Box<dyn Write> = match &args.file {
        Some(path) => {
            let file = File::create(path);
            Box::new(file.with_context(|| format!("cannot write {}", path.display()))?)
        }
        None => Box::new(io::stdout()),
    };
    let end = args.duration.map(|time| Instant::now() + time.as_std());
    let mut last = None;
    let mut count = 0_u64;
    while end.is_none_or(|end| Instant::now() < end) {
        let observation = newest(args, &cluster, &connector).await?;
        if last.is_none_or(|last: Timestamp| observation.at > last) {
            last = Some(observation.at);
            count += 1;
            writeln!(out, "{}", serde_json::to_string(&observation)?)?;
            out.flush()?;
        }
        tokio::select! {
            () = sleep(EVERY) => {}
            _ = tokio::signal::ctrl_c() => break,
        }
    }
    eprintln!("{count} looks at connector {connector}");
    Ok(ExitCode::SUCCESS)
}

/// The connector that is recorded.
async fn connector(args: &RecordArgs, cluster: &Cluster) -> anyhow::Result<String> {
    let pipeline = view::pipeline(cluster, &args.name).await?;
    let scaled = pipeline.spec.connectors.iter();
    let scaled: Vec<&str> = scaled
        .filter(|connector| connector.autoscaling.is_some())
        .map(|connector| connector.name.as_str())
        .collect();
    let names = scaled.join(", ");
    match (&args.connector, scaled.as_slice()) {
        (_, []) => bail!("no connector of {} has an autoscaling block", args.name),
        (Some(name), scaled) if scaled.contains(&name.as_str()) => Ok(name.clone()),
        (Some(name), _) => bail!("no connector {name} has an autoscaling block: choose of {names}"),
        (None, [name]) => Ok((*name).to_owned()),
        (None, _) => bail!("several connectors have an autoscaling block: choose of {names}"),
    }
}

async fn newest(
    args: &RecordArgs,
    cluster: &Cluster,
    connector: &str,
) -> anyhow::Result<Observation> {
    let live = view::live::<LiveView>(cluster, &args.operator, &args.name, "");
    let live = timeout(DEADLINE, live).await.map_err(|_| {
        let seconds = DEADLINE.as_secs();
        anyhow!("the operator did not answer within {seconds} s")
    })?;
    let mut live = live.context("cannot ask the operator, which alone can tell")?;
    let newest = live.connectors.remove(connector);
    let newest = newest.with_context(|| format!("the operator has not seen {connector} yet"))?;
    Ok(newest.observation)
}
