//! What can go wrong with Kafka, as one type. Messages are stable (no times, no addresses of a
//! single connection, no random ids), for they end in conditions; the broker's own words are kept
//! because they say most about what to change.

use rdkafka::error::KafkaError;
use rdkafka_sys::rd_kafka_resp_err_t as Code;

use super::ClientConfig;
use super::admin_ffi::{self, Failure};
use super::token::TokenError;
use crate::class::{Class, Security};

/// A failed call to Kafka, or the failed part of a batch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No broker could be reached until the deadline.
    #[error("Kafka at {servers} cannot be reached: {reason}")]
    Unreachable {
        /// The bootstrap servers, as configured.
        servers: String,
        /// Why, as far as the client knows; one of a few fixed texts.
        reason: &'static str,
    },
    /// Kafka can be reached but did not answer this call, or the broker that leads this partition
    /// did not.
    #[error("Kafka did not answer {call}")]
    Unanswered {
        /// The protocol's name of the call.
        call: &'static str,
    },
    /// The identity in use may not do this.
    #[error("Kafka denied {call} to {principal}: {code}{}", colon(message.as_deref()))]
    Denied {
        /// The protocol's name of the call.
        call: &'static str,
        /// Whom Kafka takes the client for, such as `User:plant`.
        principal: String,
        /// The error's name as Kafka spells it.
        code: String,
        /// What the broker said, if it said more than the code.
        message: Option<String>,
    },
    /// Kafka refused the login.
    #[error(
        "Kafka at {servers} refused the login of {principal} by {mechanism}: correct the Secret of \
         spec.kafka.sasl, or the user in Kafka"
    )]
    Login {
        /// The bootstrap servers, as configured.
        servers: String,
        /// Who tried to log in.
        principal: String,
        /// The SASL mechanism.
        mechanism: &'static str,
    },
    /// TLS could not be agreed on.
    #[error("TLS with Kafka at {servers} failed for {principal}: {}", tls_words(*fault))]
    Tls {
        /// The bootstrap servers, as configured.
        servers: String,
        /// Who tried to connect.
        principal: String,
        /// Which part of it failed.
        fault: Security,
    },
    /// There is no token to log in with.
    #[error("no token for Kafka at {servers}: {source}")]
    Token {
        /// The bootstrap servers, as configured.
        servers: String,
        /// Why.
        source: TokenError,
    },
    /// The topic, or this partition of it, does not exist.
    #[error("the topic or partition does not exist in Kafka")]
    UnknownTopic,
    /// Any other refusal.
    #[error("Kafka refused {call}: {code}{}", colon(message.as_deref()))]
    Refused {
        /// The protocol's name of the call.
        call: &'static str,
        /// The error's name as Kafka spells it, such as `INVALID_REPLICATION_FACTOR`; names
        /// that start with an underscore are librdkafka's own.
        code: String,
        /// What the broker said, if it said more than the code.
        message: Option<String>,
    },
    /// librdkafka does not take the client's settings, of which only the credentials can be wrong.
    #[error("spec.kafka: the client for {servers} cannot be made: {reason}")]
    Settings {
        /// The bootstrap servers, as configured.
        servers: String,
        /// librdkafka's complaint, without values.
        reason: String,
    },
    /// The pool's limit is reached and every client in it is in use.
    #[error("all {limit} Kafka clients are in use: raise the limit or use fewer Kafka clusters")]
    TooManyClients {
        /// How many clients the pool may hold.
        limit: usize,
    },
    /// A defect: the answer lacked a part that was asked for, or the call ended abnormally.
    #[error("the answer of Kafka to {call} is incomplete")]
    Incomplete {
        /// The protocol's name of the call.
        call: &'static str,
    },
}

/// Broker errors after which a repeat succeeds by itself, since they name a state that passes.
const PASSING: &[&str] = &[
    "LEADER_NOT_AVAILABLE",
    "NOT_LEADER_OR_FOLLOWER",
    "REPLICA_NOT_AVAILABLE",
    "COORDINATOR_LOAD_IN_PROGRESS",
    "COORDINATOR_NOT_AVAILABLE",
    "NOT_COORDINATOR",
    "NOT_CONTROLLER",
    "FENCED_LEADER_EPOCH",
    "UNKNOWN_LEADER_EPOCH",
    "OFFSET_NOT_AVAILABLE",
    "REBALANCE_IN_PROGRESS",
    "THROTTLING_QUOTA_EXCEEDED",
    "UNKNOWN_TOPIC_ID",
    "UNSTABLE_OFFSET_COMMIT",
    "_WAIT_COORD",
    "_WAIT_CACHE",
    "_IN_PROGRESS",
    "_NOENT",
];

