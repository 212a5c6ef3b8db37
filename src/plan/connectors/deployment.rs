//! The Deployment of a container connector: the user's container, the container contract in its
//! environment, and nothing that could weaken the pod. Without `replicas`: that field belongs to
//! the scaler, and is set here only once, at creation.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::{
        apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment},
        core::v1::{Container as PodContainer, EnvVar, PodSpec, PodTemplateSpec},
    },
    apimachinery::pkg::{
        apis::meta::v1::{LabelSelector, ObjectMeta},
        util::intstr::IntOrString,
    },
};

use super::{drift, kafka_client, ownership, pods};
use crate::{
    api::{
        connectors::{Connector, Consumes, Container, OffsetReset},
        kafka::Kafka,
    },
    plan::{Identity, names},
};

/// Seconds from SIGTERM to SIGKILL where the connector names none.
const GRACE_SECONDS: i64 = 30;

/// Renders the Deployment of a connector, without `replicas`, with its own digest as an annotation.
///
/// `config_digest` stands for the data of the Secrets and `ConfigMap`s that the pods read: when it
/// changes, so does the pod template, and the pods roll once.
#[must_use]
pub fn deployment(
    connector: &Connector,
    container: &Container,
    kafka: &Kafka,
    pipeline: Identity<'_>,
    config_digest: Option<&str>,
) -> Deployment {
    let labels = names::selector(pipeline.name, Some(&connector.name));
    let mut deployment = Deployment {
        metadata: ObjectMeta {
            name: Some(names::deployment(pipeline.name, &connector.name)),
            namespace: Some(pipeline.namespace.to_owned()),
            labels: Some(labels.clone()),
            owner_references: Some(vec![ownership::owner_reference(pipeline)]),
            ..Default::default()
        },
        spec: Some(DeploymentSpec {
            selector: LabelSelector {
                match_labels: Some(labels.clone()),
                match_expressions: None,
            },
            strategy: Some(strategy()),
            revision_history_limit: Some(3),
            template: template(connector, container, kafka, &labels, config_digest),
            ..Default::default()
        }),
        status: None,
    };
    let digest = drift::digest(&deployment);
    let annotation = (names::APPLIED_ANNOTATION.to_owned(), digest);
    deployment.metadata.annotations = Some(BTreeMap::from([annotation]));
    deployment
}

/// The same Deployment with the count to create it with.
#[must_use]
pub fn with_replicas(mut deployment: Deployment, replicas: i32) -> Deployment {
    if let Some(spec) = &mut deployment.spec {
        spec.replicas = Some(replicas);
    }
    deployment
}

/// A rollout never has fewer consumers than wanted: a new pod is ready before an old one leaves,
/// a quarter of them at a time, so that the group rebalances a few times and not once per pod.
/// Where there are as many pods as partitions the surplus idles for the moment of the change;
/// the other choice, to stop pods first, would let lag grow with every rollout.
fn strategy() -> DeploymentStrategy {
    DeploymentStrategy {
        type_: Some("RollingUpdate".to_owned()),
        rolling_update: Some(RollingUpdateDeployment {
            max_surge: Some(IntOrString::String("25%".to_owned())),
            max_unavailable: Some(IntOrString::Int(0)),
        }),
    }
}

fn template(
    connector: &Connector,
    container: &Container,
    kafka: &Kafka,
    own_labels: &BTreeMap<String, String>,
    config_digest: Option<&str>,
) -> PodTemplateSpec {
    let mut annotations = container.annotations.clone();
    if let Some(digest) = config_digest {
        annotations.insert(names::CONFIG_ANNOTATION.to_owned(), digest.to_owned());
    }
    let mut labels = container.labels.clone();
    labels.extend(own_labels.clone());
    let (mut volumes, mut mounts) = pods::volumes(&container.volumes);
    let name = pods::free_name(&container.volumes, "sluice-kafka");
    if let Some((volume, mount)) = kafka_client::volume(kafka, name) {
        volumes.push(volume);
        mounts.push(mount);
    }
    let mut spec = pod(container, own_labels);
    spec.volumes = pods::non_empty(volumes);
    spec.containers = vec![PodContainer {
        volume_mounts: pods::non_empty(mounts),
        ..main_container(connector, container, kafka)
    }];
    PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(labels),
            annotations: pods::non_empty_map(annotations),
            ..Default::default()
        }),
        spec: Some(spec),
    }
}

fn pod(container: &Container, labels: &BTreeMap<String, String>) -> PodSpec {
    PodSpec {
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        termination_grace_period_seconds: Some(
            container
                .termination_grace_period_seconds
                .unwrap_or(GRACE_SECONDS),
        ),
        security_context: Some(pods::pod_security_context(
            container.run_as_user,
            container.run_as_group,
            container.fs_group,
        )),
        image_pull_secrets: pods::non_empty(pods::pull_secrets(&container.image_pull_secrets)),
        node_selector: pods::non_empty_map(container.node_selector.clone()),
        tolerations: pods::non_empty(pods::tolerations(&container.tolerations)),
        topology_spread_constraints: pods::non_empty(pods::topology_spread(
            &container.topology_spread_constraints,
            labels,
        )),
        ..Default::default()
    }
}

