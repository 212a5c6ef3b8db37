//! The operator as it is released, and what stands in for the rest of a cluster.

use std::{
    collections::BTreeSet,
    process::Command,
    time::{Duration, Instant},
};

use futures::StreamExt;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client, ResourceExt,
    api::{Patch, PatchParams},
    runtime::{WatchStreamExt, watcher},
};
use serde_json::json;
use sluice::api::IngestionPipeline;
use tokio::{
    task::JoinHandle,
    time::{sleep, timeout},
};

use crate::support::{
    apiserver::{Apiserver, OPERATORS},
    operator::condition,
    process::Process,
};

/// In whose name the operator comes, so that the audit log tells it from everybody else.
pub const USER: &str = OPERATORS[0];

/// The binary that was built for release.
fn binary() -> String {
    std::env::var("SLUICE_BENCH_BINARY").expect("run hack/bench, which builds the operator")
}

/// Version and commit of the binary.
pub fn build() -> String {
    let said = Command::new(binary()).arg("--version").output().unwrap();
    String::from_utf8(said.stdout).unwrap().trim().to_owned()
}

/// Starts the operator for all namespaces, with the chart's usual leader election, and waits until
/// it leads. `hosts` is a file that it sees as its `/etc/hosts`: nobody answers for the names of
/// Services here.
pub async fn start(server: &Apiserver, hosts: Option<&str>) -> Process {
    let mut program = Command::new(binary());
    if let Some(hosts) = hosts {
        program = Command::new("unshare");
        program.args(["--mount", "--map-root-user", "sh", "-c"]);
        program.arg("mount --bind \"$0\" /etc/hosts && exec \"$@\"");
        program.args([hosts, &binary()]);
    }
    let flags = ["--leader-election", "--operator-namespace=default"];
    let process = Process::start_with(program, server, USER, &flags);
    process.until_leading().await;
    process
}

/// Says of each pod of the operator's that it runs and is ready, as a node would: there is none.
/// Ends with the runtime.
pub fn stand_in_for_nodes(client: Client) -> JoinHandle<()> {
    let config = watcher::Config::default().labels("app.kubernetes.io/managed-by=sluice");
    let pods = watcher(Api::<Pod>::all(client.clone()), config).applied_objects();
    tokio::spawn(pods.for_each_concurrent(8, move |pod| {
        let client = client.clone();
        async move {
            // A watch that broke goes on by itself.
            let Ok(pod) = pod else { return };
            if pod
                .status
                .as_ref()
                .is_some_and(|s| s.phase.as_deref() == Some("Pending"))
            {
                run(client, &pod).await;
            }
        }
    }))
}

async fn run(client: Client, pod: &Pod) {
    let ready = json!({
        "type": "Ready", "status": "True", "lastTransitionTime": Timestamp::now(),
    });
    let patch = Patch::Merge(json!({"status": {"phase": "Running", "conditions": [ready]}}));
    let api = Api::<Pod>::namespaced(client, &pod.namespace().unwrap());
    // One that is deleted meanwhile needs no word.
    let _ = api
        .patch_status(&pod.name_any(), &PatchParams::default(), &patch)
        .await;
}

/// Waits until this many pipelines are ready, for at most `patience`; how long it took from
/// `start`.
pub async fn until_ready(
    client: &Client,
    process: &Process,
    count: usize,
    start: Instant,
    patience: Duration,
) -> Duration {
    let api = Api::<IngestionPipeline>::all(client.clone());
    let watch = watcher(api, watcher::Config::default()).applied_objects();
    let (mut ready, mut others) = (BTreeSet::new(), BTreeSet::new());
    let all_ready = async {
        let mut watch = std::pin::pin!(watch);
        while let Some(event) = watch.next().await {
            let Ok(pipeline) = event else { continue };
            let name = (pipeline.namespace(), pipeline.name_any());
            let current = is_ready(&pipeline);
            let (to, from) = if current {
                (&mut ready, &mut others)
            } else {
                (&mut others, &mut ready)
            };
            from.remove(&name);
            to.insert(name);
            if ready.len() >= count {
                return;
            }
        }
    };
    let in_time = timeout(patience, all_ready).await.is_ok();
    let took = start.elapsed();
    assert!(
        in_time,
        "{} of {count} pipelines are not ready after {patience:?}: {others:?}\n{}",
        others.len(),
        process.log()
    );
    took
}

/// Whether a pipeline is ready as it is declared now, and its consumers were measured.
fn is_ready(pipeline: &IngestionPipeline) -> bool {
    let Some(status) = &pipeline.status else {
        return false;
    };
    let measured = pipeline.spec.connectors.iter().all(|connector| {
        let lag = status
            .connectors
            .iter()
            .find(|c| c.name == connector.name)
            .and_then(|c| c.lag);
        connector.consumes.is_none() || lag.is_some()
    });
    Some(status.observed_generation) == pipeline.metadata.generation
        && condition(status, "Ready").0 == "True"
        && measured
}

/// Waits until numbers that were measured while pipelines started are written: they are due at
/// most every 30 s.
pub async fn settle() {
    sleep(Duration::from_secs(35)).await;
}
