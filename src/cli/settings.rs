//! The operator's settings: flags with environment fallbacks, read once. Everything about a
//! workload is in its pipeline instead.

use std::{net::SocketAddr, str::FromStr, time::Duration};

use clap::{ArgAction, Args};
use jiff::Timestamp;
use reqwest::Url;

use crate::{k8s::lease, plan, telemetry::log::Format};

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
    /// Namespaces whose pipelines are worked on, separated by commas; empty for all.
    #[arg(
        long,
        env = "SLUICE_WATCH_NAMESPACES",
        default_value = "",
        hide_default_value = true
    )]
    watch_namespaces: Namespaces,
    /// Let one of several operators work, and the others stand by.
    #[arg(
        long,
        env = "SLUICE_LEADER_ELECTION",
        action = ArgAction::Set,
        default_value_t = false,
        default_missing_value = "true",
        num_args = 0..=1,
        require_equals = true
    )]
    leader_election: bool,
    /// Name of the Lease, in the operator's namespace, by which operators elect one.
    #[arg(long, env = "SLUICE_LEASE_NAME", default_value = "sluice")]
    lease_name: String,
    /// How long a leader may be silent before another operator takes over; 15s to 10m.
    #[arg(long, env = "SLUICE_LEASE_DURATION", default_value = "15s", value_parser = lease_duration)]
    lease_duration: Duration,
    /// Prefix of every name outside the cluster, where several clusters share a Kafka.
    #[arg(long, env = "SLUICE_CLUSTER_NAME", value_parser = cluster_name)]
    cluster_name: Option<String>,
    /// How long an unreachable Kafka may hold the deletion of a pipeline.
    #[arg(long, env = "SLUICE_DELETION_DEADLINE", default_value = "5m", value_parser = duration)]
    deletion_deadline: Duration,
    /// At most this often are measured numbers written into status.
    #[arg(long, env = "SLUICE_STATUS_INTERVAL", default_value = "30s", value_parser = duration)]
    status_interval: Duration,
    /// Addresses of the Prometheus servers that pipelines may have queries put to, separated by
    /// commas; empty for none.
    #[arg(
        long,
        env = "SLUICE_PROMETHEUS_SERVERS",
        default_value = "",
        hide_default_value = true
    )]
    prometheus_servers: Servers,
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

/// A list of namespaces, without repetitions.
#[derive(Clone, Debug)]
struct Namespaces(Vec<String>);

impl FromStr for Namespaces {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut names: Vec<String> = text.split(',').map(|name| name.trim().to_owned()).collect();
        names.retain(|name| !name.is_empty());
        names.sort();
        names.dedup();
        match names.iter().find(|name| !is_label(name, 63)) {
            Some(wrong) => Err(format!(
                "`{wrong}` is no namespace: use 1 to 63 lower-case letters, digits and '-'"
            )),
            None => Ok(Self(names)),
        }
    }
}

/// Addresses of HTTP servers.
#[derive(Clone, Debug)]
struct Servers(Vec<String>);

impl FromStr for Servers {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let listed = text.split(',').map(str::trim);
        let named = listed.filter(|server| !server.is_empty());
        named.map(server).collect::<Result<_, _>>().map(Self)
    }
}

fn server(text: &str) -> Result<String, String> {
    let is_plain = |url: &Url| {
        ["http", "https"].contains(&url.scheme())
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
    };
    match Url::parse(text) {
        Ok(url) if is_plain(&url) => Ok(text.to_owned()),
        _ => Err(format!(
            "`{text}` is no address of a server: write it as http://prometheus.monitoring.svc:9090, \
             without a user, a query or a fragment"
        )),
    }
}

impl RunArgs {
    /// The namespaces whose pipelines are worked on; none for all.
    pub fn watch_namespaces(&self) -> &[String] {
        &self.watch_namespaces.0
    }

    /// The part that leader election needs, where it is asked for. `identity` is this process's.
    pub fn lease(&self, identity: String, now: fn() -> Timestamp) -> Option<lease::Settings> {
        self.leader_election.then(|| lease::Settings {
            namespace: self.operator_namespace.clone(),
            name: self.lease_name.clone(),
            identity,
            duration: self.lease_duration,
            clock: lease::boot_clock,
            now,
        })
    }

    /// The part that planning needs.
    pub fn settings(&self) -> plan::Settings {
        plan::Settings {
            connect_image: self.connect_image.clone(),
            cluster_name: self.cluster_name.clone(),
            operator_namespace: self.operator_namespace.clone(),
            deletion_deadline: self.deletion_deadline,
            status_interval: self.status_interval,
            prometheus_servers: self.prometheus_servers.0.clone(),
        }
    }
}

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let parsed: Result<crate::api::common::Duration, _> = text.parse();
    parsed
        .map(crate::api::common::Duration::as_std)
        .map_err(|error| error.to_string())
}

fn lease_duration(text: &str) -> Result<Duration, String> {
    let duration = duration(text)?;
    let bounds = lease::SHORTEST..=Duration::from_secs(600);
    if !bounds.contains(&duration) {
        return Err("use a duration between 15s and 10m".to_owned());
    }
    Ok(duration)
}

fn is_label(text: &str, longest: usize) -> bool {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !text.is_empty() && text.len() <= longest && text.chars().all(fits)
}

fn cluster_name(text: &str) -> Result<String, String> {
    if !is_label(text, 32) {
        return Err("use 1 to 32 lower-case letters, digits and '-'".to_owned());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        run: RunArgs,
    }

    fn parse(flag: &str) -> Result<RunArgs, String> {
        let parsed = Command::try_parse_from(["sluice", flag]);
        parsed
            .map(|command| command.run)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn namespaces_are_listed_by_commas_and_none_means_all() {
        let named = |flag| parse(flag).unwrap().watch_namespaces().to_vec();
        assert_eq!(named("--watch-namespaces=b,a, b,"), ["a", "b"]);
        assert_eq!(named("--watch-namespaces="), [""; 0]);
        let wrong = parse("--watch-namespaces=a,B").err().unwrap();
        assert!(wrong.contains("`B` is no namespace"), "{wrong}");
    }

    #[test]
    fn prometheus_servers_are_plain_addresses() {
        let listed = |flag: &str| parse(flag).map(|args| args.settings().prometheus_servers);
        let flag = "--prometheus-servers=http://a:9090, https://b/p/";
        assert_eq!(listed(flag).unwrap(), ["http://a:9090", "https://b/p/"]);
        assert!(listed("--prometheus-servers=").unwrap().is_empty());
        for wrong in [
            "file:///etc/passwd",
            "a:9090",
            "http://u:p@a",
            "http://a?x",
            "http://",
        ] {
            let said = listed(&format!("--prometheus-servers={wrong}")).unwrap_err();
            assert!(said.contains("is no address of a server"), "{said}");
        }
    }

    #[test]
    fn a_lease_is_long_enough_for_a_write_to_end_in_it() {
        let lease = |flag| {
            let args = parse(flag).ok()?;
            args.lease("a".into(), || Timestamp::UNIX_EPOCH)
        };
        assert!(lease("--leader-election").is_some());
        assert!(lease("--leader-election=true").is_some());
        assert!(lease("--leader-election=false").is_none());
        for wrong in ["14s", "11m"] {
            let said = parse(&format!("--lease-duration={wrong}")).err().unwrap();
            assert!(said.contains("between 15s and 10m"), "{said}");
        }
    }
}