/// Broker errors that speak of the broker's health.
const ILL: &[&str] = &[
    "REQUEST_TIMED_OUT",
    "BROKER_NOT_AVAILABLE",
    "NETWORK_EXCEPTION",
    "KAFKA_STORAGE_ERROR",
    "UNKNOWN_SERVER_ERROR",
    "STALE_BROKER_EPOCH",
    "_DESTROY",
];

/// Broker errors that only another request avoids.
const WRONG: &[&str] = &[
    "POLICY_VIOLATION",
    "TOPIC_DELETION_DISABLED",
    "UNSUPPORTED_VERSION",
    "_UNSUPPORTED_FEATURE",
];

impl Error {
    /// The class that rules the condition's reason, the metric's label and the back-off.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::Unreachable { .. } | Self::Unanswered { .. } => Class::Down,
            Self::Denied { .. } | Self::Login { .. } | Self::Tls { .. } | Self::Settings { .. } => {
                Class::Denied
            }
            Self::Token { source, .. } => match source {
                TokenError::Unreachable { .. } => Class::Down,
                TokenError::Refused { .. } | TokenError::NoToken { .. } => Class::Denied,
            },
            Self::UnknownTopic | Self::TooManyClients { .. } => Class::Waiting,
            Self::Refused { code, .. } => refusal(code),
            Self::Incomplete { .. } => Class::Bug,
        }
    }

    /// What of the connection's security failed, if that is what the error is about.
    #[must_use]
    pub fn security(&self) -> Option<Security> {
        match self {
            Self::Denied { .. } => Some(Security::Rights),
            Self::Settings { .. } => Some(Security::Credentials),
            Self::Login { .. }
            | Self::Token {
                source: TokenError::Refused { .. } | TokenError::NoToken { .. },
                ..
            } => Some(Security::Login),
            Self::Tls { fault, .. } => Some(*fault),
            _ => None,
        }
    }

    /// Whether the broker says that a topic of this name exists already.
    #[must_use]
    pub fn is_already_there(&self) -> bool {
        matches!(self, Self::Refused { code, .. } if code == "TOPIC_ALREADY_EXISTS")
    }

    /// A client that librdkafka did not make.
    pub(super) fn settings(servers: &str, error: &KafkaError) -> Self {
        let reason = match error {
            // Its own rendering shows the value, which may be a secret.
            KafkaError::ClientConfig(_, _, key, _) => format!("the value of {key} is refused"),
            KafkaError::ClientCreation(words) => words.clone(),
            _ => "librdkafka gives no reason".to_owned(),
        };
        Self::Settings {
            servers: servers.to_owned(),
            reason,
        }
    }

    /// One failed part of a batch whose call as a whole was answered; `principal` is who asked.
    pub(super) fn part(principal: &str, call: &'static str, failure: &Failure) -> Self {
        let code = spelling(failure.code);
        let message = failure
            .text
            .as_deref()
            .map(words)
            .filter(|text| !text.is_empty());
        if code == "UNKNOWN_TOPIC_OR_PARTITION" || code == "_UNKNOWN_PARTITION" {
            Self::UnknownTopic
        } else if code == "_TIMED_OUT" {
            Self::Unanswered { call }
        } else if is_denial(&code) {
            Self::Denied {
                call,
                principal: principal.to_owned(),
                code,
                message,
            }
        } else {
            Self::Refused {
                call,
                code,
                message,
            }
        }
    }

    /// A failed call. `link` is what broke the connection since an answer came, if anything did.
    pub(super) fn whole(
        config: &ClientConfig,
        call: &'static str,
        failure: &Failure,
        link: Option<Broken>,
    ) -> Self {
        let own = broken(
            failure.code,
            failure.text.as_deref().unwrap_or_default(),
            None,
        );
        let cause = match own {
            // That a call failed for lack of a connection says less than what broke that.
            Some(Broken::Connection { .. }) => link.or(own),
            Some(_) => own,
            None if failure.is(Code::RD_KAFKA_RESP_ERR__TIMED_OUT) => link,
            None => None,
        };
        let servers = || config.bootstrap_servers.clone();
        let principal = || config.security.principal();
        match cause {
            Some(Broken::Connection { reason, .. }) => Self::Unreachable {
                servers: servers(),
                reason,
            },
            Some(Broken::Security(Security::Login)) => Self::Login {
                servers: servers(),
                principal: principal(),
                mechanism: config.security.mechanism(),
            },
            Some(Broken::Security(fault)) => Self::Tls {
                servers: servers(),
                principal: principal(),
                fault,
            },
            None => Self::part(&principal(), call, failure),
        }
    }
}

