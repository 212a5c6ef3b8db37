//! The pod of a Connect worker: restricted, with a read-only root, a heap of half its memory limit
//! and probes on the REST interface. Renders; decides nothing.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::{
        Affinity, ConfigMapVolumeSource, Container, ContainerPort, EmptyDirVolumeSource, EnvVar,
        EnvVarSource, HTTPGetAction, ObjectFieldSelector, PodAffinityTerm, PodAntiAffinity,
        PodSpec, PodTemplateSpec, Probe, Volume, VolumeMount, WeightedPodAffinityTerm,
    },
    apimachinery::pkg::{
        apis::meta::v1::{LabelSelector, ObjectMeta},
        util::intstr::IntOrString,
    },
};

use super::{
    Request,
    objects::labels,
    properties::{POD_IP, REST_PORT},
};
use crate::plan::{
    connectors::{kafka_client, pods},
    names,
};

/// Key of the `ConfigMap`, and name of the file, with the worker's properties.
pub(super) const FILE: &str = "worker.properties";
/// Where the file is mounted.
const FOLDER: &str = "/etc/sluice/connect";
/// Seconds from SIGTERM to SIGKILL: tasks flush and commit, and the worker leaves its group.
const GRACE_SECONDS: i64 = 60;

/// The pod template; `digest` stands for everything that the pod reads when it starts.
pub(super) fn template(request: &Request<'_>, digest: String) -> PodTemplateSpec {
    let labels = labels(request.pipeline.name);
    let annotation = (names::CONFIG_ANNOTATION.to_owned(), digest);
    PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(labels.clone()),
            annotations: Some(BTreeMap::from([annotation])),
            ..Default::default()
        }),
        spec: Some(pod(request, labels)),
    }
}

fn pod(request: &Request<'_>, labels: BTreeMap<String, String>) -> PodSpec {
    let (mut volumes, mut mounts) = pods::volumes(&request.workers.volumes);
    let name = pods::free_name(&request.workers.volumes, "sluice-kafka");
    let kafka = kafka_client::volume(&request.spec.kafka, name);
    for (volume, mount) in own_volumes(request).into_iter().chain(kafka) {
        volumes.push(volume);
        mounts.push(mount);
    }
    PodSpec {
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        termination_grace_period_seconds: Some(GRACE_SECONDS),
        security_context: Some(pods::pod_security_context(None, None, None)),
        affinity: Some(apart(labels)),
        volumes: Some(volumes),
        containers: vec![container(request, mounts)],
        ..Default::default()
    }
}

/// The worker's own volumes: its properties, and a folder for what Java and plugins unpack. Where a
/// user's volume has the same name, ours takes another.
fn own_volumes(request: &Request<'_>) -> [(Volume, VolumeMount); 2] {
    let free = |name: &str| pods::free_name(&request.workers.volumes, name);
    let (config, temporary) = (free("sluice-config"), free("sluice-tmp"));
    [
        (
            Volume {
                name: config.clone(),
                config_map: Some(ConfigMapVolumeSource {
                    name: names::workers(request.pipeline.name),
                    ..Default::default()
                }),
                ..Default::default()
            },
            VolumeMount {
                name: config,
                mount_path: FOLDER.to_owned(),
                read_only: Some(true),
                ..Default::default()
            },
        ),
        (
            Volume {
                name: temporary.clone(),
                empty_dir: Some(EmptyDirVolumeSource::default()),
                ..Default::default()
            },
            VolumeMount {
                name: temporary,
                mount_path: "/tmp".to_owned(),
                ..Default::default()
            },
        ),
    ]
}

fn container(request: &Request<'_>, mounts: Vec<VolumeMount>) -> Container {
    Container {
        name: "worker".to_owned(),
        image: Some(request.image().to_owned()),
        args: Some(vec!["connect".to_owned(), format!("{FOLDER}/{FILE}")]),
        env: Some(environment(request)),
        ports: Some(vec![ContainerPort {
            name: Some("rest".to_owned()),
            container_port: REST_PORT,
            protocol: Some("TCP".to_owned()),
            ..Default::default()
        }]),
        resources: Some(pods::resources(&request.workers.resources)),
        security_context: Some(pods::container_security_context(true)),
        // Reading the plugins may take minutes on a busy node.
        startup_probe: Some(probe("/", 2, 150)),
        // Without the herder: a worker that waits for Kafka is alive, and a restart helps nobody.
        liveness_probe: Some(probe("/", 10, 6)),
        // Since Kafka 3.9: ready once it has joined its group and read its connectors.
        readiness_probe: Some(probe("/health", 5, 3)),
        volume_mounts: Some(mounts),
        ..Default::default()
    }
}

/// Java takes a quarter of the memory limit by itself. Without a limit a share would be one of the
/// whole node.
fn environment(request: &Request<'_>) -> Vec<EnvVar> {
    let heap = if request.workers.resources.limits.contains_key("memory") {
        "-XX:InitialRAMPercentage=25 -XX:MaxRAMPercentage=50"
    } else {
        "-Xms128m -Xmx384m"
    };
    let options = kafka_client::java_options(&request.spec.kafka);
    let literal = |(name, value): (&str, String)| EnvVar {
        name: name.to_owned(),
        value: Some(value),
        value_from: None,
    };
    let mut env = vec![literal(("KAFKA_HEAP_OPTS", heap.to_owned()))];
    env.extend(options.map(|options| literal(("KAFKA_OPTS", options))));
    env.push(EnvVar {
        name: POD_IP.to_owned(),
        value: None,
        value_from: Some(EnvVarSource {
            field_ref: Some(ObjectFieldSelector {
                api_version: Some("v1".to_owned()),
                field_path: "status.podIP".to_owned(),
            }),
            ..Default::default()
        }),
    });
    env
}

fn probe(path: &str, period_seconds: i32, failure_threshold: i32) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.to_owned()),
            port: IntOrString::Int(REST_PORT),
            ..Default::default()
        }),
        period_seconds: Some(period_seconds),
        timeout_seconds: Some(5),
        failure_threshold: Some(failure_threshold),
        ..Default::default()
    }
}

/// Workers on different nodes where that is possible.
fn apart(labels: BTreeMap<String, String>) -> Affinity {
    let term = WeightedPodAffinityTerm {
        weight: 100,
        pod_affinity_term: PodAffinityTerm {
            topology_key: "kubernetes.io/hostname".to_owned(),
            label_selector: Some(LabelSelector {
                match_labels: Some(labels),
                match_expressions: None,
            }),
            ..Default::default()
        },
    };
    Affinity {
        pod_anti_affinity: Some(PodAntiAffinity {
            preferred_during_scheduling_ignored_during_execution: Some(vec![term]),
            required_during_scheduling_ignored_during_execution: None,
        }),
        ..Default::default()
    }
}
