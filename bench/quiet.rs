//! How much is written while nothing changes: counted where the writes arrive, by the apiserver's
//! audit log, a proxy in front of Kafka, and the Connect worker's log of requests.

use std::{
    fs,
    net::SocketAddr,
    path::Path,
    time::{Duration, Instant},
};

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, Client};
use serde_json::{Value, json};
use sluice::plan::connectors::workers::REST_PORT;
use tokio::time::sleep;

use crate::{
    figure::Figure,
    operator::{self, USER},
    pipelines::{self, Pipeline},
    support::{apiserver::Apiserver, connect::Worker, eventually, kafka::Broker, proxy::Proxy},
};

/// How many pipelines.
const PIPELINES: usize = 50;
/// For how long is counted.
const WINDOW: Duration = Duration::from_secs(120);
/// The address of loopback that the worker has to itself, since its port is always the same.
const WORKER: [u8; 4] = [127, 0, 83, 1];
/// The pipeline whose connectors run in that worker.
const LINES: &str = "lines";

/// Requests to Kafka that change nothing, by the protocol's numbers: `Fetch`, `ListOffsets`,
/// `Metadata`, `OffsetFetch`, `FindCoordinator`, `DescribeGroups`, `ListGroups`, `SaslHandshake`,
/// `ApiVersions`, `DescribeAcls`, `DescribeConfigs`, `SaslAuthenticate`, `DescribeCluster`,
/// `ConsumerGroupDescribe`, `DescribeTopicPartitions`. Whatever is not among them counts as a write.
const READS: [i16; 15] = [1, 2, 3, 9, 10, 15, 16, 17, 18, 29, 32, 36, 60, 69, 75];

/// Counts writes in two minutes with 50 settled pipelines.
pub fn measure() -> Vec<Figure> {
    let (server, broker) = (Apiserver::start(), Broker::start(&[]));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(quiet(&server, &broker))
}

async fn quiet(server: &Apiserver, broker: &Broker) -> Vec<Figure> {
    let (client, namespace) = (server.client(), server.namespace().await);
    let folder = tempfile::tempdir().unwrap();
    let ports = broker.ports();
    let proxy = Proxy::start(ports.proxied, ports.behind);
    let kafka = json!({"bootstrapServers": format!("127.0.0.1:{}", ports.proxied)});
    let mut asked: Vec<_> = (1..PIPELINES)
        .map(|n| pipelines::of_mix(n, &namespace, &kafka))
        .collect();
    asked.push(in_connect(&namespace, &kafka, folder.path()));

    let process = operator::start(server, Some(&hosts(folder.path(), &namespace))).await;
    operator::stand_in_for_nodes(client.clone());
    let start = Instant::now();
    pipelines::apply(&client, &asked).await;
    let worker = worker(&client, &namespace, broker).await;
    operator::until_ready(
        &client,
        &process,
        PIPELINES,
        start,
        Duration::from_secs(120),
    )
    .await;
    commit(broker, &asked);
    operator::settle().await;

    let mut counters = Counters {
        server,
        proxy: &proxy,
        worker: &worker,
        audited: 0,
        logged: 0,
    };
    let setup = counters.take();
    sleep(WINDOW).await;
    let window = counters.take();
    figures(&setup, &window)
}

/// A pipeline from a file through a topic into another file, in a Connect worker.
fn in_connect(namespace: &str, kafka: &Value, folder: &Path) -> Pipeline {
    let (from, to) = (folder.join("from"), folder.join("to"));
    fs::write(&from, "one\ntwo\n").unwrap();
    let spec = json!({
        "kafka": kafka,
        "topics": [{"name": LINES, "partitions": 1}],
        "connect": {"workers": 1},
        "connectors": [
            {"name": "read", "role": "Source", "connect": {
                "class": "FileStreamSource", "config": {"file": from, "topic": LINES},
            }},
            {"name": "write", "role": "Sink", "consumes": {"topics": [LINES]}, "connect": {
                "class": "FileStreamSink", "config": {"file": to},
            }},
        ],
    });
    Pipeline {
        namespace: namespace.to_owned(),
        name: LINES.to_owned(),
        spec,
    }
}