/// What broke a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Broken {
    /// There is none.
    Connection {
        /// One of a few fixed texts.
        reason: &'static str,
        /// It says less than any other: that all brokers are down, not why one of them is.
        vague: bool,
    },
    /// It is not secured as both sides want it.
    Security(Security),
}

/// Every connection broke without a reason: that is all that is heard when a listener which
/// wants TLS is spoken to in clear text.
pub(super) const ALL_DOWN: Broken = Broken::Connection {
    reason: "every connection broke off: the brokers are down, or want TLS",
    vague: true,
};

impl Broken {
    /// Whether it says less than any other.
    pub fn is_vague(self) -> bool {
        matches!(self, Self::Connection { vague: true, .. })
    }
}

/// What a connection error stands for; `None` when the code is about something else. `refused` is
/// OpenSSL's reason to refuse the broker's certificate, `X509_V_ERR_*`, if there was one.
pub(super) fn broken(code: i32, text: &str, refused: Option<i32>) -> Option<Broken> {
    const HANDSHAKE: &str = "SSL handshake failed";
    let is = |known: Code| code == known as i32;
    let connection = |reason, vague| Some(Broken::Connection { reason, vague });
    if is(Code::RD_KAFKA_RESP_ERR__RESOLVE) {
        connection("the host name cannot be resolved", false)
    } else if is(Code::RD_KAFKA_RESP_ERR__SSL)
        || text.contains("SSL routines")
        || text.contains(HANDSHAKE)
    {
        // What the broker has against this side may come after the handshake (TLS 1.3), and then
        // ends the connection like any other loss of it.
        Some(Broken::Security(tls_fault(text, refused)))
    } else if is(Code::RD_KAFKA_RESP_ERR__AUTHENTICATION)
        || is(Code::RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED)
    {
        Some(Broken::Security(Security::Login))
    } else if is(Code::RD_KAFKA_RESP_ERR__TRANSPORT) {
        connection("the connection failed", false)
    } else if is(Code::RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) {
        Some(ALL_DOWN)
    } else {
        None
    }
}

/// Which part of TLS failed. The reasons are those of OpenSSL's `x509_vfy.h`; what the other side
/// has against this one comes as an alert, in OpenSSL's words for RFC 8446 section 6.2.
fn tls_fault(text: &str, refused: Option<i32>) -> Security {
    const NOT_YET_VALID: i32 = 9;
    const EXPIRED: i32 = 10;
    const HOST_NAME: [i32; 2] = [62, 64];
    const ALERTS: [&str; 7] = [
        "alert bad certificate",
        "alert unsupported certificate",
        "alert certificate",
        "alert unknown ca",
        "alert handshake failure",
        "alert access denied",
        "alert decrypt error",
    ];
    match refused {
        Some(NOT_YET_VALID | EXPIRED) => Security::CertificateExpired,
        Some(code) if HOST_NAME.contains(&code) => Security::HostName,
        Some(_) => Security::Authority,
        None if ALERTS.iter().any(|alert| text.contains(alert)) => Security::ClientCertificate,
        None => Security::Tls,
    }
}

fn tls_words(fault: Security) -> &'static str {
    match fault {
        Security::CertificateExpired => {
            "the broker's certificate has expired or is not valid yet: renew it"
        }
        Security::HostName => {
            "the broker's certificate is for another host name: issue it for the names in \
             spec.kafka.bootstrapServers and the brokers' advertised listeners"
        }
        Security::Authority => {
            "the broker's certificate is of no trusted authority: put its authority into the \
             Secret of spec.kafka.tls.caSecretRef"
        }
        Security::ClientCertificate => {
            "the broker refused this side's certificate, or wants one: correct the Secret of \
             spec.kafka.tls.clientSecretRef"
        }
        Security::Credentials | Security::Login | Security::Rights | Security::Tls => {
            "no handshake: see that the listener speaks TLS"
        }
    }
}

