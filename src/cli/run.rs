//! `sluice run`: the operator. One future for each long-running task, joined here; the first
//! signal ends them all, and passes under way are finished.

use std::{
    hash::{BuildHasher as _, RandomState},
    process::ExitCode,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use anyhow::Context as _;
use k8s_openapi::api::core::v1::ObjectReference;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    time::sleep,
};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::{now, settings::RunArgs, startup};
use crate::{
    apply::Sinks,
    connect,
    k8s::{
        self,
        events::{Events, Happening},
        lease::{Elector, Leadership},
    },
    kafka::{Pool, PoolSettings},
    observe::{Sources, credentials::Credentials},
    prometheus,
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

/// How long passes under way may take to finish once the operator is to stop.
const LAST_PASSES: Duration = Duration::from_secs(10);
/// How long calls that cannot be interrupted may delay the end of the process.
const LAST_CALLS: Duration = Duration::from_secs(1);

/// Runs the operator until SIGTERM or SIGINT, or until another one leads.
pub fn run(args: RunArgs) -> anyhow::Result<ExitCode> {
    log::start(args.log_format, &args.log_level).context("--log-level")?;
    let runtime = tokio::runtime::Runtime::new()?;
    let ended = runtime.block_on(operate(args));
    runtime.shutdown_timeout(LAST_CALLS);
    match ended {
        Ok(()) => info!("stopped"),
        Err(error) => {
            error!("{error:#}");
            return Ok(ExitCode::from(2));
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn operate(args: RunArgs) -> anyhow::Result<()> {
    info!(version = VERSION, commit = COMMIT, "starting");
    let elector = elector(&args).await?;
    let leadership = elector
        .as_ref()
        .map_or_else(Leadership::alone, Elector::leadership);
    let client = k8s::client(leadership.clone())
        .await
        .context("no cluster")?;
    let (metrics, live) = (Metrics::default(), Live::default());
    startup::served(&client, args.watch_namespaces()).await?;
    // A Role in a namespace cannot allow to read a definition.
    if args.watch_namespaces().is_empty() {
        startup::compare_definition(&client, &metrics).await;
    }
    let endpoint = Endpoint {
        metrics: metrics.clone(),
        live: live.clone(),
        settings: serde_json::to_value(args.settings())?,
        ready: Arc::default(),
        leads: Arc::default(),
    };
    let listener = TcpListener::bind(args.http_address)
        .await
        .with_context(|| format!("cannot listen on {}", args.http_address))?;
    let operator = Operator {
        context: Arc::new(context(&args, &client, leadership, metrics, live)?),
        client,
        namespaces: args.watch_namespaces().to_vec(),
        endpoint: endpoint.clone(),
        stop: CancellationToken::new(),
    };
    let stop = operator.stop.clone();
    let served = http::serve(listener, endpoint, stop.clone());
    // The first that fails ends the others where they are.
    tokio::try_join!(
        async { served.await.context("the HTTP endpoint") },
        operator.run(elector),
        stop_on_signal(stop)
    )?;
    Ok(())
}

/// This process's part in the election, over a client of its own: a queue of other calls never
/// delays a renewal.
async fn elector(args: &RunArgs) -> anyhow::Result<Option<Elector>> {
    // Seeded by the system at random.
    let unique = RandomState::new().hash_one(std::process::id());
    let name = args.pod_name.as_deref().unwrap_or("sluice");
    let Some(settings) = args.lease(format!("{name}_{unique:016x}"), now) else {
        return Ok(None);
    };
    let client = k8s::client(Leadership::alone())
        .await
        .context("no cluster")?;
    Ok(Some(Elector::new(client, settings)))
}

/// The operator proper: what it works on, and how it shows itself.
struct Operator {
    client: kube::Client,
    namespaces: Vec<String>,
    context: Arc<Context>,
    endpoint: Endpoint,
    stop: CancellationToken,
}

impl Operator {
    /// Works once it leads, until it is to stop.
    ///
    /// # Errors
    /// When leadership was lost: the process ends, so that nothing it remembers outlives that.
    async fn run(self, elector: Option<Elector>) -> anyhow::Result<()> {
        let Some(mut elector) = elector else {
            self.leads();
            self.work().await;
            return Ok(());
        };
        tokio::select! {
            () = self.stand_by(&mut elector) => {}
            () = self.stop.cancelled() => return Ok(()),
        }
        let metrics = &self.endpoint.metrics;
        metrics.leader_transitions(elector.transitions());
        let lease = elector.reference();
        let release = CancellationToken::new();
        let mut held = tokio::spawn(elector.hold(release.clone()));
        let work = async {
            info!("leading");
            self.leads();
            tokio::join!(
                self.work(),
                self.tell(&lease, "Acquire", "this operator leads")
            )
            .0
        };
        let finished = tokio::select! {
            lost = &mut held => return lost?.context("leadership lost"),
            finished = work => finished,
        };
        if finished {
            self.tell(&lease, "Release", "this operator stopped leading")
                .await;
            release.cancel();
            held.await??;
        }
        Ok(())
    }

    async fn stand_by(&self, elector: &mut Elector) {
        elector.reach().await;
        info!("standing by");
        self.endpoint.ready.store(true, Ordering::Relaxed);
        elector.acquire().await;
    }

    fn leads(&self) {
        self.endpoint.metrics.leads(true);
        self.endpoint.ready.store(false, Ordering::Relaxed);
        self.endpoint.leads.store(true, Ordering::Relaxed);
    }

    /// Says on the Lease what became of it.
    async fn tell(&self, lease: &ObjectReference, action: &str, note: &str) {
        let events = &self.context.reporter.events;
        let happening = Happening {
            warning: false,
            reason: "LeaderElection",
            action,
            note,
        };
        if let Err(error) = events.publish(lease, &happening).await {
            warn!(%error, "event not written");
        }
    }

    /// Works on pipelines until it is to stop. Whether every pass under way was finished: the lease
    /// of one that was not may only run out, since its last call may still be under way.
    async fn work(&self) -> bool {
        let control = controller::run(
            self.client.clone(),
            &self.namespaces,
            Arc::clone(&self.context),
            Arc::clone(&self.endpoint.ready),
            self.stop.clone(),
        );
        let overdue = async {
            self.stop.cancelled().await;
            sleep(LAST_PASSES).await;
        };
        tokio::select! {
            () = control => true,
            () = overdue => {
                warn!("passes under way are abandoned after {} s", LAST_PASSES.as_secs());
                false
            }
        }
    }
}

fn context(
    args: &RunArgs,
    client: &kube::Client,
    leadership: Leadership,
    metrics: Metrics,
    live: Live,
) -> anyhow::Result<Context> {
    let settings = args.settings();
    let connect = connect::Client::new()?;
    let sources = Sources {
        kube: client.clone(),
        kafka: Pool::new(PoolSettings::default()),
        credentials: Credentials::default(),
        connect: connect.clone(),
        prometheus: prometheus::Client::new()?,
        operator_namespace: settings.operator_namespace.clone(),
    };
    let sinks = Sinks {
        kube: client.clone(),
        connect,
        leadership,
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