fn main_container(connector: &Connector, container: &Container, kafka: &Kafka) -> PodContainer {
    let mut env = contract(kafka, connector.consumes.as_ref());
    env.extend(pods::env(&container.env));
    PodContainer {
        name: connector.name.clone(),
        image: Some(container.image.clone()),
        image_pull_policy: container
            .image_pull_policy
            .map(|policy| pods::pull_policy(policy).to_owned()),
        command: pods::non_empty(container.command.clone()),
        args: pods::non_empty(container.args.clone()),
        env: Some(env),
        env_from: pods::non_empty(pods::env_from(&container.env_from)),
        resources: container.resources.as_ref().map(pods::resources),
        ports: pods::non_empty(pods::ports(&container.ports)),
        readiness_probe: container.readiness_probe.as_ref().map(pods::probe),
        liveness_probe: container.liveness_probe.as_ref().map(pods::probe),
        startup_probe: container.startup_probe.as_ref().map(pods::probe),
        security_context: Some(pods::container_security_context(
            container.read_only_root_filesystem.unwrap_or(true),
        )),
        ..Default::default()
    }
}

/// The container contract: how the image learns where Kafka is and what to consume. First in the
/// list, so that the user's own variables may refer to them as `$(KAFKA_GROUP_ID)`.
fn contract(kafka: &Kafka, consumes: Option<&Consumes>) -> Vec<EnvVar> {
    let mut env = vec![variable(
        "KAFKA_BOOTSTRAP_SERVERS",
        &kafka.bootstrap_servers,
    )];
    let security = kafka_client::environment(kafka);
    env.extend(security.iter().map(|(name, value)| variable(name, value)));
    if let Some(consumes) = consumes {
        let reset = match consumes.offset_reset {
            OffsetReset::Earliest => "earliest",
            OffsetReset::Latest => "latest",
        };
        env.push(variable("KAFKA_TOPICS", &consumes.topics.join(",")));
        env.push(variable("KAFKA_AUTO_OFFSET_RESET", reset));
        if let Some(group) = &consumes.group {
            env.push(variable("KAFKA_GROUP_ID", group));
        }
    }
    env
}

fn variable(name: &str, value: &str) -> EnvVar {
    EnvVar {
        name: name.to_owned(),
        value: Some(value.to_owned()),
        value_from: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIPELINE: Identity<'_> = Identity {
        namespace: "plant",
        name: "readings",
        uid: "u-1",
    };

    fn enrich() -> (Connector, Container) {
        let container = Container {
            image: "enrich:1".into(),
            labels: BTreeMap::from([(names::PIPELINE_LABEL.into(), "forged".into())]),
            ..Container::default()
        };
        let connector = Connector {
            name: "enrich".into(),
            consumes: Some(Consumes {
                group: Some("enrich".into()),
                topics: vec!["a".into(), "b".into()],
                offset_reset: OffsetReset::Latest,
            }),
            replicas: Some(7),
            ..Connector::default()
        };
        (connector, container)
    }

    fn render(config_digest: Option<&str>) -> Deployment {
        let (connector, container) = enrich();
        let kafka = Kafka {
            bootstrap_servers: "kafka:9092".into(),
            ..Kafka::default()
        };
        deployment(&connector, &container, &kafka, PIPELINE, config_digest)
    }

    #[test]
    fn the_rendered_deployment_is_this_one() {
        insta::assert_json_snapshot!(render(Some("c0ffee")));
    }

    #[test]
    fn replicas_are_only_there_at_creation() {
        let replicas = |d: &Deployment| d.spec.as_ref().and_then(|s| s.replicas);
        assert_eq!(replicas(&render(None)), None);
        assert_eq!(replicas(&with_replicas(render(None), 7)), Some(7));
    }

    #[test]
    fn changed_data_changes_the_pod_template_and_the_digest() {
        let template = |d: &Deployment| d.spec.as_ref().map(|s| s.template.clone());
        let (one, other) = (render(Some("1")), render(Some("2")));
        assert_ne!(template(&one), template(&other));
        assert_ne!(one.metadata.annotations, other.metadata.annotations);
    }

    #[test]
    fn own_labels_win_over_the_users() {
        let template = render(None).spec.map(|s| s.template).unwrap_or_default();
        let labels = template.metadata.and_then(|m| m.labels).unwrap_or_default();
        assert_eq!(labels[names::PIPELINE_LABEL], "readings");
    }
}
