//! The pod fields of a pipeline as Kubernetes' own types. Every pod that Sluice renders passes the
//! Pod Security level *restricted*, whatever the pipeline says: the security contexts are made
//! here and nowhere else. Conversions only; nothing here decides which pods there are.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1 as core,
    apimachinery::pkg::{
        api::resource::Quantity, apis::meta::v1::LabelSelector, util::intstr::IntOrString,
    },
};

use super::quantity;
use crate::api::pods::{
    EnvFrom, EnvVar, EnvVarSource, ImagePullPolicy, KeyRef, LocalRef, Port, Probe, Projected,
    Resources, TaintEffect, Toleration, TolerationOperator, TopologySpread, UnsatisfiableAction,
    Volume,
};

/// User and group of pods that name none: not 0, and not used by Debian's or Alpine's packages.
pub const DEFAULT_ID: i64 = 10_001;

/// `None` in place of an empty list: the apiserver does not store empty lists, and a rendered one
/// would look like a difference for ever.
#[must_use]
pub fn non_empty<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

/// `None` in place of an empty map, for the reason of [`non_empty`].
#[must_use]
pub fn non_empty_map<V>(map: BTreeMap<String, V>) -> Option<BTreeMap<String, V>> {
    (!map.is_empty()).then_some(map)
}

/// The security context of every pod: never root, the runtime's seccomp profile, and files of
/// volumes owned by `fs_group`. An id that is `None` becomes [`DEFAULT_ID`].
#[must_use]
pub fn pod_security_context(
    user: Option<i64>,
    group: Option<i64>,
    fs_group: Option<i64>,
) -> core::PodSecurityContext {
    core::PodSecurityContext {
        run_as_non_root: Some(true),
        run_as_user: Some(user.unwrap_or(DEFAULT_ID)),
        run_as_group: Some(group.unwrap_or(DEFAULT_ID)),
        fs_group: Some(fs_group.unwrap_or(DEFAULT_ID)),
        // A large claim is not walked through file by file at every start.
        fs_group_change_policy: Some("OnRootMismatch".to_owned()),
        seccomp_profile: Some(core::SeccompProfile {
            type_: "RuntimeDefault".to_owned(),
            localhost_profile: None,
        }),
        ..Default::default()
    }
}

/// The security context of every container: no capability, no way to gain one.
#[must_use]
pub fn container_security_context(read_only_root: bool) -> core::SecurityContext {
    core::SecurityContext {
        allow_privilege_escalation: Some(false),
        capabilities: Some(core::Capabilities {
            drop: Some(vec!["ALL".to_owned()]),
            add: None,
        }),
        read_only_root_filesystem: Some(read_only_root),
        run_as_non_root: Some(true),
        ..Default::default()
    }
}

/// The volumes of the pod and where the container sees each.
#[must_use]
pub fn volumes(volumes: &[Volume]) -> (Vec<core::Volume>, Vec<core::VolumeMount>) {
    volumes.iter().map(|v| (volume(v), mount(v))).unzip()
}

/// A name for a volume of ours: this one, or where a user's volume has it, a longer one.
#[must_use]
pub fn free_name(volumes: &[Volume], name: &str) -> String {
    let mut name = name.to_owned();
    while volumes.iter().any(|volume| volume.name == name) {
        name.push_str("-x");
    }
    name
}

fn volume(volume: &Volume) -> core::Volume {
    core::Volume {
        name: volume.name.clone(),
        config_map: volume
            .config_map
            .as_ref()
            .map(|r| core::ConfigMapVolumeSource {
                name: r.name.clone(),
                ..Default::default()
            }),
        secret: volume.secret.as_ref().map(|s| core::SecretVolumeSource {
            secret_name: Some(s.secret_name.clone()),
            ..Default::default()
        }),
        empty_dir: volume
            .empty_dir
            .as_ref()
            .map(|e| core::EmptyDirVolumeSource {
                size_limit: e.size_limit.as_deref().map(to_quantity),
                medium: None,
            }),
        persistent_volume_claim: volume.persistent_volume_claim.as_ref().map(|c| {
            core::PersistentVolumeClaimVolumeSource {
                claim_name: c.claim_name.clone(),
                read_only: volume.read_only.then_some(true),
            }
        }),
        projected: volume.projected.as_ref().map(projected),
        ..Default::default()
    }
}

fn projected(projected: &Projected) -> core::ProjectedVolumeSource {
    let sources = projected
        .sources
        .iter()
        .map(|source| core::VolumeProjection {
            secret: source.secret.as_ref().map(|r| core::SecretProjection {
                name: r.name.clone(),
                ..Default::default()
            }),
            config_map: source
                .config_map
                .as_ref()
                .map(|r| core::ConfigMapProjection {
                    name: r.name.clone(),
                    ..Default::default()
                }),
            ..Default::default()
        });
    core::ProjectedVolumeSource {
        sources: Some(sources.collect()),
        default_mode: None,
    }
}

fn mount(volume: &Volume) -> core::VolumeMount {
    core::VolumeMount {
        name: volume.name.clone(),
        mount_path: volume.mount_path.clone(),
        sub_path: volume.sub_path.clone(),
        read_only: volume.read_only.then_some(true),
        ..Default::default()
    }
}

/// Environment variables, in the order given.
#[must_use]
pub fn env(env: &[EnvVar]) -> Vec<core::EnvVar> {
    env.iter()
        .map(|variable| core::EnvVar {
            name: variable.name.clone(),
            value: variable.value.clone().filter(|v| !v.is_empty()),
            value_from: variable.value_from.as_ref().map(env_source),
        })
        .collect()
}

