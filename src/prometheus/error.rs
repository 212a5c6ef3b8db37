//! What can go wrong with a query to Prometheus, as one type. Messages are stable, for they end in
//! conditions; Prometheus' own words are kept, and nothing of what proves who asks.

use crate::{class::Class, http::Cause};

/// A query that yielded no number.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The HTTP client cannot be made.
    #[error("the HTTP client for Prometheus cannot be made")]
    Client {
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// The address of the server is none.
    #[error("`{server}` is not an http or https address")]
    Address {
        /// The address, as given.
        server: String,
    },
    /// The authorities to trust cannot be used.
    #[error("the certificates to trust for {server} cannot be used: store them as PEM")]
    Authorities {
        /// The server.
        server: String,
    },
    /// The server could not be reached.
    #[error("{server} cannot be reached: {cause}")]
    Unreachable {
        /// The server.
        server: String,
        /// Why, in one of a few fixed texts.
        cause: Cause,
        /// The HTTP client's own error.
        #[source]
        source: reqwest::Error,
    },
    /// The server was reached and did not answer until the deadline.
    #[error("{server} did not answer the query in time")]
    TimedOut {
        /// The server.
        server: String,
    },
    /// The server wants another login, or forbids the query (401, 403). Its words are left out:
    /// they may repeat what it was told.
    #[error("{server} denied the query (HTTP {status}): correct what authentication refers to")]
    Denied {
        /// The server.
        server: String,
        /// The HTTP status.
        status: u16,
    },
    /// The query cannot succeed as it is (other 4xx), or the server answers elsewhere (3xx).
    #[error("{server} refused the query (HTTP {status}){}", colon(words))]
    Refused {
        /// The server.
        server: String,
        /// The HTTP status.
        status: u16,
        /// Prometheus' words; may be empty.
        words: String,
    },
    /// The server failed (5xx).
    #[error("{server} failed at the query (HTTP {status}){}", colon(words))]
    Failed {
        /// The server.
        server: String,
        /// The HTTP status.
        status: u16,
        /// Prometheus' words; may be empty.
        words: String,
    },
    /// Something answered, and it was not Prometheus.
    #[error("{server} answered with something that is not Prometheus' JSON")]
    NotPrometheus {
        /// The server.
        server: String,
    },
    /// The answer is longer than 64 KiB.
    #[error("{server} answered with more than 64 KiB: the query must yield one series")]
    TooLong {
        /// The server.
        server: String,
    },
    /// Nothing matches the query.
    #[error(
        "the query yields no data: check the names in it, or give it a value for that case \
         (`... or vector(0)`)"
    )]
    NoData,
    /// More than one series matches the query.
    #[error(
        "the query yields several series and must yield one series: aggregate it, for example by \
         sum(...)"
    )]
    ManySeries,
    /// The value is not finite.
    #[error("the query yields {value}, which is no finite number")]
    NotFinite {
        /// As Prometheus writes it: `NaN`, `+Inf` or `-Inf`.
        value: String,
    },
    /// The answer is something else than a number at one time.
    #[error("the query yields a {kind} and must yield one number")]
    NotANumber {
        /// Prometheus' word for it: `matrix`, `string`, or `histogram`.
        kind: String,
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
    /// The kind of failure: what conditions and retries go by.
    #[must_use]
    pub const fn class(&self) -> Class {
        match self {
            Self::Unreachable { .. } | Self::TimedOut { .. } | Self::Failed { .. } => Class::Down,
            Self::NoData | Self::NotFinite { .. } => Class::Waiting,
            Self::Denied { .. } | Self::Authorities { .. } => Class::Denied,
            Self::Refused { .. }
            | Self::Address { .. }
            | Self::TooLong { .. }
            | Self::ManySeries
            | Self::NotANumber { .. } => Class::Invalid,
            Self::Client { .. } | Self::NotPrometheus { .. } => Class::Bug,
        }
    }

    /// The error that an HTTP status stands for.
    pub(super) fn of_status(server: &str, status: u16, words: String) -> Self {
        let server = server.to_owned();
        match status {
            401 | 403 => Self::Denied { server, status },
            500.. => Self::Failed {
                server,
                status,
                words,
            },
            _ => Self::Refused {
                server,
                status,
                words,
            },
        }
    }
}
