//! `autoscaling.metrics`: series beside those that are always there, from Prometheus or computed
//! from others. Field names for Prometheus are KEDA's. Wire types and admission rules only.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    kafka::CaRef,
    pods::{KeyRef, LocalRef},
};

/// What the name of a series may be: an identifier as expressions know them.
pub(super) const SERIES_NAME: &str = "^[a-zA-Z_][a-zA-Z0-9_]*$";

/// A further series: a name that policies and expressions use, and exactly one source.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.prometheus) != has(self.expression)")
        .message("a metric has exactly one of prometheus and expression: split it into two"),
    validation = Rule::new("!(self.name in ['lag', 'timeLag', 'arrivalRate', 'consumeRate', 'laggingPartitions'])")
        .message("the series lag, timeLag, arrivalRate, consumeRate and laggingPartitions are always there: choose another name"),
    validation = Rule::new("!(self.name in ['true', 'false', 'null', 'in'])")
        .message("true, false, null and in mean something else in expressions: choose another name")
)]
pub struct SeriesSource {
    /// The series' name, unique within the block: letters, digits and underscores.
    #[schemars(length(min = 1, max = 63), regex(pattern = SERIES_NAME))]
    pub name: String,
    /// The answer of a Prometheus, or of a server that speaks its API, to one query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prometheus: Option<Prometheus>,
    /// A number in CEL over `lag`, `timeLag`, `arrivalRate`, `consumeRate`, `laggingPartitions` and
    /// the metrics above this one, such as `lag / consumeRate`. It knows numbers, `+ - * /`,
    /// comparisons, `&& || !`, `?:`, `min` and `max`; every number is a double. Without a value
    /// while one of its series has none, or where it divides by zero.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub expression: Option<String>,
}

/// An instant query to a Prometheus.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.authentication) || !has(self.authentication.caSecretRef) || self.serverAddress.startsWith('https://')")
        .message("authentication.caSecretRef is for an https address: change serverAddress, or remove it"),
    validation = Rule::new("!has(self.authentication) || !(has(self.authentication.bearerTokenSecretRef) && has(self.authentication.basicAuthSecretRef))")
        .message("authentication has at most one of bearerTokenSecretRef and basicAuthSecretRef: remove one")
)]
pub struct Prometheus {
    /// Where the server is, such as `http://prometheus.monitoring.svc:9090`: one of those that the
    /// operator was told it may ask (`--prometheus-servers`). With a path in front of
    /// `/api/v1/query` where it has one.
    #[schemars(
        length(min = 8, max = 512),
        regex(pattern = r#"^https?://[^\s,"'\\@?#]+$"#)
    )]
    pub server_address: String,
    /// The query, in `PromQL`. It must yield a scalar or exactly one series.
    #[schemars(length(min = 1, max = 2048))]
    pub query: String,
    /// Who asks, and which authorities to trust, by Secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authentication: Option<PrometheusAuthentication>,
}

/// Who asks a Prometheus, and which authorities to trust, by Secrets of the pipeline's namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PrometheusAuthentication {
    /// A key of a Secret with a token, sent as `Authorization: Bearer`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bearer_token_secret_ref: Option<KeyRef>,
    /// A Secret with the keys `username` and `password`, as those of the type
    /// `kubernetes.io/basic-auth` have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basic_auth_secret_ref: Option<LocalRef>,
    /// The authorities to trust, as PEM; left out, the usual public ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_secret_ref: Option<CaRef>,
}
