//! Where Kafka is, and how to prove who asks: TLS and SASL, with every secret byte in a Secret of
//! the pipeline's own namespace. Wire types only.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::pods::{DATA_KEY, DNS_SUBDOMAIN, LocalRef};

/// The Kafka cluster of a pipeline.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Kafka {
    /// `host:port` of one or more brokers, separated by commas.
    #[schemars(
        length(min = 3, max = 1024),
        regex(pattern = r"^[^\s,:/]+:[0-9]{1,5}(,[^\s,:/]+:[0-9]{1,5})*$")
    )]
    pub bootstrap_servers: String,
    /// Encrypts the connection; `{}` trusts the usual public authorities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// Logs in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sasl: Option<Sasl>,
}

/// TLS to the brokers. Host names are always verified.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Tls {
    /// The authorities to trust, as PEM; left out, the usual public ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_secret_ref: Option<CaRef>,
    /// This side's certificate and key, for mutual TLS: a Secret of the type `kubernetes.io/tls`,
    /// with the keys `tls.crt` and `tls.key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret_ref: Option<LocalRef>,
}

/// A key of a Secret that holds certificates of authorities.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct CaRef {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253), regex(pattern = DNS_SUBDOMAIN))]
    pub name: String,
    /// Key in its data.
    #[serde(default = "ca_key")]
    #[schemars(length(min = 1, max = 253), regex(pattern = DATA_KEY))]
    pub key: String,
}

fn ca_key() -> String {
    "ca.crt".to_owned()
}

/// A login by SASL.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("(self.mechanism == 'OAUTHBEARER') == has(self.oauthbearer)")
        .message("set oauthbearer exactly where the mechanism is OAUTHBEARER")
)]
pub struct Sasl {
    /// How the login is proven.
    pub mechanism: SaslMechanism,
    /// The Secret with the keys `username` and `password`; for `OAUTHBEARER` `client-id` and
    /// `client-secret`.
    pub secret_ref: LocalRef,
    /// Where tokens come from, for `OAUTHBEARER`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oauthbearer: Option<OauthBearer>,
}

/// The SASL mechanisms, in Kafka's words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum SaslMechanism {
    /// The password itself is sent: only over TLS.
    #[serde(rename = "PLAIN")]
    Plain,
    /// A salted challenge with SHA-256.
    #[serde(rename = "SCRAM-SHA-256")]
    ScramSha256,
    /// A salted challenge with SHA-512.
    #[default]
    #[serde(rename = "SCRAM-SHA-512")]
    ScramSha512,
    /// A token of an identity provider, by OAuth 2.0 client credentials.
    #[serde(rename = "OAUTHBEARER")]
    OauthBearer,
}

impl SaslMechanism {
    /// Kafka's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
            Self::OauthBearer => "OAUTHBEARER",
        }
    }
}

/// Where tokens come from (OAuth 2.0, RFC 6749 section 4.4).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OauthBearer {
    /// The identity provider's token endpoint.
    #[schemars(
        length(min = 8, max = 1024),
        regex(pattern = r#"^https?://[^\s,"'\\$@]+$"#)
    )]
    pub token_endpoint_url: String,
    /// The scope to ask for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 256),
        regex(pattern = r#"^[^\s"'\\$][^"'\\$]*$"#)
    )]
    pub scope: Option<String>,
    /// The authorities to trust for the token endpoint, as PEM; left out, the usual public ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_secret_ref: Option<CaRef>,
}