fn refusal(code: &str) -> Class {
    if PASSING.contains(&code) {
        Class::Waiting
    } else if ILL.contains(&code) {
        Class::Down
    } else if code.starts_with("INVALID_") || WRONG.contains(&code) {
        Class::Invalid
    } else if code == "TOPIC_ALREADY_EXISTS" || code == "REASSIGNMENT_IN_PROGRESS" {
        Class::Conflict
    } else {
        Class::Bug
    }
}

/// What the broker said, without what librdkafka puts before its own rendering of a code.
fn words(text: &str) -> String {
    text.rsplit("Broker: ").next().unwrap_or(text).to_owned()
}

fn is_denial(code: &str) -> bool {
    code.ends_with("_AUTHORIZATION_FAILED") || code == "SECURITY_DISABLED"
}

/// The code's name in Kafka's documentation: librdkafka keeps a few names of old.
fn spelling(code: i32) -> String {
    let name = admin_ffi::code_name(code);
    match name.as_str() {
        "UNKNOWN" => "UNKNOWN_SERVER_ERROR",
        "UNKNOWN_TOPIC_OR_PART" => "UNKNOWN_TOPIC_OR_PARTITION",
        "NOT_LEADER_FOR_PARTITION" => "NOT_LEADER_OR_FOLLOWER",
        "TOPIC_EXCEPTION" => "INVALID_TOPIC_EXCEPTION",
        _ => return name,
    }
    .to_owned()
}

fn colon(message: Option<&str>) -> String {
    message.map(|text| format!(": {text}")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(code: Code, text: &str) -> Failure {
        Failure {
            code: code as i32,
            text: Some(text.to_owned()),
        }
    }

    fn config() -> ClientConfig {
        ClientConfig {
            bootstrap_servers: "kafka:9092".to_owned(),
            ..ClientConfig::default()
        }
    }

    #[test]
    fn keeps_the_brokers_words_and_kafkas_spelling() {
        let error = Error::part(
            "User:plant",
            "CreateTopics",
            &failure(
                Code::RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR,
                "only 1 broker",
            ),
        );
        assert_eq!(
            error.to_string(),
            "Kafka refused CreateTopics: INVALID_REPLICATION_FACTOR: only 1 broker"
        );
        assert_eq!(error.class(), Class::Invalid);
        let error = Error::part(
            "User:plant",
            "CreateTopics",
            &failure(
                Code::RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION,
                "Broker: Invalid topic",
            ),
        );
        assert_eq!(
            error.to_string(),
            "Kafka refused CreateTopics: INVALID_TOPIC_EXCEPTION: Invalid topic"
        );
    }

    #[test]
    fn a_silent_kafka_is_told_from_an_unreachable_one() {
        let late = || failure(Code::RD_KAFKA_RESP_ERR__TIMED_OUT, "Failed while waiting");
        assert_eq!(
            Error::whole(&config(), "ListOffsets", &late(), None),
            Error::Unanswered {
                call: "ListOffsets"
            }
        );
        let resolve = broken(Code::RD_KAFKA_RESP_ERR__RESOLVE as i32, "", None);
        let error = Error::whole(&config(), "ListOffsets", &late(), resolve);
        assert_eq!(
            error.to_string(),
            "Kafka at kafka:9092 cannot be reached: the host name cannot be resolved"
        );
        assert_eq!(error.class(), Class::Down);
    }

    #[test]
    fn classes_follow_the_code() {
        let class = |code| Error::part("User:plant", "X", &failure(code, "")).class();
        assert_eq!(
            class(Code::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED),
            Class::Denied
        );
        assert_eq!(
            class(Code::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION),
            Class::Waiting
        );
        assert_eq!(
            class(Code::RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS),
            Class::Conflict
        );
        assert_eq!(class(Code::RD_KAFKA_RESP_ERR_UNKNOWN), Class::Down);
        assert_eq!(
            class(Code::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART),
            Class::Waiting
        );
        assert_eq!(class(Code::RD_KAFKA_RESP_ERR__INVALID_ARG), Class::Bug);
    }

    #[test]
    fn a_code_newer_than_the_library_is_no_harm() {
        let error = Error::part(
            "User:plant",
            "X",
            &Failure {
                code: 120,
                text: None,
            },
        );
        assert_eq!(error.class(), Class::Bug);
    }
}
