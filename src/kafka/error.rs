//! What can go wrong with Kafka, as one type. Messages are stable (no times, no addresses of a
//! single connection, no random ids), for they end in conditions; the broker's own words are kept
//! because they say most about what to change.

use rdkafka_sys::rd_kafka_resp_err_t as Code;

use super::admin_ffi::{self, Failure};
use crate::class::Class;

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
    /// The identity in use may not do this, or could not log in.
    #[error("Kafka denied {call}: {code}{}", colon(message.as_deref()))]
    Denied {
        /// The protocol's name of the call.
        call: &'static str,
        /// The error's name as Kafka spells it.
        code: String,
        /// What the broker said, if it said more than the code.
        message: Option<String>,
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
    /// librdkafka does not take the client's settings.
    #[error("the Kafka client for {servers} cannot be made")]
    Settings {
        /// The bootstrap servers, as configured.
        servers: String,
        /// librdkafka's complaint.
        #[source]
        source: rdkafka::error::KafkaError,
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

/// librdkafka's word for having lost every broker, which says nothing of why.
pub(super) const ALL_DOWN: i32 = Code::RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN as i32;

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
            Self::Denied { .. } => Class::Denied,
            Self::UnknownTopic | Self::TooManyClients { .. } => Class::Waiting,
            Self::Refused { code, .. } => refusal(code),
            Self::Settings { .. } => Class::Invalid,
            Self::Incomplete { .. } => Class::Bug,
        }
    }

    /// Whether the broker says that a topic of this name exists already.
    #[must_use]
    pub fn is_already_there(&self) -> bool {
        matches!(self, Self::Refused { code, .. } if code == "TOPIC_ALREADY_EXISTS")
    }

    /// One failed part of a batch whose call as a whole was answered.
    pub(super) fn part(call: &'static str, failure: &Failure) -> Self {
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

    /// A failed call. `link` is the last connection error since an answer came, if there was one.
    pub(super) fn whole(
        servers: &str,
        call: &'static str,
        failure: &Failure,
        link: Option<i32>,
    ) -> Self {
        let cause = if failure.is(Code::RD_KAFKA_RESP_ERR__TIMED_OUT) {
            link
        } else {
            unreachable(failure.code).map(|_| failure.code)
        };
        match cause.and_then(unreachable) {
            Some(reason) => Self::Unreachable {
                servers: servers.to_owned(),
                reason,
            },
            None => Self::part(call, failure),
        }
    }
}

/// The reason that a connection error stands for; `None` when the code is about something else.
pub(super) fn unreachable(code: i32) -> Option<&'static str> {
    let is = |known: Code| code == known as i32;
    if is(Code::RD_KAFKA_RESP_ERR__RESOLVE) {
        Some("the host name cannot be resolved")
    } else if is(Code::RD_KAFKA_RESP_ERR__SSL) {
        Some("the TLS handshake failed")
    } else if is(Code::RD_KAFKA_RESP_ERR__TRANSPORT) {
        Some("the connection failed")
    } else if code == ALL_DOWN {
        Some("all brokers are down")
    } else {
        None
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
    code.ends_with("_AUTHORIZATION_FAILED")
        || matches!(
            code,
            "SASL_AUTHENTICATION_FAILED" | "_AUTHENTICATION" | "SECURITY_DISABLED"
        )
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

    #[test]
    fn keeps_the_brokers_words_and_kafkas_spelling() {
        let error = Error::part(
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
            Error::whole("kafka:9092", "ListOffsets", &late(), None),
            Error::Unanswered {
                call: "ListOffsets"
            }
        );
        let resolve = Code::RD_KAFKA_RESP_ERR__RESOLVE as i32;
        let error = Error::whole("kafka:9092", "ListOffsets", &late(), Some(resolve));
        assert_eq!(
            error.to_string(),
            "Kafka at kafka:9092 cannot be reached: the host name cannot be resolved"
        );
        assert_eq!(error.class(), Class::Down);
    }

    #[test]
    fn classes_follow_the_code() {
        let class = |code| Error::part("X", &failure(code, "")).class();
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
            "X",
            &Failure {
                code: 120,
                text: None,
            },
        );
        assert_eq!(error.class(), Class::Bug);
    }
}
