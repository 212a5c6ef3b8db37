//! The operator's settings: flags with environment fallbacks, read once. Everything about a
//! workload is in its pipeline instead.

use std::{net::SocketAddr, time::Duration};

use clap::Args;

use crate::{plan, telemetry::log::Format};

/// Image of Kafka Connect workers, unless the operator or the pipeline names another.
pub const CONNECT_IMAGE: &str = "sluice/kafka:4.3.1";

/// Flags of `sluice run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Namespace that the operator runs in; claims are kept there.
    #[arg(
        long,
        env = "SLUICE_OPERATOR_NAMESPACE",
        default_value = "sluice-system"
    )]
    operator_namespace: String,
    /// Image of Kafka Connect workers of pipelines that name none.
    #[arg(
        long,
        env = "SLUICE_CONNECT_IMAGE",
        default_value = CONNECT_IMAGE
    )]
    connect_image: String,
    /// Prefix of every name outside the cluster, where several clusters share a Kafka.
    #[arg(long, env = "SLUICE_CLUSTER_NAME", value_parser = cluster_name)]
    cluster_name: Option<String>,
    /// How long an unreachable Kafka may hold the deletion of a pipeline.
    #[arg(long, env = "SLUICE_DELETION_DEADLINE", default_value = "5m", value_parser = duration)]
    deletion_deadline: Duration,
    /// At most this often are measured numbers written into status.
    #[arg(long, env = "SLUICE_STATUS_INTERVAL", default_value = "30s", value_parser = duration)]
    status_interval: Duration,
    /// Address of metrics, health and live values.
    #[arg(long, env = "SLUICE_HTTP_ADDRESS", default_value = "0.0.0.0:8080")]
    pub http_address: SocketAddr,
    /// Name of this pod, which tells operators apart in events.
    #[arg(long, env = "SLUICE_POD_NAME")]
    pub pod_name: Option<String>,
    /// How log lines look.
    #[arg(long, env = "SLUICE_LOG_FORMAT", default_value = "text")]
    pub log_format: Format,
    /// A level, `info`, or directives, `info,sluice=debug`.
    #[arg(
        long,
        env = "SLUICE_LOG_LEVEL",
        default_value = "info,kube=warn,librdkafka=warn"
    )]
    pub log_level: String,
}

impl RunArgs {
    /// The part that planning needs.
    pub fn settings(&self) -> plan::Settings {
        plan::Settings {
            connect_image: self.connect_image.clone(),
            cluster_name: self.cluster_name.clone(),
            operator_namespace: self.operator_namespace.clone(),
            deletion_deadline: self.deletion_deadline,
            status_interval: self.status_interval,
        }
    }
}

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let parsed: Result<crate::api::common::Duration, _> = text.parse();
    parsed
        .map(crate::api::common::Duration::as_std)
        .map_err(|error| error.to_string())
}

fn cluster_name(text: &str) -> Result<String, String> {
    let label = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if text.is_empty() || text.len() > 32 || !text.chars().all(label) {
        return Err("use 1 to 32 lower-case letters, digits and '-'".to_owned());
    }
    Ok(text.to_owned())
}
