//! The settings every Kafka client of the demo shares. Nothing here opens a connection.

use std::sync::atomic::{AtomicU64, Ordering};

use clap::Args;
use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::producer::{DeliveryResult, ProducerContext};

/// Where Kafka is, and who asks: the container contract's variables.
#[derive(Args, Clone)]
pub struct Kafka {
    /// Brokers to start from, `host:port`, separated by commas.
    #[arg(long, env = "KAFKA_BOOTSTRAP_SERVERS")]
    bootstrap_servers: String,
    #[arg(long, env = "KAFKA_SECURITY_PROTOCOL", default_value = "PLAINTEXT")]
    security_protocol: String,
    #[arg(long, env = "KAFKA_SSL_CA_FILE")]
    ssl_ca_file: Option<String>,
    #[arg(long, env = "KAFKA_SSL_CERT_FILE")]
    ssl_cert_file: Option<String>,
    #[arg(long, env = "KAFKA_SSL_KEY_FILE")]
    ssl_key_file: Option<String>,
    /// `PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512`.
    #[arg(long, env = "KAFKA_SASL_MECHANISM")]
    sasl_mechanism: Option<String>,
    #[arg(long, env = "KAFKA_SASL_USERNAME_FILE")]
    sasl_username_file: Option<String>,
    #[arg(long, env = "KAFKA_SASL_PASSWORD_FILE")]
    sasl_password_file: Option<String>,
}

impl Kafka {
    /// A client that says its name to the broker and never creates a topic by asking for it.
    pub fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.bootstrap_servers)
            .set("client.id", "sluice-demo")
            .set("allow.auto.create.topics", "false")
            .set("topic.metadata.refresh.interval.ms", "10000")
            .set("security.protocol", &self.security_protocol);
        for (key, value) in [
            ("ssl.ca.location", &self.ssl_ca_file),
            ("ssl.certificate.location", &self.ssl_cert_file),
            ("ssl.key.location", &self.ssl_key_file),
            ("sasl.mechanism", &self.sasl_mechanism),
        ] {
            if let Some(value) = value {
                config.set(key, value);
            }
        }
        for (key, file) in [
            ("sasl.username", &self.sasl_username_file),
            ("sasl.password", &self.sasl_password_file),
        ] {
            if let Some(file) = file {
                // Without it the login fails, which says as much.
                config.set(key, std::fs::read_to_string(file).unwrap_or_default());
            }
        }
        config
    }

    /// A producer whose retries neither lose, repeat nor reorder a record.
    pub fn idempotent_producer(&self) -> ClientConfig {
        let mut config = self.client();
        config
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("linger.ms", "5");
        config
    }
}

/// Counts what the broker acknowledged and what it did not.
#[derive(Default)]
pub struct Deliveries {
    acknowledged: AtomicU64,
    failed: AtomicU64,
}

impl Deliveries {
    /// Records that every in-sync replica has.
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// Records given up on: they may or may not be in the topic.
    pub fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }
}

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let counter = if result.is_ok() {
            &self.acknowledged
        } else {
            &self.failed
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}