fn env_source(source: &EnvVarSource) -> core::EnvVarSource {
    core::EnvVarSource {
        secret_key_ref: source.secret_key_ref.as_ref().map(|KeyRef { name, key }| {
            core::SecretKeySelector {
                name: name.clone(),
                key: key.clone(),
                optional: None,
            }
        }),
        config_map_key_ref: source
            .config_map_key_ref
            .as_ref()
            .map(|KeyRef { name, key }| core::ConfigMapKeySelector {
                name: name.clone(),
                key: key.clone(),
                optional: None,
            }),
        ..Default::default()
    }
}

/// Whole Secrets and `ConfigMap`s as environment variables.
#[must_use]
pub fn env_from(sources: &[EnvFrom]) -> Vec<core::EnvFromSource> {
    sources
        .iter()
        .map(|source| core::EnvFromSource {
            prefix: source.prefix.clone(),
            secret_ref: source.secret_ref.as_ref().map(|r| core::SecretEnvSource {
                name: r.name.clone(),
                optional: None,
            }),
            config_map_ref: source
                .config_map_ref
                .as_ref()
                .map(|r| core::ConfigMapEnvSource {
                    name: r.name.clone(),
                    optional: None,
                }),
        })
        .collect()
}

/// Compute resources, in the apiserver's own spelling of quantities.
#[must_use]
pub fn resources(resources: &Resources) -> core::ResourceRequirements {
    core::ResourceRequirements {
        requests: non_empty_map(quantities(&resources.requests)),
        limits: non_empty_map(quantities(&resources.limits)),
        claims: None,
    }
}

fn quantities(by_name: &BTreeMap<String, String>) -> BTreeMap<String, Quantity> {
    by_name
        .iter()
        .map(|(name, text)| (name.clone(), to_quantity(text)))
        .collect()
}

fn to_quantity(text: &str) -> Quantity {
    Quantity(quantity::canonical(text))
}

/// A probe.
#[must_use]
pub fn probe(probe: &Probe) -> core::Probe {
    core::Probe {
        http_get: probe.http_get.as_ref().map(|get| core::HTTPGetAction {
            path: Some(get.path.clone()),
            port: IntOrString::Int(get.port),
            ..Default::default()
        }),
        tcp_socket: probe.tcp_socket.as_ref().map(|tcp| core::TCPSocketAction {
            port: IntOrString::Int(tcp.port),
            host: None,
        }),
        exec: probe.exec.as_ref().map(|exec| core::ExecAction {
            command: Some(exec.command.clone()),
        }),
        // 0 is the default and not stored.
        initial_delay_seconds: probe.initial_delay_seconds.filter(|s| *s > 0),
        period_seconds: probe.period_seconds,
        timeout_seconds: probe.timeout_seconds,
        failure_threshold: probe.failure_threshold,
        ..Default::default()
    }
}

/// Ports that the container listens on.
#[must_use]
pub fn ports(ports: &[Port]) -> Vec<core::ContainerPort> {
    ports
        .iter()
        .map(|port| core::ContainerPort {
            name: port.name.clone(),
            container_port: port.container_port,
            // Part of the list's key: without it the apiserver cannot merge the entry.
            protocol: Some("TCP".to_owned()),
            ..Default::default()
        })
        .collect()
}

/// Secrets to pull the image with.
#[must_use]
pub fn pull_secrets(secrets: &[LocalRef]) -> Vec<core::LocalObjectReference> {
    secrets
        .iter()
        .map(|secret| core::LocalObjectReference {
            name: secret.name.clone(),
        })
        .collect()
}

/// Kubernetes' word for a pull policy.
#[must_use]
pub const fn pull_policy(policy: ImagePullPolicy) -> &'static str {
    match policy {
        ImagePullPolicy::Always => "Always",
        ImagePullPolicy::IfNotPresent => "IfNotPresent",
        ImagePullPolicy::Never => "Never",
    }
}

/// Tolerations of taints.
#[must_use]
pub fn tolerations(tolerations: &[Toleration]) -> Vec<core::Toleration> {
    tolerations
        .iter()
        .map(|toleration| core::Toleration {
            key: toleration.key.clone().filter(|k| !k.is_empty()),
            operator: toleration.operator.map(|operator| {
                match operator {
                    TolerationOperator::Exists => "Exists",
                    TolerationOperator::Equal => "Equal",
                }
                .to_owned()
            }),
            value: toleration.value.clone().filter(|v| !v.is_empty()),
            effect: toleration.effect.map(|effect| {
                match effect {
                    TaintEffect::NoSchedule => "NoSchedule",
                    TaintEffect::PreferNoSchedule => "PreferNoSchedule",
                    TaintEffect::NoExecute => "NoExecute",
                }
                .to_owned()
            }),
            toleration_seconds: None,
        })
        .collect()
}

/// How the pods with these labels spread.
#[must_use]
pub fn topology_spread(
    constraints: &[TopologySpread],
    labels: &BTreeMap<String, String>,
) -> Vec<core::TopologySpreadConstraint> {
    constraints
        .iter()
        .map(|constraint| core::TopologySpreadConstraint {
            max_skew: constraint.max_skew,
            topology_key: constraint.topology_key.clone(),
            when_unsatisfiable: match constraint.when_unsatisfiable {
                UnsatisfiableAction::DoNotSchedule => "DoNotSchedule",
                UnsatisfiableAction::ScheduleAnyway => "ScheduleAnyway",
            }
            .to_owned(),
            label_selector: Some(LabelSelector {
                match_labels: Some(labels.clone()),
                match_expressions: None,
            }),
            ..Default::default()
        })
        .collect()
}
