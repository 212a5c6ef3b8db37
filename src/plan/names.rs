//! Every name that Sluice gives, derived from the pipeline alone: a pipeline that is deleted and
//! created again finds its own things under the same names. No UID, no random part.

use std::{collections::BTreeMap, fmt::Write as _};

use sha2::{Digest, Sha256};

use super::{Identity, Settings};

/// Field manager of everything but replica counts and status.
pub const MANAGER: &str = "sluice";
/// Field manager of replica counts.
pub const SCALER: &str = "sluice-scaler";
/// Label with the pipeline's name.
pub const PIPELINE_LABEL: &str = "sluice.dev/pipeline";
/// Label with the connector's name; absent on the Connect workers.
pub const CONNECTOR_LABEL: &str = "sluice.dev/connector";
/// Annotation with the digest of what was applied last.
pub const APPLIED_ANNOTATION: &str = "sluice.dev/applied";
/// Pod annotation with the digest of the Secrets and `ConfigMap`s that the pod reads.
pub const CONFIG_ANNOTATION: &str = "sluice.dev/config-digest";

/// Longest name of a connector in Connect; its sink group is `connect-` and this, and Kafka's
/// limit is 249.
const MAX_OUTSIDE: usize = 200;
/// Longest name of a child object: a DNS label, less what a controller appends to pods.
const MAX_CHILD: usize = 52;

/// The first 16 hex digits of SHA-256 over the parts, each ended by a zero byte so that
/// `("ab", "c")` and `("a", "bc")` differ.
#[must_use]
pub fn digest<S: AsRef<[u8]>>(parts: impl IntoIterator<Item = S>) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part.as_ref());
        hasher.update([0]);
    }
    let hash = hasher.finalize();
    hash.iter().take(8).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// `name`, cut and ended by a hash of the whole where it is longer than `max`.
fn shortened(name: &str, max: usize) -> String {
    if name.len() <= max {
        return name.to_owned();
    }
    let hash = digest([name]);
    let kept: String = name.chars().take(max - 9).collect();
    format!("{}-{}", kept.trim_end_matches(['-', '.']), &hash[..8])
}

/// Name of a connector in Connect's REST interface: `<namespace>.<pipeline>.<connector>`.
#[must_use]
pub fn outside(pipeline: Identity<'_>, connector: &str, settings: &Settings) -> String {
    let Identity {
        namespace, name, ..
    } = pipeline;
    let prefix = settings
        .cluster_name
        .as_ref()
        .map(|c| format!("{c}."))
        .unwrap_or_default();
    shortened(
        &format!("{prefix}{namespace}.{name}.{connector}"),
        MAX_OUTSIDE,
    )
}

/// Consumer group that Connect gives to a sink of this outside name.
#[must_use]
pub fn sink_group(outside: &str) -> String {
    format!("connect-{outside}")
}

/// `group.id` of the pipeline's Connect workers; the prefix of their internal topics.
#[must_use]
pub fn worker_group(pipeline: Identity<'_>, settings: &Settings) -> String {
    outside(pipeline, "_workers", settings)
}

/// Name of the Deployment of a container connector.
#[must_use]
pub fn deployment(pipeline: &str, connector: &str) -> String {
    shortened(&format!("{pipeline}-{connector}"), MAX_CHILD)
}

/// Name of the `Deployment`, Service, `ConfigMap` and `NetworkPolicy` of the Connect workers.
#[must_use]
pub fn workers(pipeline: &str) -> String {
    shortened(&format!("{pipeline}-connect"), MAX_CHILD)
}

/// Name of the `ConfigMap` that claims something outside the cluster for one pipeline.
#[must_use]
pub fn claim(cluster_id: &str, kind: &str, name: &str) -> String {
    format!("sluice-claim-{}", digest([cluster_id, kind, name]))
}

/// Labels that find every object of a pipeline, or of one of its connectors.
#[must_use]
pub fn selector(pipeline: &str, connector: Option<&str>) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::from([
        (
            "app.kubernetes.io/managed-by".to_owned(),
            "sluice".to_owned(),
        ),
        (PIPELINE_LABEL.to_owned(), pipeline.to_owned()),
    ]);
    if let Some(connector) = connector {
        labels.insert(CONNECTOR_LABEL.to_owned(), connector.to_owned());
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(cluster_name: Option<&str>) -> Settings {
        Settings {
            connect_image: "kafka".into(),
            cluster_name: cluster_name.map(Into::into),
            operator_namespace: "sluice".into(),
            deletion_deadline: std::time::Duration::from_secs(300),
            status_interval: std::time::Duration::from_secs(30),
            prometheus_servers: Vec::new(),
        }
    }

    fn pipeline<'a>(namespace: &'a str, name: &'a str) -> Identity<'a> {
        Identity {
            namespace,
            name,
            uid: "u",
        }
    }

    #[test]
    fn a_connector_is_named_after_namespace_pipeline_and_itself() {
        assert_eq!(
            outside(pipeline("plant", "p"), "csv", &settings(None)),
            "plant.p.csv"
        );
        assert_eq!(
            outside(pipeline("plant", "p"), "csv", &settings(Some("eu"))),
            "eu.plant.p.csv"
        );
    }

    #[test]
    fn two_pipelines_with_a_sink_of_one_name_never_share_a_group() {
        let group = |ns, name| sink_group(&outside(pipeline(ns, name), "sink", &settings(None)));
        assert_ne!(group("a", "p"), group("b", "p"));
        assert_ne!(group("a", "p"), group("a", "q"));
    }

    #[test]
    fn long_names_are_cut_and_stay_apart() {
        let long = "x".repeat(63);
        let one = deployment(&long, "aaaa");
        let other = deployment(&long, "bbbb");
        assert!(one.len() <= MAX_CHILD && other.len() <= MAX_CHILD);
        assert_ne!(one, other);
    }

    #[test]
    fn a_digest_knows_where_its_parts_end() {
        assert_ne!(digest(["ab", "c"]), digest(["a", "bc"]));
    }
}
