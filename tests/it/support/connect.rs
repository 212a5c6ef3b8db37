//! A real Kafka Connect worker on loopback, with the very properties that the operator gives to its
//! workers, and a server that answers what a test tells it to, for what a real worker cannot be
//! brought to say. Most tests share one worker and keep apart by names.
#![expect(
    clippy::disallowed_methods,
    reason = "a fixture: it uses clients and the clock directly"
)]

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::Child,
    sync::OnceLock,
    thread,
    time::{Duration, Instant},
};

use rdkafka::{
    Message, Offset, TopicPartitionList,
    config::ClientConfig,
    consumer::{BaseConsumer, Consumer},
};
use sluice::{
    api::{
        connectors::ConnectWorkers, kafka::Kafka, pipeline::IngestionPipelineSpec, pods::Volume,
    },
    connect::{Client, Endpoint},
    plan::{
        Identity, Known, Settings,
        connectors::{
            kafka_client,
            references::{Data, Reference},
            workers::{self, Request, WorkersStep, WorkersView},
        },
    },
};
use tempfile::TempDir;

use super::kafka::{self, Broker, PATIENCE, VERSION};

/// A running worker; dropping it kills it.
pub struct Worker {
    dir: TempDir,
    address: SocketAddr,
    process: Child,
}

/// Makes a worker log each request that it answers, and nothing else but errors.
#[allow(dead_code, reason = "the benchmarks use it")]
const REQUEST_LOG: &str = "
rootLogger.level = error
rootLogger.appenderRef.stdout.ref = stdout
appender.stdout.type = Console
appender.stdout.name = stdout
logger.requests.name = org.apache.kafka.connect.runtime.rest.RestServer
logger.requests.level = info
";

/// The worker that tests share, on the shared broker.
pub fn shared() -> &'static Worker {
    static SHARED: OnceLock<Worker> = OnceLock::new();
    SHARED.get_or_init(|| Worker::start(kafka::shared(), "shared"))
}

impl Worker {
    /// Starts the only worker of the pipeline `connect-tests/<name>` and waits until it is ready.
    pub fn start(broker: &Broker, name: &str) -> Self {
        let kafka = Kafka {
            bootstrap_servers: broker.bootstrap(),
            ..Kafka::default()
        };
        Self::start_with(&kafka, name, &[])
    }

    /// As [`Worker::start`], with whatever security the pipeline asks for; `files` are what its
    /// pods would find below `/etc/sluice/kafka`.
    pub fn start_with(kafka: &Kafka, name: &str, files: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let secrets = dir.path().join("secrets");
        fs::create_dir(&secrets).unwrap();
        for (name, content) in files {
            fs::write(secrets.join(name), content).unwrap();
        }
        let properties = rendered(kafka, name, dir.path())
            .replace(kafka_client::FOLDER, &secrets.display().to_string());
        let java: Vec<_> = kafka_client::java_options(kafka).into_iter().collect();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, kafka::free_port()));
        Self::run(dir, properties, address, &java)
    }

    /// Starts the only worker of a pipeline by the properties that an operator wrote for it, on
    /// this address of loopback, and waits until it is ready. It keeps a log of its requests.
    #[allow(dead_code, reason = "the benchmarks use it")]
    pub fn start_as_written(properties: &str, broker: &Broker, address: SocketAddr) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let properties = format!("{properties}\nbootstrap.servers={}\n", broker.bootstrap());
        let log = dir.path().join("log4j2.properties");
        fs::write(&log, REQUEST_LOG).unwrap();
        let java = format!("-Dlog4j2.configurationFile={}", log.display());
        Self::run(dir, properties, address, &[java])
    }

    /// The last value of a property counts.
    fn run(dir: TempDir, mut properties: String, address: SocketAddr, java: &[String]) -> Self {
        for (key, value) in [
            ("listeners", format!("http://{address}")),
            ("rest.advertised.host.name", address.ip().to_string()),
            ("rest.advertised.port", address.port().to_string()),
            ("plugin.path", plugins()),
        ] {
            writeln!(properties, "{key}={value}").unwrap();
        }
        let file = dir.path().join("worker.properties");
        fs::write(&file, properties).unwrap();
        let class = "org.apache.kafka.connect.cli.ConnectDistributed";
        let process = kafka::watched_java(dir.path(), class, &file, java);
        let mut worker = Self {
            dir,
            address,
            process,
        };
        worker.wait_until_ready();
        worker
    }

    /// The worker's REST interface.
    pub fn endpoint(&self) -> Endpoint {
        let base = format!("http://{}", self.address);
        Client::new().unwrap().endpoint(&base).unwrap()
    }

    /// The methods of all requests so far, oldest first; for [`Worker::start_as_written`].
    #[allow(dead_code, reason = "the benchmarks use it")]
    pub fn requests(&self) -> Vec<String> {
        let log = fs::read_to_string(self.dir.path().join("log")).unwrap();
        // As web servers log: `127.0.0.1 - - [...] "GET /connectors HTTP/1.1" 200 ...`.
        let request = |line: &str| {
            let quoted = line.split('"').nth(1)?;
            let method = quoted
                .split(' ')
                .next()
                .filter(|_| quoted.contains(" HTTP/"));
            method.map(ToOwned::to_owned)
        };
        log.lines().filter_map(request).collect()
    }

    /// A folder that connectors may read secrets from, and that is removed with the worker.
    pub fn folder(&self) -> &Path {
        self.dir.path()
    }

    fn wait_until_ready(&mut self) {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            let ended = self.process.try_wait().unwrap();
            let log = || kafka::log_tail(self.dir.path());
            assert!(
                ended.is_none(),
                "the worker ended while it started:\n{}",
                log()
            );
            if healthy(self.address) {
                return;
            }
            thread::sleep(Duration::from_millis(100));
        }
        let log = kafka::log_tail(self.dir.path());
        panic!("the worker is not ready after {PATIENCE:?}:\n{log}");
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if let Some(mut pipe) = self.process.stdin.take() {
            // It may have ended already.
            let _ = pipe.write_all(b"end\n");
        }
        let _ = self.process.wait();
    }
}

