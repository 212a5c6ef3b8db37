//! The one way to Connect's REST interface: builds the address of a call, sends it, and reads an
//! answer of bounded size within the deadline. Follows no redirect and uses no proxy: an answer
//! comes from the workers or not at all.

use std::time::Duration;

use reqwest::{Method, Response, Url};
use serde::{Serialize, de::DeserializeOwned};

use super::{Error, wire};
use crate::http::{self, Cause};

/// How long one call may take, connecting included.
const DEADLINE: Duration = Duration::from_secs(10);
/// How long a connection may take to open.
const CONNECT_DEADLINE: Duration = Duration::from_secs(3);
/// Longest answer that is read, in bytes: 32 connectors of 256 keys fit several times over.
const MAX_ANSWER: usize = 4 << 20;
/// How long an idle connection is kept: longer than the usual interval between two looks would
/// only keep connections to workers that are gone.
const IDLE: Duration = Duration::from_secs(30);

/// The HTTP client, shared by all worker groups. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
}

impl Client {
    /// A client with the usual deadline of 10 s a call.
    ///
    /// # Errors
    /// [`Error::Client`] when the HTTP client cannot be made.
    pub fn new() -> Result<Self, Error> {
        Self::with_deadline(DEADLINE)
    }

    /// A client with another deadline for each call.
    ///
    /// # Errors
    /// [`Error::Client`] when the HTTP client cannot be made.
    pub fn with_deadline(deadline: Duration) -> Result<Self, Error> {
        let http = http::client(deadline)
            .connect_timeout(CONNECT_DEADLINE.min(deadline))
            .pool_idle_timeout(IDLE)
            .build()
            .map_err(|source| Error::Client { source })?;
        Ok(Self { http })
    }

    /// The REST interface at `base`, such as `http://readings-connect.plant.svc:8083`.
    ///
    /// # Errors
    /// [`Error::Address`] when `base` is no `http` address.
    pub fn endpoint(&self, base: &str) -> Result<Endpoint, Error> {
        let url = Url::parse(base)
            .ok()
            .filter(|url| url.scheme() == "http" && url.has_host())
            .ok_or_else(|| Error::Address { base: base.into() })?;
        Ok(Endpoint {
            http: self.http.clone(),
            url,
            base: base.trim_end_matches('/').to_owned(),
        })
    }
}

/// The REST interface of one worker group.
#[derive(Clone, Debug)]
pub struct Endpoint {
    http: reqwest::Client,
    url: Url,
    base: String,
}

/// One call: what it is called in messages, and where it goes.
pub(super) struct Call<'a> {
    /// What is asked for, in words that finish "Kafka Connect did not answer ...".
    pub what: &'static str,
    pub method: Method,
    /// Segments of the path; each is encoded, so that a name may hold anything.
    pub path: &'a [&'a str],
    pub query: &'a [(&'a str, &'a str)],
}

impl Endpoint {
    /// The address, as given.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Sends a call without a body and reads its JSON.
    pub(super) async fn get<T: DeserializeOwned>(&self, call: Call<'_>) -> Result<T, Error> {
        let (what, body) = (call.what, self.send(call, None::<&()>).await?);
        self.decode(what, &body)
    }

    /// Sends a call with a JSON body and reads its JSON.
    pub(super) async fn exchange<T: DeserializeOwned>(
        &self,
        call: Call<'_>,
        body: &impl Serialize,
    ) -> Result<T, Error> {
        let (what, body) = (call.what, self.send(call, Some(body)).await?);
        self.decode(what, &body)
    }

    /// Sends a call and returns the body of its answer; anything but success is an error.
    pub(super) async fn send(
        &self,
        call: Call<'_>,
        body: Option<&impl Serialize>,
    ) -> Result<Vec<u8>, Error> {
        let mut request = self.http.request(call.method.clone(), self.address(&call));
        if let Some(body) = body {
            request = request.json(body);
        }
        let failed = |source: reqwest::Error| self.failed(call.what, source);
        let response = request.send().await.map_err(failed)?;
        let status = response.status();
        let body = self.bounded(call.what, response).await?;
        if status.is_success() {
            return Ok(body);
        }
        Err(self.refused(call.what, status.as_u16(), &body))
    }

    fn address(&self, call: &Call<'_>) -> Url {
        let mut url = self.url.clone();
        // An http address always has a path; there is nothing to do where it had none.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(call.path);
        }
        if !call.query.is_empty() {
            url.query_pairs_mut().extend_pairs(call.query);
        }
        url
    }

    async fn bounded(&self, what: &'static str, response: Response) -> Result<Vec<u8>, Error> {
        let read = http::body(response, MAX_ANSWER).await;
        let body = read.map_err(|source| self.failed(what, source))?;
        body.ok_or_else(|| Error::TooLong {
            base: self.base.clone(),
            what,
        })
    }

    fn decode<T: DeserializeOwned>(&self, what: &'static str, body: &[u8]) -> Result<T, Error> {
        serde_json::from_slice(body).map_err(|_| self.foreign(what))
    }

    fn foreign(&self, what: &'static str) -> Error {
        Error::NotConnect {
            base: self.base.clone(),
            what,
        }
    }

    fn failed(&self, what: &'static str, source: reqwest::Error) -> Error {
        let base = self.base.clone();
        if source.is_timeout() && !source.is_connect() {
            return Error::TimedOut { base, what };
        }
        Error::Unreachable {
            base,
            cause: Cause::of(&source),
            source,
        }
    }

    /// The error of an answer that is no success, with Connect's own words where it gave them.
    fn refused(&self, what: &'static str, status: u16, body: &[u8]) -> Error {
        let Some(words) = wire::complaint(body) else {
            return match status {
                // A worker that starts or stops answers without words.
                401 | 403 | 404 | 409 | 500.. => Error::of_status(&self.base, what, status, ""),
                _ => self.foreign(what),
            };
        };
        Error::of_status(&self.base, what, status, &words)
    }
}
