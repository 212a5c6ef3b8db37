//! `sluice top`: the live view of one pipeline. Values come from the operator's endpoint through
//! the API server's service proxy, with the user's own credentials; where that fails, from status,
//! marked with its age.

use std::{
    fmt::Write as _,
    io::{IsTerminal, Write},
    process::ExitCode,
    time::Duration,
};

use anyhow::anyhow;
use clap::Args;
use jiff::Timestamp;

use super::{
    cluster::{Cluster, ClusterArgs, OperatorArgs},
    now,
    view::{self, LiveView},
};
use crate::api::{IngestionPipelineStatus, connectors::ConnectorStatus};

/// How long one question to the cluster may take.
const DEADLINE: Duration = Duration::from_secs(10);

/// Flags of `sluice top`.
#[derive(Debug, Args)]
pub struct TopArgs {
    /// The pipeline.
    name: String,
    /// Print once and end.
    #[arg(long)]
    once: bool,
    /// Seconds between two looks.
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = clap::value_parser!(u64).range(1..=3600))]
    interval: u64,
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(flatten)]
    operator: OperatorArgs,
}

/// What is shown, and where it comes from.
struct View {
    at: Timestamp,
    status: IngestionPipelineStatus,
    /// Age of the numbers where they are not live.
    stale: Option<jiff::SignedDuration>,
}

/// Shows the pipeline until interrupted, or once.
pub fn top(args: &TopArgs) -> anyhow::Result<ExitCode> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(watch(args))
}

async fn watch(args: &TopArgs) -> anyhow::Result<ExitCode> {
    let cluster = args.cluster.cluster().await?;
    let mut out = std::io::stdout();
    let terminal = out.is_terminal();
    loop {
        let view = tokio::time::timeout(DEADLINE, view(args, &cluster))
            .await
            .map_err(|_| anyhow!("the cluster did not answer within {} s", DEADLINE.as_secs()))
            .flatten();
        let text = match (&view, args.once) {
            (Err(_), true) => return view.map(|_| ExitCode::SUCCESS),
            (Err(error), false) => format!("{error:#}\n"),
            (Ok(view), _) if terminal && !args.once => table(args, &cluster.namespace, view),
            (Ok(view), _) => lines(view),
        };
        if terminal && !args.once {
            out.write_all(b"\x1b[H\x1b[2J")?;
        }
        out.write_all(text.as_bytes())?;
        out.flush()?;
        if args.once {
            return Ok(ExitCode::SUCCESS);
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(args.interval)) => {}
            _ = tokio::signal::ctrl_c() => return Ok(ExitCode::SUCCESS),
        }
    }
}

async fn view(args: &TopArgs, cluster: &Cluster) -> anyhow::Result<View> {
    let live: anyhow::Result<LiveView> = view::live(cluster, &args.operator, &args.name, "").await;
    if let Ok(live) = live {
        return Ok(View {
            at: live.at,
            status: live.status,
            stale: None,
        });
    }
    let pipeline = view::pipeline(cluster, &args.name).await?;
    let at = now();
    Ok(View {
        at,
        stale: Some(view::age(&pipeline, at)),
        status: pipeline.status.unwrap_or_default(),
    })
}

/// A redrawn table for a terminal.
fn table(args: &TopArgs, namespace: &str, view: &View) -> String {
    let mut text = format!(
        "{namespace}/{}  {}{}\n\n{:<16} {:>10} {:>8} {:>10} {:>10} {:>9}  {}\n",
        args.name,
        clock(view.at),
        stale(view),
        "CONNECTOR",
        "LAG",
        "BEHIND",
        "ARRIVE/S",
        "PROCESS/S",
        "REPLICAS",
        "LAST DECISION"
    );
    for connector in &view.status.connectors {
        let decision = decision(connector);
        let _ = writeln!(
            text,
            "{:<16} {:>10} {:>8} {:>10} {:>10} {:>9}  {decision}",
            connector.name,
            number(connector.lag),
            seconds(connector.time_lag_seconds),
            rate(connector.arrival_rate),
            rate(connector.consume_rate),
            replicas(connector),
        );
    }
    for condition in &view.status.conditions {
        if condition.status == "False" {
            let line = format!(
                "\n{}: {} {}",
                condition.type_, condition.reason, condition.message
            );
            text.push_str(&line);
        }
    }
    text.push('\n');
    text
}

/// One plain line a connector.
fn lines(view: &View) -> String {
    let line = |connector: &ConnectorStatus| {
        format!(
            "{}{} {} lag={} behind={} arrive={}/s process={}/s replicas={} {}\n",
            clock(view.at),
            stale(view),
            connector.name,
            number(connector.lag),
            seconds(connector.time_lag_seconds),
            rate(connector.arrival_rate),
            rate(connector.consume_rate),
            replicas(connector),
            decision(connector),
        )
    };
    view.status.connectors.iter().map(line).collect()
}

fn clock(at: Timestamp) -> String {
    at.strftime("%H:%M:%S").to_string()
}

fn stale(view: &View) -> String {
    view.stale.map_or_else(String::new, |age| {
        format!(" (status, {} s old)", age.as_secs())
    })
}

fn number(value: Option<i64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

fn seconds(value: Option<i64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value}s"))
}

fn rate(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.0}"))
}

/// `ready/wanted`.
fn replicas(connector: &ConnectorStatus) -> String {
    let part = |value: Option<i32>| value.map_or_else(|| "-".to_owned(), |v| v.to_string());
    format!(
        "{}/{}",
        part(connector.ready_replicas),
        part(connector.desired_replicas)
    )
}

fn decision(connector: &ConnectorStatus) -> String {
    match connector.decisions.first() {
        Some(decision) if decision.from != decision.to => {
            format!("{} -> {}: {}", decision.from, decision.to, decision.why)
        }
        Some(decision) => format!("hold {}: {}", decision.to, decision.why),
        None => standing(connector),
    }
}

/// How a connector without decisions stands.
fn standing(connector: &ConnectorStatus) -> String {
    if !connector.message.is_empty() {
        return connector.message.clone();
    }
    let tasks = connector.tasks.map_or_else(String::new, |tasks| {
        let all = tasks.running + tasks.failed + tasks.unassigned;
        format!(", {} of {all} tasks running", tasks.running)
    });
    format!("{:?}{tasks}", connector.phase)
}
