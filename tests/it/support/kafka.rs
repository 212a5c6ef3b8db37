//! Real Kafka brokers on loopback, one process each. Most tests share one broker and keep apart by
//! topic names; those that need other settings or stop it have one of their own. No broker outlives
//! the test process, however that ends.
#![expect(
    clippy::disallowed_methods,
    clippy::panic,
    reason = "a fixture: it uses clients and the clock directly, and a failure ends the test"
)]

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};
use sluice::kafka::read::{Isolation, OffsetSpec};
use sluice::kafka::write::NewTopic;
use sluice::kafka::{self, Client, Pool, PoolSettings};
use tempfile::TempDir;

/// The release that the tests run, as the cache's folder names it.
pub const VERSION: &str = "4.3.1";

/// For a starting JVM; a busy machine takes several times the usual three seconds.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// Ends the JVM on a line from the pipe, and removes its folder as well when the pipe closes
/// without one, which it does even after a SIGKILL of the test process. Ends by itself when the
/// JVM does, so that a broken broker is noticed. Arguments: the folder, then the JVM's.
const WATCHDOG: &str = r#"
exec 3<&0
java "$@" </dev/null 3<&- &
broker=$!
(
    read -r _ <&3 && keep=yes
    kill -9 $broker
    while kill -0 $broker; do sleep 0.05; done
    [ "$keep" ] || rm -rf "$0"
) >/dev/null 2>&1 &
wait $broker
"#;

/// The cluster id that the data folders are formatted with.
const FORMATTED_ID: &str = "c2x1aWNlLXRlc3Qta2Fma2E";

/// A running broker; dropping it kills it and removes its data.
pub struct Broker {
    dir: TempDir,
    ports: Ports,
    java: Vec<String>,
    process: Option<Child>,
}

/// Where a broker listens, all on loopback.
#[derive(Clone, Copy, Debug)]
pub struct Ports {
    /// For clients.
    pub clients: u16,
    /// Where the listener [`Ports::behind`] tells its clients to connect: nothing listens here
    /// until a test starts its proxy.
    pub proxied: u16,
    /// For the proxy's own connections.
    pub behind: u16,
    controller: u16,
}

/// The broker that tests share: topic auto-creation off, one broker, ordinary settings.
pub fn shared() -> &'static Broker {
    static SHARED: OnceLock<Broker> = OnceLock::new();
    SHARED.get_or_init(|| Broker::start(&[]))
}

impl Broker {
    /// Starts a broker with these settings beside or in place of the usual ones, and waits until
    /// it serves.
    pub fn start(settings: &[(&str, &str)]) -> Self {
        Self::start_with(settings, &[])
    }

    /// As [`Broker::start`], with options for Java. A setting whose key begins with `+` is put
    /// after the usual value and not in its place.
    pub fn start_with(settings: &[(&str, &str)], java: &[String]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let ports = Ports {
            clients: free_port(),
            proxied: free_port(),
            behind: free_port(),
            controller: free_port(),
        };
        let mut properties = usual_properties(dir.path(), ports);
        for (key, value) in settings {
            match key.strip_prefix('+') {
                Some(key) => properties = extended(&properties, key, value),
                None => writeln!(properties, "{key}={value}").unwrap(),
            }
        }
        fs::write(dir.path().join("server.properties"), properties).unwrap();
        let mut broker = Self {
            dir,
            ports,
            java: java.to_vec(),
            process: None,
        };
        broker.format();
        broker.restart();
        broker
    }

