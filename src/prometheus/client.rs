//! The one way to a Prometheus: builds the address of a query, proves who asks, and reads an answer
//! of bounded size within the deadline. Follows no redirect and uses no proxy.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use reqwest::{Response, StatusCode, Url, tls::Certificate};
use tokio::time::Instant;

use super::{Error, wire};
use crate::{
    http::{self, Cause},
    sensitive::Sensitive,
};

/// How long one query may take, connecting included.
const DEADLINE: Duration = Duration::from_secs(3);
/// Longest answer that is read, in bytes: one number needs less than 1 KiB, its labels included.
const MAX_ANSWER: usize = 64 << 10;
/// How long an idle connection is kept: longer than the usual interval between two queries.
const IDLE: Duration = Duration::from_secs(30);
/// A client with authorities of its own is kept for so long after its last use.
const KEEP: Duration = Duration::from_secs(300);

/// Who asks, and whom to trust; the default is nobody, and the public authorities.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Login {
    /// What proves who asks.
    pub proof: Option<Proof>,
    /// Authorities to trust, as PEM; `None` for those of the system.
    pub ca: Option<String>,
}

/// What proves who asks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Proof {
    /// A token, sent as it is.
    Bearer(Sensitive),
    /// A name and a password.
    Basic {
        /// Who asks.
        username: String,
        /// The password.
        password: Sensitive,
    },
}

impl Proof {
    const fn secret(&self) -> &Sensitive {
        match self {
            Self::Bearer(secret)
            | Self::Basic {
                password: secret, ..
            } => secret,
        }
    }
}

/// The HTTP clients, one for each set of authorities. Clones share them.
#[derive(Clone, Debug)]
pub struct Client {
    usual: reqwest::Client,
    trusting: Arc<Mutex<HashMap<String, (Instant, reqwest::Client)>>>,
    deadline: Duration,
}

impl Client {
    /// A client with the usual deadline of 3 s a query.
    ///
    /// # Errors
    /// [`Error::Client`] when the HTTP client cannot be made.
    pub fn new() -> Result<Self, Error> {
        Self::with_deadline(DEADLINE)
    }

    /// A client with another deadline for each query.
    ///
    /// # Errors
    /// [`Error::Client`] when the HTTP client cannot be made.
    pub fn with_deadline(deadline: Duration) -> Result<Self, Error> {
        let usual = http::client(deadline).pool_idle_timeout(IDLE).build();
        Ok(Self {
            usual: usual.map_err(|source| Error::Client { source })?,
            trusting: Arc::default(),
            deadline,
        })
    }

    /// The client that trusts these authorities. Another content of the Secret is another client.
    fn http(&self, server: &str, ca: Option<&String>) -> Result<reqwest::Client, Error> {
        let Some(ca) = ca else {
            return Ok(self.usual.clone());
        };
        let mut trusting = self.trusting.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        trusting.retain(|_, (used, _)| now.duration_since(*used) < KEEP);
        if let Some((used, client)) = trusting.get_mut(ca) {
            *used = now;
            return Ok(client.clone());
        }
        let unfit = || Error::Authorities {
            server: server.to_owned(),
        };
        let authorities = Certificate::from_pem_bundle(ca.as_bytes())
            .ok()
            .filter(|authorities| !authorities.is_empty())
            .ok_or_else(unfit)?;
        let client = http::client(self.deadline)
            .pool_idle_timeout(IDLE)
            .tls_certs_only(authorities)
            .build()
            .map_err(|_| unfit())?;
        trusting.insert(ca.clone(), (now, client.clone()));
        Ok(client)
    }

    /// Puts an instant query and returns the body of its answer; anything but success is an error.
    pub(super) async fn query(
        &self,
        server: &str,
        query: &str,
        login: &Login,
    ) -> Result<Vec<u8>, Error> {
        let http = self.http(server, login.ca.as_ref())?;
        let mut request = http.get(self.address(server, query)?);
        request = match &login.proof {
            None => request,
            Some(Proof::Bearer(token)) => request.bearer_auth(token.reveal()),
            Some(Proof::Basic { username, password }) => {
                request.basic_auth(username, Some(password.reveal()))
            }
        };
        let answer = request.send().await.map_err(|e| failed(server, e))?;
        let status = answer.status();
        let body = bounded(server, answer).await?;
        if status.is_success() {
            return Ok(body);
        }
        Err(refused(server, status, &body, login))
    }

    fn address(&self, server: &str, query: &str) -> Result<Url, Error> {
        let mut url = Url::parse(server)
            .ok()
            .filter(|url| ["http", "https"].contains(&url.scheme()) && url.has_host())
            .ok_or_else(|| Error::Address {
                server: server.to_owned(),
            })?;
        // An http address always has a path; there is nothing to do where it had none.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(["api", "v1", "query"]);
        }
        // Two series are as wrong as a thousand, and shorter; it need not go on once nobody waits.
        url.query_pairs_mut()
            .append_pair("query", query)
            .append_pair("limit", "2")
            .append_pair("timeout", &format!("{}ms", self.deadline.as_millis()));
        Ok(url)
    }
}

async fn bounded(server: &str, answer: Response) -> Result<Vec<u8>, Error> {
    let read = http::body(answer, MAX_ANSWER).await;
    let body = read.map_err(|error| failed(server, error))?;
    body.ok_or_else(|| Error::TooLong {
        server: server.to_owned(),
    })
}

fn failed(server: &str, source: reqwest::Error) -> Error {
    let server = server.to_owned();
    if source.is_timeout() && !source.is_connect() {
        return Error::TimedOut { server };
    }
    Error::Unreachable {
        server,
        cause: Cause::of(&source),
        // It would show the address of the call, with the query in it.
        source: source.without_url(),
    }
}

/// The error of an answer that is no success, with the server's own words where it gave them and
/// they do not give away what it was told.
fn refused(server: &str, status: StatusCode, body: &[u8], login: &Login) -> Error {
    let words = wire::complaint(body).unwrap_or_default();
    let secret = login.proof.as_ref().map(|proof| proof.secret().reveal());
    let words = match secret {
        Some(secret) if words.contains(secret) => String::new(),
        _ => words,
    };
    Error::of_status(server, status.as_u16(), words)
}
