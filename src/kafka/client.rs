//! One connection to one Kafka cluster under one identity: its settings, its log, and the way a
//! blocking call runs off the async threads and ends as an [`Error`]. It knows no call by name.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rdkafka::config::{ClientConfig as NativeConfig, RDKafkaLogLevel};
use rdkafka_sys::rd_kafka_type_t::RD_KAFKA_CONSUMER;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};
use tracing::{debug, warn};

use super::Error;
use super::admin_ffi::{self, Call, Connection, Failure, Heard, Notice, Outcome};
use super::error::{self, Broken};
use super::security::{Sasl, Security};
use super::token::{self, Token};

/// Where a cluster is and who asks. Equal values share a client.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ClientConfig {
    /// `host:port` of one broker or several, separated by commas.
    pub bootstrap_servers: String,
    /// How the connection is secured, and who logs in.
    pub security: Security,
}

/// Calls of one client at the same time. Each holds a thread while it waits for its answer: more of
/// them cost memory, and a Kafka that hangs would keep the calls to others from starting.
const CALLS: usize = 32;
/// How much longer than its deadline a call may take to say that it missed it.
const GRACE: Duration = Duration::from_secs(2);

/// What all calls on one connection share.
struct Handle {
    config: ClientConfig,
    /// Empty only while it is dropped.
    main: Option<Arc<Connection>>,
    /// For [`Client::call_for_group`], made when it is first needed.
    groups: Mutex<Option<Arc<Connection>>>,
    calls: Semaphore,
    link: Mutex<Link>,
    /// The newest token, where the login is by one. Async, so that one caller asks for it while
    /// the others wait.
    token: tokio::sync::Mutex<Option<Token>>,
    last_use: Mutex<Instant>,
}

/// How the connection has been since the last answer.
#[derive(Default)]
struct Link {
    /// What broke the connection last.
    broken: Option<Broken>,
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
        let main = connection(&config, &settings(&config))?;
        let handle = Handle {
            config,
            main: Some(main),
            groups: Mutex::default(),
            calls: Semaphore::new(CALLS),
            link: Mutex::default(),
            token: tokio::sync::Mutex::default(),
            last_use: Mutex::new(Instant::now()),
        };
        Ok(Self {
            handle: Arc::new(handle),
            deadline,
        })
    }

    /// What the connection is secured with.
    #[must_use]
    pub fn security(&self) -> &Security {
        &self.handle.config.security
    }

    /// The same connection with what is left of the deadline of calls that began at `start`.
    pub(super) fn since(&self, start: Instant) -> Self {
        self.with_deadline(self.deadline.saturating_sub(start.elapsed()))
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
        work: impl FnOnce(&Call) -> Outcome<T> + Send + 'static,
    ) -> Result<T, Error> {
        let connection = self
            .handle
            .main
            .clone()
            .ok_or(Error::Incomplete { call: name })?;
        self.run(connection, name, work).await
    }

    /// As [`Client::call`], for the one call that librdkafka answers by a crash when the group's
    /// coordinator has just moved, unless its handle belongs to some group itself
    /// (confluentinc/librdkafka#5040). So these calls go over a second handle, which carries the
    /// name of the first group asked about, since that one may be asked about; it never joins.
    pub(super) async fn call_for_group<T: Send + 'static>(
        &self,
        name: &'static str,
        group: &str,
        work: impl FnOnce(&Call) -> Outcome<T> + Send + 'static,
    ) -> Result<T, Error> {
        let connection = self.handle.for_groups(group)?;
        let result = self.run(connection, name, work).await;
        if matches!(result, Err(Error::Denied { .. })) {
            // librdkafka would look for this group's coordinator twice a second for ever.
            close(lock(&self.handle.groups).take());
        }
        result
    }

    async fn run<T: Send + 'static>(
        &self,
        connection: Arc<Connection>,
        name: &'static str,
        work: impl FnOnce(&Call) -> Outcome<T> + Send + 'static,
    ) -> Result<T, Error> {
        let start = Instant::now();
        let Ok(_permit) = timeout(self.deadline, self.handle.calls.acquire()).await else {
            return self.handle.conclude(name, Err(Failure::unanswered()));
        };
        self.handle.log_in(&connection).await?;
        let left = self.deadline.saturating_sub(start.elapsed());
        let (handle, call) = (Arc::clone(&self.handle), Call::new(connection, left));
        let done = tokio::task::spawn_blocking(move || {
            let outcome = work(&call);
            handle.conclude(name, outcome)
        });
        // The call keeps the deadline by itself, unless no thread is free to start it.
        match timeout(self.deadline + GRACE, done).await {
            Ok(done) => done.unwrap_or(Err(Error::Incomplete { call: name })),
            Err(_) => Err(Error::Unanswered { call: name }),
        }
    }

    /// Reads a topic's metadata anew: the client's own picture of it lags by up to minutes, which
    /// hides partitions that were just added.
    pub(super) async fn refresh(&self, topic: String) {
        let (handle, deadline) = (Arc::clone(&self.handle), self.deadline);
        let read = tokio::task::spawn_blocking(move || {
            let main = handle.main.as_ref()?;
            main.fetch_metadata(Some(&topic), deadline).ok().map(drop)
        });
        // Whether it went well shows in the call that follows.
        drop(timeout(self.deadline + GRACE, read).await);
    }

    /// The outcome of one part of a batch.
    pub(super) fn part<T>(&self, call: &'static str, outcome: Outcome<T>) -> Result<T, Error> {
        outcome.map_err(|failure| {
            let principal = self.handle.config.security.principal();
            Error::part(&principal, call, &failure)
        })
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
    fn for_groups(&self, group: &str) -> Result<Arc<Connection>, Error> {
        let mut groups = lock(&self.groups);
        if let Some(connection) = groups.as_ref() {
            return Ok(Arc::clone(connection));
        }
        let mut settings = settings(&self.config);
        settings
            .set("group.id", group)
            .set("enable.auto.commit", "false");
        let made = connection(&self.config, &settings)?;
        *groups = Some(Arc::clone(&made));
        Ok(made)
    }

    /// Reads what librdkafka had to say meanwhile, and makes an [`Error`] of a failure.
    fn conclude<T>(&self, name: &'static str, outcome: Outcome<T>) -> Result<T, Error> {
        self.touch();
        let groups = lock(&self.groups).clone();
        let connections = self.main.iter().chain(&groups);
        let notices = connections.flat_map(|connection| admin_ffi::take_notices(connection));
        let mut link = lock(&self.link);
        let heard = || self.heard(groups.as_ref());
        for notice in notices {
            link.note(notice, heard().find_map(Heard::refused_certificate));
        }
        match outcome {
            Ok(answer) => {
                *link = Link::default();
                heard().for_each(Heard::forget);
                Ok(answer)
            }
            Err(failure) => Err(Error::whole(&self.config, name, &failure, link.broken)),
        }
    }

    /// What was heard on both connections.
    fn heard<'a>(&'a self, groups: Option<&'a Arc<Connection>>) -> impl Iterator<Item = &'a Heard> {
        let connections = self.main.iter().chain(groups);
        connections.map(|connection| connection.context().as_ref())
    }

    /// Gives the connection a token, where the login is by one: the newest, or another one when
    /// that has served most of its life. The old one serves on as long as it lives when the
    /// endpoint cannot be asked.
    async fn log_in(&self, connection: &Connection) -> Result<(), Error> {
        let Some(Sasl::OauthBearer(credentials)) = &self.config.security.sasl else {
            return Ok(());
        };
        let mut token = self.token.lock().await;
        if token.as_ref().is_none_or(Token::is_due) {
            match token::fetch(credentials).await {
                Ok(new) => *token = Some(new),
                Err(source) if token.as_ref().is_none_or(Token::is_over) => {
                    return Err(Error::Token {
                        servers: self.config.bootstrap_servers.clone(),
                        source,
                    });
                }
                Err(source) => warn!(error = %source, "the last token is used on"),
            }
        }
        let Some(token) = token.as_ref() else {
            return Ok(());
        };
        if connection.context().takes(token.number) {
            let set = admin_ffi::set_token(
                connection,
                token.value.reveal(),
                &credentials.client_id,
                token.expires,
            );
            set.map_err(|failure| Error::whole(&self.config, "SaslAuthenticate", &failure, None))?;
        }
        Ok(())
    }

    fn touch(&self) {
        *lock(&self.last_use) = Instant::now();
    }
}

