//! The Kubernetes API: a client with bounds, and what can go wrong with a call. [`read`] looks and
//! never writes, [`write`] writes what was decided elsewhere. Every call ends within [`DEADLINE`],
//! retries included.

pub mod claims;
pub mod events;
pub mod lease;
pub mod questions;
pub mod read;
pub mod rights;
pub mod write;

use std::{fmt::Debug, future::Future, time::Duration};

use http::{Method, Request};
use kube::{
    Client, Config, Resource,
    client::{Body, ClientBuilder},
    core::{NamespaceResourceScope, Status},
};
use serde::de::DeserializeOwned;
use tower::{filter::FilterLayer, limit::ConcurrencyLimitLayer};

use crate::class::Class;
use lease::{Leadership, NotLeading};

/// How long one call may take, with the client's own retries.
pub const DEADLINE: Duration = Duration::from_secs(10);
/// Requests that wait for an answer at the same time: each has a connection of its own, which is kept
/// for the next. A watch counts until its answer begins.
const REQUESTS: usize = 32;
/// What fails when there is no client.
const CONFIGURE: &str = "read the Kubernetes configuration";

/// A kind whose objects live in namespaces: what [`read`] and [`write`] can move.
pub trait Namespaced:
    Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + Debug + DeserializeOwned
{
}

impl<K> Namespaced for K where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
        + Clone
        + Debug
        + DeserializeOwned
{
}

/// A client for the cluster that this process runs in, or for the kubeconfig's current context.
///
/// # Errors
/// When there is neither a service account nor a usable kubeconfig.
pub async fn client(leadership: Leadership) -> Result<Client, Error> {
    let config = Config::infer().await.map_err(|source| Error::Down {
        what: CONFIGURE.to_owned(),
        source: Box::new(kube::Error::InferConfig(source)),
    })?;
    guarded(config, leadership)
}

/// A client that reads at any time and writes only as `leadership` allows: no write gets past it.
///
/// Connecting takes at most 5 s. There is no read timeout: watches are quiet for minutes, and
/// single calls are bounded by [`DEADLINE`] each.
///
/// # Errors
/// When the configuration cannot be used.
pub fn guarded(mut config: Config, leadership: Leadership) -> Result<Client, Error> {
    config.connect_timeout = Some(Duration::from_secs(5));
    config.write_timeout = Some(DEADLINE);
    let builder = ClientBuilder::try_from(config)
        .map_err(|source| Error::new(CONFIGURE.to_owned(), source))?;
    let bounded = builder.with_layer(&ConcurrencyLimitLayer::new(REQUESTS));
    Ok(bounded.with_layer(&gate(leadership)).build())
}

/// Refuses every request that may write, unless this operator leads.
fn gate(
    leadership: Leadership,
) -> FilterLayer<impl Fn(Request<Body>) -> Result<Request<Body>, tower::BoxError> + Clone> {
    FilterLayer::new(move |request: Request<Body>| {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            leadership.may_write()?;
        }
        Ok(request)
    })
}

/// Why a call to the Kubernetes API failed. `what` says what was tried, on which object.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API answered and refused.
    #[error("{what}: {}", status.message)]
    Refused {
        /// What was tried.
        what: String,
        /// The API's answer.
        status: Box<Status>,
    },
    /// No answer in time.
    #[error("{what}: the Kubernetes API did not answer within {} s", .deadline.as_secs())]
    Deadline {
        /// What was tried.
        what: String,
        /// How long an answer was waited for.
        deadline: Duration,
    },
    /// A write that was not begun.
    #[error("{what}: {NotLeading}")]
    NotLeading {
        /// What was to be written.
        what: String,
    },
    /// The API cannot be reached.
    #[error("{what}: the Kubernetes API cannot be reached")]
    Down {
        /// What was tried.
        what: String,
        /// The failure.
        #[source]
        source: Box<kube::Error>,
    },
    /// The API's answer cannot be understood, or the request could not be built.
    #[error("{what}: the Kubernetes API's answer cannot be understood")]
    Garbled {
        /// What was tried.
        what: String,
        /// The failure.
        #[source]
        source: Box<kube::Error>,
    },
}

impl Error {
    fn new(what: String, source: kube::Error) -> Self {
        match source {
            kube::Error::Api(status) => Self::Refused { what, status },
            kube::Error::Service(source) if source.is::<NotLeading>() => Self::NotLeading { what },
            kube::Error::SerdeError(_)
            | kube::Error::BuildRequest(_)
            | kube::Error::HttpError(_)
            | kube::Error::FromUtf8(_) => Self::Garbled {
                what,
                source: Box::new(source),
            },
            _ => Self::Down {
                what,
                source: Box::new(source),
            },
        }
    }

    /// The class of the failure.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::Refused { status, .. } => match status.code {
                401 | 403 => Class::Denied,
                404 => Class::Waiting,
                409 => Class::Conflict,
                429 | 500.. => Class::Down,
                _ => Class::Invalid,
            },
            Self::Deadline { .. } | Self::Down { .. } => Class::Down,
            Self::NotLeading { .. } => Class::NotLeading,
            Self::Garbled { .. } => Class::Bug,
        }
    }

    /// The API's answer, when it gave one.
    #[must_use]
    pub fn status(&self) -> Option<&Status> {
        match self {
            Self::Refused { status, .. } => Some(status),
            _ => None,
        }
    }
}

/// Runs one call within [`DEADLINE`]. `what` says what is tried, on which object.
///
/// # Errors
/// When the API refuses or does not answer in time.
pub async fn bounded<T>(
    what: String,
    call: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, Error> {
    within(DEADLINE, what, call).await
}

async fn within<T>(
    deadline: Duration,
    what: String,
    call: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, Error> {
    match tokio::time::timeout(deadline, call).await {
        Ok(answer) => answer.map_err(|source| Error::new(what, source)),
        Err(_) => Err(Error::Deadline { what, deadline }),
    }
}

/// `verb Kind namespace/name`, as error messages begin.
fn what<K: kube::Resource<DynamicType = ()>>(verb: &str, namespace: &str, name: &str) -> String {
    format!("{verb} {} {namespace}/{name}", K::kind(&()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: u16) -> Error {
        let status = Status::failure("no", "Because").with_code(code);
        Error::new("get Pod a/b".into(), kube::Error::Api(status.boxed()))
    }

    #[test]
    fn every_refusal_has_a_class() {
        for (code, class) in [
            (400, Class::Invalid),
            (401, Class::Denied),
            (403, Class::Denied),
            (404, Class::Waiting),
            (409, Class::Conflict),
            (422, Class::Invalid),
            (429, Class::Down),
            (500, Class::Down),
            (503, Class::Down),
        ] {
            assert_eq!(refused(code).class(), class, "{code}");
        }
        assert_eq!(refused(403).to_string(), "get Pod a/b: no");
    }
}