    /// `host:port` for clients.
    pub fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.ports.clients)
    }

    /// Where it listens.
    pub fn ports(&self) -> Ports {
        self.ports
    }

    /// A client of the product's own, with its usual settings.
    pub async fn client(&self) -> Client {
        let config = kafka::ClientConfig {
            bootstrap_servers: self.bootstrap(),
            ..kafka::ClientConfig::default()
        };
        Pool::new(PoolSettings::default())
            .client(&config)
            .await
            .unwrap()
    }

    /// Creates a topic with one replica and waits until it has leaders.
    pub async fn create_topic(&self, name: &str, partitions: i32) {
        let topic = NewTopic {
            name: name.to_owned(),
            partitions: Some(partitions),
            replication_factor: Some(1),
            ..NewTopic::default()
        };
        let client = self.client().await;
        let created = kafka::write::create_topics(&client, &[topic])
            .await
            .unwrap();
        created[name].clone().unwrap();
        let all = (0..partitions)
            .map(|number| (name.to_owned(), number))
            .collect::<Vec<_>>();
        super::eventually("leaders of a new topic", async || {
            let at = (OffsetSpec::Latest, Isolation::ReadUncommitted);
            let ends = kafka::read::offsets(&client, &all, at.0, at.1)
                .await
                .unwrap();
            ends.values().all(Result::is_ok).then_some(())
        })
        .await;
    }

    /// Kills the broker; its data and its port stay for [`Broker::restart`].
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.stdin.take().unwrap().write_all(b"end\n").unwrap();
            process.wait().unwrap();
        }
    }

    /// Starts the broker again after [`Broker::kill`] and waits until it serves.
    pub fn restart(&mut self) {
        let properties = self.dir.path().join("server.properties");
        self.process = Some(watched_java(
            self.dir.path(),
            "kafka.Kafka",
            &properties,
            &self.java,
        ));
        self.wait_until_serving();
    }

    fn wait_until_serving(&mut self) {
        let client = self.producer();
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            let ended = self.process.as_mut().unwrap().try_wait().unwrap();
            assert!(
                ended.is_none(),
                "Kafka ended while it started:\n{}",
                self.log_tail()
            );
            // Not the metadata's list of brokers alone: the port is open before the broker is
            // registered.
            let metadata = client
                .client()
                .fetch_metadata(None, Duration::from_millis(500));
            if metadata.is_ok_and(|metadata| !metadata.brokers().is_empty()) {
                return;
            }
            thread::sleep(Duration::from_millis(50));
        }
        panic!(
            "Kafka does not serve after {PATIENCE:?}:\n{}",
            self.log_tail()
        );
    }

    /// Writes the identity of a new cluster into the data folder. The files are made once a process,
    /// which saves a JVM's start each; the cluster's id in them is then this broker's own.
    fn format(&self) {
        static FORMATTED: OnceLock<Vec<(String, Vec<u8>)>> = OnceLock::new();
        let data = self.dir.path().join("data");
        let formatted = FORMATTED.get_or_init(|| {
            let done = Command::new("java")
                .args(["-XX:TieredStopAtLevel=1", "-cp", &class_path()])
                .args(["kafka.tools.StorageTool", "format", "--cluster-id"])
                .args([FORMATTED_ID, "--config"])
                .arg(self.dir.path().join("server.properties"))
                .output()
                .unwrap_or_else(|error| panic!("Java 17 or newer is not on the PATH: {error}"));
            let words = String::from_utf8_lossy(&done.stderr);
            assert!(
                done.status.success(),
                "Kafka's storage cannot be formatted: {words}"
            );
            let files = fs::read_dir(&data)
                .unwrap()
                .map(|file| file.unwrap().path());
            let content = |file: PathBuf| {
                let name = file.file_name().unwrap().to_string_lossy().into_owned();
                (name, fs::read(file).unwrap())
            };
            files.map(content).collect()
        });
        fs::create_dir_all(&data).unwrap();
        let own = format!("sluice-test-{:010}", self.ports.clients);
        for (name, content) in formatted {
            let content = match std::str::from_utf8(content) {
                Ok(text) => text.replace(FORMATTED_ID, &own).into_bytes(),
                Err(_) => content.clone(),
            };
            fs::write(data.join(name), content).unwrap();
        }
    }

    fn log_tail(&self) -> String {
        log_tail(self.dir.path())
    }

    fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.bootstrap());
        config
    }

    fn producer(&self) -> BaseProducer {
        self.config().create().unwrap()
    }

    /// Writes this many small records to a partition.
    pub fn produce(&self, topic: &str, partition: i32, count: usize) {
        send(
            &self.producer(),
            topic,
            partition,
            std::iter::repeat_n(None, count),
        );
    }

    /// Writes one record for each of these times, in milliseconds since 1970.
    pub fn produce_at(&self, topic: &str, partition: i32, times: &[i64]) {
        send(
            &self.producer(),
            topic,
            partition,
            times.iter().copied().map(Some),
        );
    }

    /// Writes records in a transaction that is left open; the caller ends it.
    pub fn open_transaction(&self, topic: &str, partition: i32, count: usize) -> BaseProducer {
        let mut config = self.config();
        let producer: BaseProducer = config.set("transactional.id", topic).create().unwrap();
        producer.init_transactions(Duration::from_secs(30)).unwrap();
        producer.begin_transaction().unwrap();
        send(
            &producer,
            topic,
            partition,
            std::iter::repeat_n(None, count),
        );
        producer
    }

    /// Commits offsets of `(topic, partition, offset)` for a group without members.
    pub fn commit(&self, group: &str, offsets: &[(&str, i32, i64)]) {
        let consumer: BaseConsumer = self.config().set("group.id", group).create().unwrap();
        let mut list = TopicPartitionList::new();
        for (topic, partition, offset) in offsets {
            list.add_partition_offset(topic, *partition, Offset::Offset(*offset))
                .unwrap();
        }
        consumer.commit(&list, CommitMode::Sync).unwrap();
    }

    /// A member of a group, in `classic` or `consumer` protocol, that has its partitions. It stays
    /// a member until it is dropped, for at most the session's 45 s without being polled.
    pub fn join(&self, group: &str, topic: &str, protocol: &str) -> BaseConsumer {
        let mut config = self.config();
        config
            .set("group.id", group)
            .set("group.protocol", protocol);
        let consumer: BaseConsumer = config.create().unwrap();
        consumer.subscribe(&[topic]).unwrap();
        let start = Instant::now();
        while consumer.assignment().unwrap().count() == 0 {
            assert!(
                start.elapsed() < PATIENCE,
                "{group} got no partition of {topic}"
            );
            consumer.poll(Duration::from_millis(100));
        }
        consumer
    }

    /// Denies everybody the topic and the group of this name, where the broker has an authorizer.
    pub fn deny(&self, name: &str) {
        tool(
            "org.apache.kafka.tools.AclCommand",
            &[
                "--bootstrap-server",
                &self.bootstrap(),
                "--add",
                "--deny-principal",
                "User:*",
                "--operation",
                "All",
                "--topic",
                name,
                "--group",
                name,
            ],
        );
    }

    /// Cuts a partition's log: records before this offset are gone.
    pub async fn delete_records(&self, topic: &str, partition: i32, before: i64) {
        let admin: AdminClient<DefaultClientContext> = self.config().create().unwrap();
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, partition, Offset::Offset(before))
            .unwrap();
        admin
            .delete_records(&list, &AdminOptions::new())
            .await
            .unwrap();
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Runs one of Kafka's command line tools to its end.
pub fn tool(class: &str, arguments: &[&str]) {
    let done = Command::new("java")
        .args(["-XX:TieredStopAtLevel=1", "-cp", &class_path(), class])
        .args(arguments)
        .output()
        .unwrap();
    let words = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{class}: {words}");
}

