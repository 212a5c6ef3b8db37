//! What can go wrong with Kafka Connect, as one type. Messages are stable, for they end in
//! conditions; Connect's own words are kept, without the values of configurations in them.

use super::scrub;
use crate::{class::Class, http::Cause};

/// A failed call to Kafka Connect.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The HTTP client cannot be made.
    #[error("the HTTP client for Kafka Connect cannot be made")]
    Client {
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// The address of the REST interface is none.
    #[error("`{base}` is not an http address of Kafka Connect")]
    Address {
        /// The address, as given.
        base: String,
    },
    /// No worker could be reached.
    #[error("Kafka Connect at {base} cannot be reached: {cause}")]
    Unreachable {
        /// The address.
        base: String,
        /// Why, in one of a few fixed texts.
        cause: Cause,
        /// The HTTP client's own error.
        #[source]
        source: reqwest::Error,
    },
    /// A worker was reached and did not answer until the deadline.
    #[error("Kafka Connect at {base} did not answer {what} in time")]
    TimedOut {
        /// The address.
        base: String,
        /// What was asked for.
        what: &'static str,
    },
    /// The workers are sharing out their tasks, or another change is under way (409).
    #[error("Kafka Connect at {base} is rebalancing and did not do {what} yet")]
    Rebalancing {
        /// The address.
        base: String,
        /// What was asked for.
        what: &'static str,
    },
    /// The connector is not there, or not yet (404).
    #[error(
        "Kafka Connect at {base} does not have what {what} is about{}",
        colon(words)
    )]
    Missing {
        /// The address.
        base: String,
        /// What was asked for.
        what: &'static str,
        /// Connect's words; may be empty.
        words: String,
    },
    /// The workers ask for a login or forbid the call (401, 403).
    #[error(
        "Kafka Connect at {base} denied {what} (HTTP {status}){}",
        colon(words)
    )]
    Denied {
        /// The address.
        base: String,
        /// What was asked for.
        what: &'static str,
        /// The HTTP status.
        status: u16,
        /// Connect's words; may be empty.
        words: String,
    },
    /// The request cannot succeed as it is (other 4xx).
    #[error("Kafka Connect refused {what} (HTTP {status}){}", colon(words))]
    Refused {
        /// What was asked for.
        what: &'static str,
        /// The HTTP status.
        status: u16,
        /// Connect's words; may be empty.
        words: String,
    },
    /// The worker failed (5xx).
    #[error(
        "Kafka Connect at {base} failed at {what} (HTTP {status}){}",
        colon(words)
    )]
    Failed {
        /// The address.
        base: String,
        /// What was asked for.
        what: &'static str,
        /// The HTTP status.
        status: u16,
        /// Connect's words; may be empty.
        words: String,
    },
    /// Something answered, and it was not Connect.
    #[error("{base} answered {what} with something that is not Kafka Connect's JSON")]
    NotConnect {
        /// The address.
        base: String,
        /// What was asked for.
        what: &'static str,
    },
    /// The answer is longer than 4 MiB.
    #[error("{base} answered {what} with more than 4 MiB")]
    TooLong {
        /// The address.
        base: String,
        /// What was asked for.
        what: &'static str,
    },
}

fn colon(words: &str) -> String {
    if words.is_empty() {
        String::new()
    } else {
        format!(": {words}")
    }
}

impl Error {
    /// The kind of failure: what conditions, metrics and retries go by.
    #[must_use]
    pub const fn class(&self) -> Class {
        match self {
            Self::Unreachable { .. } | Self::TimedOut { .. } | Self::Failed { .. } => Class::Down,
            Self::Rebalancing { .. } | Self::Missing { .. } => Class::Waiting,
            Self::Denied { .. } => Class::Denied,
            Self::Refused { .. } => Class::Invalid,
            Self::Client { .. }
            | Self::Address { .. }
            | Self::NotConnect { .. }
            | Self::TooLong { .. } => Class::Bug,
        }
    }

    /// The error that an HTTP status stands for; the words are cut and freed of values.
    pub(super) fn of_status(base: &str, what: &'static str, status: u16, words: &str) -> Self {
        let (base, words) = (base.to_owned(), scrub::words(words));
        match status {
            409 => Self::Rebalancing { base, what },
            404 => Self::Missing { base, what, words },
            401 | 403 => Self::Denied {
                base,
                what,
                status,
                words,
            },
            500.. => Self::Failed {
                base,
                what,
                status,
                words,
            },
            _ => Self::Refused {
                what,
                status,
                words,
            },
        }
    }
}
