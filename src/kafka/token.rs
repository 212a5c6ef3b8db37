//! Tokens for `OAUTHBEARER`, by OAuth 2.0 client credentials (RFC 6749 section 4.4): asks the token
//! endpoint when a login may need a new one, and keeps it until most of its life is over.
//!
//! Asked here and not by librdkafka, whose own way needs libcurl and says less when it is refused.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use reqwest::{Client, StatusCode, tls::Certificate};
use serde::Deserialize;
use tokio::time::Instant;

use super::security::{ClientCredentials, Sensitive};
use crate::http::{self, Cause};

/// How long the token endpoint may take to answer.
const DEADLINE: Duration = Duration::from_secs(5);
/// Longest answer that is read, in bytes.
const MAX_ANSWER: usize = 1 << 20;
/// Life of a token whose endpoint does not say.
const UNSAID: u64 = 300;
/// Longest life that is believed: a day.
const LONGEST: u64 = 24 * 3600;

/// A token, and until when it serves.
#[derive(Clone, Debug)]
pub(super) struct Token {
    /// The token itself.
    pub value: Sensitive,
    /// Tells it from others of this process.
    pub number: u64,
    /// Until when it serves, in milliseconds since 1970.
    pub expires: i64,
    asked: Instant,
    life: Duration,
}

impl Token {
    /// Another one should be asked for: four fifths of its life are over.
    pub fn is_due(&self) -> bool {
        self.asked.elapsed() > self.life.mul_f64(0.8)
    }

    /// Its life is over.
    pub fn is_over(&self) -> bool {
        self.asked.elapsed() >= self.life
    }
}

/// Why there is no token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// The endpoint could not be asked.
    #[error("the token endpoint {url} cannot be reached: {reason}")]
    Unreachable {
        /// The endpoint.
        url: String,
        /// In words that stay the same from try to try.
        reason: String,
    },
    /// The endpoint gives this client no token.
    #[error("the token endpoint {url} refused client `{client_id}`: {answer}")]
    Refused {
        /// The endpoint.
        url: String,
        /// Who asked.
        client_id: String,
        /// The endpoint's word for it, such as `invalid_client`, or the status of its answer.
        answer: String,
    },
    /// The answer is no token.
    #[error("the answer of the token endpoint {url} holds no token")]
    NoToken {
        /// The endpoint.
        url: String,
    },
}

#[derive(Deserialize)]
struct Answer {
    access_token: String,
    expires_in: Option<f64>,
}

/// An error's answer (RFC 6749 section 5.2).
#[derive(Deserialize)]
struct Refusal {
    error: String,
}

/// Asks for a token.
pub(super) async fn fetch(credentials: &ClientCredentials) -> Result<Token, TokenError> {
    let url = &credentials.token_endpoint_url;
    let mut form = vec![("grant_type", "client_credentials")];
    if let Some(scope) = &credentials.scope {
        form.push(("scope", scope.as_str()));
    }
    let asked = http(credentials)?
        .post(url)
        .basic_auth(
            &credentials.client_id,
            Some(credentials.client_secret.reveal()),
        )
        .form(&form)
        .send()
        .await
        .map_err(|error| unreachable(url, &error))?;
    let status = asked.status();
    let body = http::body(asked, MAX_ANSWER)
        .await
        .map_err(|error| unreachable(url, &error))?
        .unwrap_or_default();
    if !status.is_success() {
        return Err(TokenError::Refused {
            url: url.clone(),
            client_id: credentials.client_id.clone(),
            answer: refusal(status, &body),
        });
    }
    let answer: Answer =
        serde_json::from_slice(&body).map_err(|_| TokenError::NoToken { url: url.clone() })?;
    Ok(token(answer))
}

fn token(answer: Answer) -> Token {
    static NUMBER: AtomicU64 = AtomicU64::new(1);
    let said = answer.expires_in.filter(|seconds| seconds.is_finite());
    let life = said.map_or(Duration::from_secs(UNSAID), |seconds| {
        Duration::from_secs(LONGEST).min(Duration::from_secs_f64(seconds.clamp(1.0, 1e9)))
    });
    Token {
        value: Sensitive::new(answer.access_token),
        number: NUMBER.fetch_add(1, Ordering::Relaxed),
        expires: now_millis().saturating_add(i64::try_from(life.as_millis()).unwrap_or(i64::MAX)),
        asked: Instant::now(),
        life,
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "librdkafka takes the end of a token's life as a time of day"
)]
fn now_millis() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// A client for one request: tokens are rare, and an idle connection would outlive its use.
fn http(credentials: &ClientCredentials) -> Result<Client, TokenError> {
    let unfit = || TokenError::Unreachable {
        url: credentials.token_endpoint_url.clone(),
        reason: "the certificates to trust cannot be used".to_owned(),
    };
    let mut builder = http::client(DEADLINE);
    if let Some(ca) = &credentials.ca {
        let trusted = Certificate::from_pem_bundle(ca.as_bytes()).map_err(|_| unfit())?;
        builder = builder.tls_certs_only(trusted);
    }
    builder.build().map_err(|_| unfit())
}

/// The endpoint's own word, where it is one: never more of a body that could hold anything.
fn refusal(status: StatusCode, body: &[u8]) -> String {
    let word = serde_json::from_slice(body)
        .ok()
        .map(|Refusal { error }| error)
        .filter(|word| {
            word.len() <= 64 && word.chars().all(|c| c.is_ascii_lowercase() || c == '_')
        });
    word.unwrap_or_else(|| format!("HTTP status {}", status.as_u16()))
}

fn unreachable(url: &str, error: &reqwest::Error) -> TokenError {
    TokenError::Unreachable {
        url: url.to_owned(),
        reason: Cause::of(error).to_string(),
    }
}