impl Link {
    /// Passes a line of the log on. A broker that stays away would repeat itself for hours, so
    /// only the first warning since the last answer is one; the rest is for who debugs.
    fn note(&mut self, notice: Notice, refused: Option<i32>) {
        match notice {
            Notice::Error { code, text } => {
                let broken = error::broken(code, &text, refused);
                // A security fault may be followed by the mere loss of the connection.
                let tells_more = broken
                    .is_some_and(|new| !new.is_vague() || self.broken.is_none_or(Broken::is_vague));
                if tells_more {
                    self.broken = broken;
                }
            }
            // librdkafka only logs this one.
            Notice::Log { text, .. } if self.broken.is_none() && all_down(&text) => {
                self.broken = Some(error::ALL_DOWN);
            }
            Notice::Log { level, text } if level <= 4 && !self.warned => {
                self.warned = true;
                warn!(target: "librdkafka", "{text}");
            }
            Notice::Log { text, .. } => debug!(target: "librdkafka", "{text}"),
        }
    }
}

/// Whether a line of the log is `3/3 brokers are down`.
fn all_down(line: &str) -> bool {
    let counts = line.trim_end().strip_suffix(" brokers are down");
    let counts = counts.and_then(|line| line.rsplit(' ').next()?.split_once('/'));
    counts.is_some_and(|(down, all)| down == all)
}

impl Drop for Handle {
    fn drop(&mut self) {
        close(self.main.take());
        close(lock(&self.groups).take());
    }
}

/// Closing waits for librdkafka's threads, which an async thread must not.
fn close(connection: Option<Arc<Connection>>) {
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn_blocking(move || drop(connection));
    }
}

fn connection(config: &ClientConfig, settings: &NativeConfig) -> Result<Arc<Connection>, Error> {
    let made = settings.create_native_config().and_then(|native| {
        admin_ffi::listen(&native);
        Connection::new(settings, native, RD_KAFKA_CONSUMER, Heard::default())
    });
    made.map(Arc::new)
        .map_err(|error| Error::settings(&config.bootstrap_servers, &error))
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
    config.security.configure(&mut settings);
    settings
}

/// Nothing here panics while it holds a lock; should it ever, the value is still whole.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::all_down;

    #[test]
    fn the_line_that_all_brokers_are_down_is_known() {
        assert!(all_down(
            "[thrd:kafka:9092/bootstrap]: 2/2 brokers are down"
        ));
        assert!(!all_down(
            "[thrd:kafka:9092/bootstrap]: 1/2 brokers are down"
        ));
        assert!(!all_down("[thrd:kafka:9092/bootstrap]: Disconnected"));
    }
}