/// A file like `/etc/hosts` that leads the name of the workers' Service to the worker.
fn hosts(folder: &Path, namespace: &str) -> String {
    let path = folder.join("hosts");
    let address = WORKER.map(|part| part.to_string()).join(".");
    let service = format!("{LINES}-connect.{namespace}.svc");
    fs::write(&path, format!("127.0.0.1 localhost\n{address} {service}\n")).unwrap();
    path.display().to_string()
}

/// Starts the worker as the operator declared it.
async fn worker(client: &Client, namespace: &str, broker: &Broker) -> Worker {
    let api = Api::<ConfigMap>::namespaced(client.clone(), namespace);
    let name = format!("{LINES}-connect");
    let properties = eventually("the properties of the worker are written", async || {
        api.get_opt(&name)
            .await
            .unwrap()?
            .data?
            .into_values()
            .next()
    })
    .await;
    let address = SocketAddr::from((WORKER, REST_PORT.try_into().unwrap()));
    tokio::task::block_in_place(|| Worker::start_as_written(&properties, broker, address))
}

/// Commits what the groups of the mix have read, as consumers do.
fn commit(broker: &Broker, pipelines: &[Pipeline]) {
    let groups = pipelines.iter().filter_map(|pipeline| {
        let group = pipeline.spec.pointer("/connectors/0/consumes/group")?;
        group.as_str()
    });
    for group in groups {
        broker.commit(group, &[(group, 0, 0), (group, 1, 0), (group, 2, 0)]);
    }
}

/// What arrived at one place.
#[derive(Clone, Copy, Debug, Default)]
struct Arrived {
    reads: usize,
    writes: usize,
}

impl Arrived {
    fn add(&mut self, reads: bool, count: usize) {
        *if reads {
            &mut self.reads
        } else {
            &mut self.writes
        } += count;
    }
}

/// What arrived everywhere.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    apiserver: Arrived,
    lease: Arrived,
    kafka: Arrived,
    connect: Arrived,
}

/// The three places, and how much of their logs was counted already.
struct Counters<'a> {
    server: &'a Apiserver,
    proxy: &'a Proxy,
    worker: &'a Worker,
    audited: usize,
    logged: usize,
}

impl Counters<'_> {
    /// What arrived since the last time.
    fn take(&mut self) -> Count {
        let mut count = Count::default();
        let audit = self.server.audit(USER);
        for entry in &audit[self.audited..] {
            let verb = entry["verb"].as_str().unwrap();
            let lease = entry["objectRef"]["resource"] == "leases";
            let place = if lease {
                &mut count.lease
            } else {
                &mut count.apiserver
            };
            place.add(["get", "list", "watch"].contains(&verb), 1);
        }
        for (kind, requests) in self.proxy.take_counts() {
            count.kafka.add(READS.contains(&kind), requests);
        }
        let requests = self.worker.requests();
        for method in &requests[self.logged..] {
            count.connect.add(method == "GET", 1);
        }
        (self.audited, self.logged) = (audit.len(), requests.len());
        count
    }
}

fn figures(setup: &Count, window: &Count) -> Vec<Figure> {
    let renewals = window.lease.writes;
    assert!(
        renewals > 0,
        "the lease was not renewed: the audit log is not what it seems"
    );
    let places = [
        ("the Kubernetes API", setup.apiserver, window.apiserver),
        ("Kafka", setup.kafka, window.kafka),
        ("Kafka Connect", setup.connect, window.connect),
    ];
    let figure = |(place, setup, window): (&str, Arrived, Arrived)| {
        // What counts nothing must not pass for quiet.
        assert!(
            setup.writes > 0 && window.reads > 0,
            "{place}: {setup:?}, then {window:?}"
        );
        let details = json!({
            "readsMeanwhile": window.reads,
            "writesWhileItStarted": setup.writes,
            "leaseRenewals": renewals,
            "pipelines": format!("{}; one more with a source and a sink in Kafka Connect", pipelines::MIX),
        });
        let what = format!("writes to {place} in 2 minutes, {PIPELINES} settled pipelines");
        #[expect(clippy::cast_precision_loss, reason = "a small count")]
        Figure::new(what, window.writes as f64, "", details).at_most(0.0)
    };
    places.map(figure).into()
}
