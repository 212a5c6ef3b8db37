//! `sluice run`: the operator. One future for each long-running task, joined here; the first
//! signal ends them all, and passes under way are finished.

use std::{
    process::ExitCode,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use anyhow::Context as _;
use jiff::Timestamp;
use kube::runtime::{conditions, wait::await_condition};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::settings::RunArgs;
use crate::{
    apply::Sinks,
    connect,
    k8s::{self, events::Events},
    kafka::{Pool, PoolSettings},
    observe::Sources,
    reconcile::{Context, controller},
    report::Reporter,
    telemetry::{
        http::{self, Endpoint},
        live::Live,
        log,
        metrics::Metrics,
        version::{COMMIT, VERSION},
    },
};

/// How long the custom resource definition may take to be there.
const CRD_DEADLINE: Duration = Duration::from_secs(60);

/// Runs the operator until SIGTERM or SIGINT.
pub fn run(args: RunArgs) -> anyhow::Result<ExitCode> {
    log::start(args.log_format, &args.log_level).context("--log-level")?;
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(operate(args))
}

async fn operate(args: RunArgs) -> anyhow::Result<ExitCode> {
    info!(version = VERSION, commit = COMMIT, "starting");
    let client = k8s::client().await.context("no cluster")?;
    established(&client).await?;
    let stop = CancellationToken::new();
    let (metrics, live, ready) = (
        Metrics::default(),
        Live::default(),
        Arc::new(AtomicBool::new(false)),
    );
    let endpoint = Endpoint {
        metrics: metrics.clone(),
        live: live.clone(),
        settings: serde_json::to_value(args.settings())?,
        ready: Arc::clone(&ready),
    };
    let context = Arc::new(context(&args, &client, metrics, live)?);
    let serve = http::serve(args.http_address, endpoint, stop.clone());
    let control = controller::run(client, context, ready, stop.clone());
    let (served, (), signalled) = tokio::join!(
        // Without its endpoint the operator cannot be watched or probed: it ends.
        async { serve.await.inspect_err(|_| stop.cancel()) },
        control,
        stop_on_signal(stop.clone())
    );
    served.with_context(|| format!("cannot listen on {}", args.http_address))?;
    signalled?;
    info!("stopped");
    Ok(ExitCode::SUCCESS)
}

async fn established(client: &kube::Client) -> anyhow::Result<()> {
    const NAME: &str = "ingestionpipelines.sluice.dev";
    let crds = kube::Api::all(client.clone());
    tokio::time::timeout(
        CRD_DEADLINE,
        await_condition(crds, NAME, conditions::is_crd_established()),
    )
    .await
    .with_context(|| format!("{NAME} is not installed: install the chart, or apply `sluice crd`"))?
    .with_context(|| format!("cannot read the custom resource definition {NAME}"))?;
    Ok(())
}

fn context(
    args: &RunArgs,
    client: &kube::Client,
    metrics: Metrics,
    live: Live,
) -> anyhow::Result<Context> {
    let settings = args.settings();
    let connect = connect::Client::new()?;
    let sources = Sources {
        kube: client.clone(),
        kafka: Pool::new(PoolSettings::default()),
        connect: connect.clone(),
        operator_namespace: settings.operator_namespace.clone(),
    };
    let sinks = Sinks {
        kube: client.clone(),
        connect,
        metrics: metrics.clone(),
        operator_namespace: settings.operator_namespace.clone(),
    };
    let reporter = Reporter {
        kube: client.clone(),
        events: Events::new(client.clone(), args.pod_name.clone()),
        metrics,
        live,
        status_interval: settings.status_interval,
    };
    Ok(Context::new(sources, sinks, reporter, settings, now))
}

#[expect(clippy::disallowed_methods, reason = "the one clock of the operator")]
fn now() -> Timestamp {
    Timestamp::now()
}

async fn stop_on_signal(stop: CancellationToken) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = stop.cancelled() => {}
    }
    info!("stopping: passes under way are finished");
    stop.cancel();
    Ok(())
}
