//! The objects of the Connect workers in the cluster, and what is wrong with their pods.

use std::collections::BTreeSet;

use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{ConfigMap, Pod, Service},
    networking::v1::NetworkPolicy,
};

use super::{Sources, containers, known};
use crate::{
    k8s::read,
    plan::{
        Known, Unknown,
        connectors::{
            kafka_client, references, trouble,
            workers::{self, WorkersView},
        },
        names,
        pipeline::Subject,
    },
};

/// Looks at the workers. How many brokers there are, and whether Java can log in to them, is for
/// the caller to add.
pub async fn workers(
    sources: &Sources,
    subject: Subject<'_>,
    brokers: Known<i32>,
    unfit: Option<Unknown>,
) -> WorkersView {
    let (kube, namespace) = (&sources.kube, subject.pipeline.namespace);
    let name = names::workers(subject.pipeline.name);
    let labels = workers::labels(subject.pipeline.name);
    let volumes = subject
        .spec
        .connect
        .iter()
        .flat_map(|connect| &connect.volumes);
    let volumes: Vec<_> = volumes.cloned().collect();
    let shared = kafka_client::references(&subject.spec.kafka);
    let needed: BTreeSet<_> = references::of_volumes(&volumes)
        .into_iter()
        .chain(shared)
        .map(|r| r.source)
        .collect();
    let (deployment, service, config_map, network_policy, references, pods) = tokio::join!(
        read::get::<Deployment>(kube, namespace, &name),
        read::get::<Service>(kube, namespace, &name),
        read::get::<ConfigMap>(kube, namespace, &name),
        read::get::<NetworkPolicy>(kube, namespace, &name),
        containers::digests(sources, namespace, needed),
        read::list::<Pod>(kube, namespace, &labels)
    );
    WorkersView {
        deployment: known(deployment),
        service: known(service),
        config_map: known(config_map),
        network_policy: known(network_policy),
        references,
        pods: known(pods.map(|pods| trouble::problems(&pods))),
        brokers,
        unfit,
    }
}
