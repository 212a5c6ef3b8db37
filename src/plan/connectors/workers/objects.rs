//! The cluster's objects of a pipeline's Connect workers: a Deployment of restricted pods, the
//! file with their properties, the Service of their REST interface, and the `NetworkPolicy` that
//! closes it to all but the operator and the workers themselves. Renders; decides nothing.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::{
        apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment},
        core::v1::{ConfigMap, Service, ServicePort, ServiceSpec},
        networking::v1::{
            NetworkPolicy, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort,
            NetworkPolicySpec,
        },
    },
    apimachinery::pkg::{
        apis::meta::v1::{LabelSelector, ObjectMeta},
        util::intstr::IntOrString,
    },
};
use serde::Serialize;

use super::{
    Request,
    pod::{self, FILE},
    properties::{Properties, REST_PORT},
};
use crate::plan::{
    connectors::{drift, ownership},
    names,
};

/// Labels that find the workers of a pipeline and no pod of its container connectors.
#[must_use]
pub fn labels(pipeline: &str) -> BTreeMap<String, String> {
    let mut labels = names::selector(pipeline, None);
    let component = ("app.kubernetes.io/component", "connect");
    labels.insert(component.0.to_owned(), component.1.to_owned());
    labels
}

/// Everything that makes up the workers.
#[derive(Clone, Debug, PartialEq)]
pub struct Objects {
    /// The properties of the workers.
    pub config_map: ConfigMap,
    /// The address of the REST interface.
    pub service: Service,
    /// Who may use it.
    pub network_policy: NetworkPolicy,
    /// The workers.
    pub deployment: Deployment,
}

impl Objects {
    /// Renders the objects. `data` stands for the Secrets and `ConfigMap`s in the workers' volumes:
    /// when it or the properties change, the pods roll once.
    pub(super) fn new(request: &Request<'_>, brokers: i32, data: Option<&str>) -> Self {
        let group = request.group();
        let properties = Properties::new(request.workers, &request.spec.kafka, &group, brokers);
        let digest = names::digest([properties.digest().as_str(), data.unwrap_or_default()]);
        Self {
            config_map: marked(config_map(request, &properties)),
            service: marked(service(request)),
            network_policy: marked(network_policy(request)),
            deployment: marked(deployment(request, digest)),
        }
    }
}

/// An object with the digest of itself, by which a later look sees what is no longer declared.
fn marked<K: kube::Resource + Serialize>(mut object: K) -> K {
    let digest = drift::digest(&object);
    let annotations = object.meta_mut().annotations.get_or_insert_default();
    annotations.insert(names::APPLIED_ANNOTATION.to_owned(), digest);
    object
}

fn metadata(request: &Request<'_>) -> ObjectMeta {
    ObjectMeta {
        name: Some(names::workers(request.pipeline.name)),
        namespace: Some(request.pipeline.namespace.to_owned()),
        labels: Some(labels(request.pipeline.name)),
        owner_references: Some(vec![ownership::owner_reference(request.pipeline)]),
        ..Default::default()
    }
}

fn selector(request: &Request<'_>) -> LabelSelector {
    LabelSelector {
        match_labels: Some(labels(request.pipeline.name)),
        match_expressions: None,
    }
}

fn config_map(request: &Request<'_>, properties: &Properties) -> ConfigMap {
    ConfigMap {
        metadata: metadata(request),
        data: Some(BTreeMap::from([(FILE.to_owned(), properties.text())])),
        ..Default::default()
    }
}

fn service(request: &Request<'_>) -> Service {
    Service {
        metadata: metadata(request),
        spec: Some(ServiceSpec {
            selector: Some(labels(request.pipeline.name)),
            ports: Some(vec![ServicePort {
                name: Some("rest".to_owned()),
                port: REST_PORT,
                protocol: Some("TCP".to_owned()),
                target_port: Some(IntOrString::Int(REST_PORT)),
                ..Default::default()
            }]),
            ..Default::default()
        }),
        status: None,
    }
}

/// A worker hands a change on to the leader of its group, so that workers must reach each other.
fn network_policy(request: &Request<'_>) -> NetworkPolicy {
    let matching = |key: &str, value: &str| LabelSelector {
        match_labels: Some(BTreeMap::from([(key.to_owned(), value.to_owned())])),
        match_expressions: None,
    };
    let namespace = &request.settings.operator_namespace;
    let operator = NetworkPolicyPeer {
        namespace_selector: Some(matching("kubernetes.io/metadata.name", namespace)),
        pod_selector: Some(matching("app.kubernetes.io/name", "sluice")),
        ip_block: None,
    };
    let workers = NetworkPolicyPeer {
        pod_selector: Some(selector(request)),
        ..Default::default()
    };
    NetworkPolicy {
        metadata: metadata(request),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(selector(request)),
            policy_types: Some(vec!["Ingress".to_owned()]),
            ingress: Some(vec![NetworkPolicyIngressRule {
                from: Some(vec![operator, workers]),
                ports: Some(vec![NetworkPolicyPort {
                    port: Some(IntOrString::Int(REST_PORT)),
                    protocol: Some("TCP".to_owned()),
                    end_port: None,
                }]),
            }]),
            egress: None,
        }),
    }
}

fn deployment(request: &Request<'_>, digest: String) -> Deployment {
    Deployment {
        metadata: metadata(request),
        spec: Some(DeploymentSpec {
            replicas: Some(request.workers.workers),
            selector: selector(request),
            strategy: Some(strategy(request)),
            revision_history_limit: Some(3),
            template: pod::template(request, digest),
            ..Default::default()
        }),
        status: None,
    }
}

/// A new worker is ready before an old one leaves, so that a broken change stops nothing that
/// runs. Not where the workers mount a claim: one that only a single node may mount would keep the
/// new pod waiting for the old one for ever.
fn strategy(request: &Request<'_>) -> DeploymentStrategy {
    let mut volumes = request.workers.volumes.iter();
    let exclusive = volumes.any(|volume| volume.persistent_volume_claim.is_some());
    let (surge, unavailable) = if exclusive { (0, 1) } else { (1, 0) };
    DeploymentStrategy {
        type_: Some("RollingUpdate".to_owned()),
        rolling_update: Some(RollingUpdateDeployment {
            max_surge: Some(IntOrString::Int(surge)),
            max_unavailable: Some(IntOrString::Int(unavailable)),
        }),
    }
}
