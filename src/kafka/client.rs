//! One connection to one Kafka cluster under one identity: its settings, its log, and the way a
//! blocking call runs off the async threads and ends as an [`Error`]. It knows no call by name.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rdkafka::client::{Client as Native, DefaultClientContext};
use rdkafka::config::{ClientConfig as NativeConfig, RDKafkaLogLevel};
use rdkafka_sys::rd_kafka_type_t::RD_KAFKA_CONSUMER;
use tokio::time::Instant;
use tracing::{debug, warn};

use super::Error;
use super::admin_ffi::{self, Call, Notice, Outcome};
use super::error;

/// Where a cluster is and who asks. Equal values share a client.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientConfig {
    /// `host:port` of one broker or several, separated by commas.
    pub bootstrap_servers: String,
}

/// What all calls on one connection share.
struct Handle {
    /// `None` only while it is dropped.
    native: Option<Native<DefaultClientContext>>,
    config: ClientConfig,
    link: Mutex<Link>,
    last_use: Mutex<Instant>,
}

/// How the connection has been since the last answer.
#[derive(Default)]
struct Link {
    /// The last connection error.
    broken: Option<i32>,
    /// A warning of librdkafka's was logged already.
    warned: bool,
}

/// A handle on a Kafka cluster: cheap to clone, all clones share one connection.
#[derive(Clone)]
pub struct Client {
    handle: Arc<Handle>,
    deadline: Duration,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("config", &self.handle.config)
            .field("deadline", &self.deadline)
            .finish()
    }
}

impl Client {
    /// Makes the client; nothing is connected before the first call.
    pub(super) fn new(config: ClientConfig, deadline: Duration) -> Result<Self, Error> {
        let settings = settings(&config);
        let native = settings
            .create_native_config()
            .and_then(|native| {
                Native::new(&settings, native, RD_KAFKA_CONSUMER, DefaultClientContext)
            })
            .map_err(|source| Error::Settings {
                servers: config.bootstrap_servers.clone(),
                source,
            })?;
        let handle = Handle {
            native: Some(native),
            config,
            link: Mutex::default(),
            last_use: Mutex::new(Instant::now()),
        };
        Ok(Self {
            handle: Arc::new(handle),
            deadline,
        })
    }

    /// The same connection with another deadline for each call.
    #[must_use]
    pub fn with_deadline(&self, deadline: Duration) -> Self {
        Self {
            handle: Arc::clone(&self.handle),
            deadline,
        }
    }

    /// Runs one blocking call within the deadline. `name` is the protocol's name of the call.
    pub(super) async fn call<T: Send + 'static>(
        &self,
        name: &'static str,
        work: impl FnOnce(&Call<'_>) -> Outcome<T> + Send + 'static,
    ) -> Result<T, Error> {
        let (handle, deadline) = (Arc::clone(&self.handle), self.deadline);
        let done = tokio::task::spawn_blocking(move || handle.run(name, deadline, work));
        done.await.unwrap_or(Err(Error::Incomplete { call: name }))
    }

    /// Reads a topic's metadata anew: the client's own picture of it lags by up to minutes, which
    /// hides partitions that were just added.
    pub(super) async fn refresh(&self, topic: String) {
        let (handle, deadline) = (Arc::clone(&self.handle), self.deadline);
        let read = tokio::task::spawn_blocking(move || {
            let native = handle.native.as_ref()?;
            native.fetch_metadata(Some(&topic), deadline).ok().map(drop)
        });
        // Whether it went well shows in the call that follows.
        drop(read.await);
    }

    pub(super) fn touch(&self) {
        self.handle.touch();
    }

    /// For how long nobody used the connection; zero while another clone is held.
    pub(super) fn idle(&self) -> Duration {
        if Arc::strong_count(&self.handle) > 1 {
            return Duration::ZERO;
        }
        lock(&self.handle.last_use).elapsed()
    }
}

impl Handle {
    fn run<T>(
        &self,
        name: &'static str,
        deadline: Duration,
        work: impl FnOnce(&Call<'_>) -> Outcome<T>,
    ) -> Result<T, Error> {
        let native = self
            .native
            .as_ref()
            .ok_or(Error::Incomplete { call: name })?
            .native_client();
        let outcome = work(&Call::new(native, deadline));
        self.touch();
        let notices = admin_ffi::take_notices(native);
        let mut link = lock(&self.link);
        notices.into_iter().for_each(|notice| link.note(notice));
        match outcome {
            Ok(answer) => {
                *link = Link::default();
                Ok(answer)
            }
            Err(failure) => Err(Error::whole(
                &self.config.bootstrap_servers,
                name,
                failure,
                link.broken,
            )),
        }
    }

    fn touch(&self) {
        *lock(&self.last_use) = Instant::now();
    }
}

impl Link {
    /// Passes a line of the log on. A broker that stays away would repeat itself for hours, so
    /// only the first warning since the last answer is one; the rest is for who debugs.
    fn note(&mut self, notice: Notice) {
        match notice {
            Notice::Error { code } if error::unreachable(code).is_some() => {
                // That all are down says less than why one of them is.
                let vague = code == error::ALL_DOWN;
                self.broken = if vague {
                    self.broken.or(Some(code))
                } else {
                    Some(code)
                };
            }
            Notice::Error { .. } => {}
            Notice::Log { level, text } if level <= 4 && !self.warned => {
                self.warned = true;
                warn!(target: "librdkafka", "{text}");
            }
            Notice::Log { text, .. } => debug!(target: "librdkafka", "{text}"),
        }
    }
}

impl Drop for Handle {
    /// Closing waits for librdkafka's threads, which an async thread must not.
    fn drop(&mut self) {
        let native = self.native.take();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn_blocking(move || drop(native));
        }
    }
}

/// librdkafka's settings. A consumer without a group only looks, joins nothing and fetches
/// nothing; unlike a producer it never makes a broker create a topic by asking for it.
fn settings(config: &ClientConfig) -> NativeConfig {
    let mut settings = NativeConfig::new();
    settings
        .set("bootstrap.servers", &config.bootstrap_servers)
        .set("client.id", "sluice")
        .set("allow.auto.create.topics", "false")
        // The broker has no use for this client's own metrics (KIP-714).
        .set("enable.metrics.push", "false")
        .set("log.connection.close", "false")
        .set("socket.keepalive.enable", "true")
        // A broker that is back is found within seconds, also after hours.
        .set("reconnect.backoff.max.ms", "5000")
        .set("socket.connection.setup.timeout.ms", "10000")
        // How long an internal request (metadata, coordinator) may hang; a call has its deadline.
        .set("socket.timeout.ms", "10000")
        .set_log_level(RDKafkaLogLevel::Info);
    settings
}

/// Nothing here panics while it holds a lock; should it ever, the value is still whole.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
