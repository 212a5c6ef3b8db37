//! Every right that the operator needs: what the chart grants and what `sluice check` asks for. A
//! test compares it with the chart's rules.

/// The custom resource definition's name.
pub const DEFINITION: &str = "ingestionpipelines.sluice.dev";

/// The Lease's name, unless `--lease-name` says otherwise.
const LEASE: &str = "sluice";

/// Where a right is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// On the cluster as a whole.
    Cluster,
    /// In every namespace with pipelines.
    Pipelines,
    /// In the operator's own namespace.
    Operator,
}

/// Verbs on one kind of object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Right {
    /// API group; empty for the core group.
    pub group: &'static str,
    /// Resource, in the plural; with its subresource, `deployments/scale`.
    pub resource: &'static str,
    /// The one object that it is limited to.
    pub name: Option<&'static str>,
    /// Verbs.
    pub verbs: &'static [&'static str],
    /// Where.
    pub place: Place,
}

const fn of_pipelines(
    group: &'static str,
    resource: &'static str,
    verbs: &'static [&'static str],
) -> Right {
    Right {
        group,
        resource,
        name: None,
        verbs,
        place: Place::Pipelines,
    }
}

const fn in_operator(
    group: &'static str,
    resource: &'static str,
    name: Option<&'static str>,
    verbs: &'static [&'static str],
) -> Right {
    Right {
        group,
        resource,
        name,
        verbs,
        place: Place::Operator,
    }
}

/// All of them.
pub const RIGHTS: &[Right] = &[
    Right {
        group: "apiextensions.k8s.io",
        resource: "customresourcedefinitions",
        name: Some(DEFINITION),
        verbs: &["get"],
        place: Place::Cluster,
    },
    of_pipelines(
        "sluice.dev",
        "ingestionpipelines",
        &["list", "watch", "patch"],
    ),
    of_pipelines("sluice.dev", "ingestionpipelines/status", &["patch"]),
    of_pipelines("sluice.dev", "ingestionpipelines/finalizers", &["update"]),
    of_pipelines(
        "apps",
        "deployments",
        &["get", "list", "watch", "create", "patch", "delete"],
    ),
    of_pipelines("apps", "deployments/scale", &["patch"]),
    of_pipelines("", "pods", &["list"]),
    of_pipelines("", "services", &["get", "create", "patch", "delete"]),
    of_pipelines("", "configmaps", &["get", "create", "patch", "delete"]),
    of_pipelines(
        "networking.k8s.io",
        "networkpolicies",
        &["get", "create", "patch", "delete"],
    ),
    of_pipelines("", "secrets", &["get"]),
    of_pipelines("events.k8s.io", "events", &["create", "patch"]),
    of_pipelines("autoscaling", "horizontalpodautoscalers", &["list"]),
    of_pipelines("keda.sh", "scaledobjects", &["list"]),
    in_operator(
        "",
        "configmaps",
        None,
        &["get", "list", "create", "patch", "deletecollection"],
    ),
    in_operator("coordination.k8s.io", "leases", None, &["create"]),
    in_operator(
        "coordination.k8s.io",
        "leases",
        Some(LEASE),
        &["get", "update"],
    ),
    in_operator("events.k8s.io", "events", None, &["create"]),
];