/// The properties with more at the end of this key's value.
fn extended(properties: &str, key: &str, more: &str) -> String {
    let line = |line: &str| {
        let own = line.split('=').next() == Some(key);
        format!("{line}{}\n", if own { more } else { "" })
    };
    properties.lines().map(line).collect()
}

/// A port of loopback that nothing listens on at the moment.
pub fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

fn send(
    producer: &BaseProducer,
    topic: &str,
    partition: i32,
    times: impl Iterator<Item = Option<i64>>,
) {
    for (number, time) in times.enumerate() {
        let value = number.to_string();
        let mut record = BaseRecord::<str, str>::to(topic)
            .partition(partition)
            .payload(&value);
        record.timestamp = time;
        producer.send(record).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(Duration::from_secs(30)).unwrap();
}

/// One of Kafka's programs with its properties, its output in the file `log` of the folder; killed
/// and the folder removed when this process ends.
pub fn watched_java(dir: &Path, class: &str, properties: &Path, java: &[String]) -> Child {
    let log = fs::File::create(dir.join("log")).unwrap();
    Command::new("sh")
        .args(["-c", WATCHDOG])
        .arg(dir)
        .args(["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"])
        .args(java)
        .args(["-cp", &class_path(), class])
        .arg(properties)
        .stdin(Stdio::piped())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap()
}

/// The last lines that a program of [`watched_java`] printed.
pub fn log_tail(dir: &Path) -> String {
    let log = fs::read(dir.join("log")).unwrap_or_default();
    let log = String::from_utf8_lossy(&log);
    let lines = log.lines().collect::<Vec<_>>();
    lines[lines.len().saturating_sub(40)..].join("\n")
}

fn class_path() -> String {
    let libs = super::cache().join("kafka").join(VERSION).join("libs");
    assert!(
        libs.join(format!("kafka_2.13-{VERSION}.jar")).exists(),
        "Kafka {VERSION} is missing in {}: `hack/parts` fetches it",
        libs.display()
    );
    format!("{}/*", libs.display())
}

fn usual_properties(dir: &Path, ports: Ports) -> String {
    let Ports {
        clients,
        proxied,
        behind,
        controller,
    } = ports;
    let data = dir.join("data").display().to_string();
    format!(
        "process.roles=broker,controller\n\
         node.id=1\n\
         controller.quorum.voters=1@127.0.0.1:{controller}\n\
         listeners=CLIENTS://127.0.0.1:{clients},PROXIED://127.0.0.1:{behind},\
         CONTROLLER://127.0.0.1:{controller}\n\
         advertised.listeners=CLIENTS://127.0.0.1:{clients},PROXIED://127.0.0.1:{proxied}\n\
         listener.security.protocol.map=CLIENTS:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT\n\
         controller.listener.names=CONTROLLER\n\
         inter.broker.listener.name=CLIENTS\n\
         log.dirs={data}\n\
         auto.create.topics.enable=false\n\
         offsets.topic.replication.factor=1\n\
         offsets.topic.num.partitions=1\n\
         transaction.state.log.replication.factor=1\n\
         transaction.state.log.min.isr=1\n\
         transaction.state.log.num.partitions=1\n\
         group.initial.rebalance.delay.ms=0\n"
    )
}