/// Whether the probe that makes a worker's pod ready succeeds.
fn healthy(address: SocketAddr) -> bool {
    let ask = || {
        let mut connection = TcpStream::connect(address)?;
        connection.set_read_timeout(Some(Duration::from_secs(5)))?;
        connection.write_all(b"GET /health HTTP/1.0\r\n\r\n")?;
        let mut answer = [0; 12];
        connection.read_exact(&mut answer)?;
        Ok::<_, std::io::Error>(answer.ends_with(b" 200"))
    };
    ask().unwrap_or(false)
}

fn plugins() -> String {
    let plugins = super::cache().join("kafka").join(VERSION).join("plugins");
    let jar = plugins.join(format!("connect-file/connect-file-{VERSION}.jar"));
    assert!(
        jar.exists(),
        "Kafka's file connectors are missing in {}: `hack/parts` fetches them",
        plugins.display()
    );
    plugins.display().to_string()
}

/// The properties as the operator renders them into the `ConfigMap` of a pipeline's workers.
fn rendered(kafka: &Kafka, name: &str, volume: &Path) -> String {
    let pipeline = Identity {
        namespace: "connect-tests",
        name,
        uid: "u-1",
    };
    let workers = ConnectWorkers {
        volumes: vec![Volume {
            name: "folder".to_owned(),
            mount_path: volume.display().to_string(),
            ..Volume::default()
        }],
        ..ConnectWorkers::default()
    };
    let spec = IngestionPipelineSpec {
        kafka: kafka.clone(),
        ..IngestionPipelineSpec::default()
    };
    let settings = Settings {
        connect_image: "none".to_owned(),
        cluster_name: None,
        operator_namespace: "none".to_owned(),
        deletion_deadline: Duration::ZERO,
        status_interval: Duration::ZERO,
        prometheus_servers: Vec::new(),
    };
    let request = Request {
        spec: &spec,
        workers: &workers,
        pipeline,
        settings: &settings,
    };
    let plan = workers::workers(&request, &nothing(kafka));
    let config_map = plan.steps.into_iter().find_map(|step| match step {
        WorkersStep::ConfigMap(config_map) => config_map.data,
        _ => None,
    });
    config_map.unwrap().into_values().next().unwrap()
}

/// Nothing but the Secrets that are referred to.
fn nothing(kafka: &Kafka) -> WorkersView {
    let mut data = Data::new();
    for Reference { source, key, .. } in kafka_client::references(kafka) {
        let keys = data.entry(source).or_insert_with(|| Some(BTreeMap::new()));
        keys.as_mut()
            .unwrap()
            .extend(key.map(|key| (key, "digest".to_owned())));
    }
    WorkersView {
        deployment: Known::Value(None),
        service: Known::Value(None),
        config_map: Known::Value(None),
        network_policy: Known::Value(None),
        references: Known::Value(data),
        pods: Known::Value(Vec::new()),
        brokers: Known::Value(1),
        unfit: None,
    }
}

/// The values of the first `count` records of a topic's partition 0, as text.
pub fn records(topic: &str, count: usize) -> Vec<String> {
    records_of(kafka::shared(), topic, count)
}

/// As [`records`], of another broker.
pub fn records_of(broker: &Broker, topic: &str, count: usize) -> Vec<String> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", broker.bootstrap());
    let consumer: BaseConsumer = config.set("group.id", "reader").create().unwrap();
    let mut from = TopicPartitionList::new();
    from.add_partition_offset(topic, 0, Offset::Beginning)
        .unwrap();
    consumer.assign(&from).unwrap();
    let start = Instant::now();
    let mut values = Vec::new();
    while values.len() < count {
        let missing = count - values.len();
        assert!(
            start.elapsed() < PATIENCE,
            "{missing} records of {topic} never came"
        );
        if let Some(Ok(record)) = consumer.poll(Duration::from_millis(200)) {
            values.push(String::from_utf8_lossy(record.payload().unwrap_or_default()).into_owned());
        }
    }
    values
}

/// A client of a [`raw_server`] that gives this answer.
pub fn answering(answer: impl Into<Vec<u8>>) -> Endpoint {
    let client = Client::with_deadline(Duration::from_secs(1)).unwrap();
    client
        .endpoint(&format!("http://127.0.0.1:{}", raw_server(answer)))
        .unwrap()
}

/// A server on loopback that gives this answer, as raw HTTP, to whatever it is asked; no answer at
/// all where it is empty. Its port; it ends with the process.
pub fn raw_server(answer: impl Into<Vec<u8>>) -> u16 {
    let (listener, answer) = (TcpListener::bind("127.0.0.1:0").unwrap(), answer.into());
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        let mut silent = Vec::new();
        for mut connection in listener.incoming().map_while(Result::ok) {
            // A client that has heard enough hangs up: nothing to do about it here.
            let _ = connection.read(&mut [0; 16 << 10]);
            if answer.is_empty() {
                silent.push(connection);
            } else {
                let _ = connection.write_all(&answer);
            }
        }
    });
    port
}
