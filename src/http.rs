//! What every HTTP client of the operator has in common: it answers to nobody but the server that
//! it was given, reads no more than it was allowed, and says why a server could not be reached in
//! words that stay the same from try to try.

use std::{error::Error, fmt, io, time::Duration};

use reqwest::{Client, ClientBuilder, Response, redirect::Policy};

/// Settings of a client: no redirect is followed and no proxy is used, so that an answer comes
/// from the server that was asked or not at all. `deadline` is that of a whole call.
pub fn client(deadline: Duration) -> ClientBuilder {
    // reqwest wants one even where no TLS is spoken; a second call changes nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .timeout(deadline)
        .redirect(Policy::none())
        .no_proxy()
}

/// The body of an answer; `None` where it is longer than `longest` bytes.
///
/// # Errors
/// The connection broke off.
pub async fn body(mut answer: Response, longest: usize) -> reqwest::Result<Option<Vec<u8>>> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        if body.len() + chunk.len() > longest {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}

/// Why a server could not be reached: the kind of the failure without the address of a single
/// machine or a time, for it ends in conditions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The name has no address.
    NoSuchName,
    /// An error of the connection.
    Io(io::ErrorKind),
    /// The server's certificate is not trusted, or not valid.
    Certificate,
    /// No connection within its deadline.
    NoAnswer,
    /// The connection broke off in the middle of an answer.
    BrokenOff,
}

impl Cause {
    /// The cause of a client's error.
    #[must_use]
    pub fn of(error: &reqwest::Error) -> Self {
        let mut current = error.source();
        while let Some(cause) = current {
            if is_tls(cause) {
                return Self::Certificate;
            }
            if let Some(io) = cause.downcast_ref::<io::Error>()
                && io.kind() != io::ErrorKind::Other
            {
                return Self::Io(io.kind());
            }
            if cause.to_string().starts_with("dns error") {
                return Self::NoSuchName;
            }
            current = cause.source();
        }
        if error.is_timeout() {
            Self::NoAnswer
        } else {
            Self::BrokenOff
        }
    }
}

/// hyper wraps it in errors of std's, one within the other, whose inner ones the chain leaves out.
fn is_tls(error: &(dyn Error + 'static)) -> bool {
    let mut current = Some(error);
    while let Some(error) = current {
        if error.is::<rustls::Error>() {
            return true;
        }
        let wrapped = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        current = wrapped.map(|inner| inner as &(dyn Error + 'static));
    }
    false
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchName => f.write_str("its name has no address"),
            Self::Io(kind) => kind.fmt(f),
            Self::Certificate => f.write_str("its certificate is not trusted"),
            Self::NoAnswer => f.write_str("no answer in time"),
            Self::BrokenOff => f.write_str("the connection broke off"),
        }
    }
}
