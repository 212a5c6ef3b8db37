//! The Deployments of container connectors, what their pods read, what is wrong with the pods, and
//! who else scales them. A few lists for the whole pipeline.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;
use k8s_openapi::api::{apps::v1::Deployment, core::v1::Pod};
use kube::ResourceExt;

use super::{Sources, known, unknown_kube};
use crate::{
    api::connectors::Connector,
    k8s::read,
    plan::{
        Known,
        connectors::{
            container::{ConflictingScaler, ContainerSeen},
            kafka_client,
            references::{self, Data, Source, SourceKind},
            trouble,
        },
        names,
        pipeline::{ContainersSeen, Subject},
    },
};

/// Looks at every container connector, and at Deployments of connectors that are gone.
pub async fn containers(sources: &Sources, subject: Subject<'_>) -> ContainersSeen {
    let declared: Vec<&Connector> = subject
        .spec
        .connectors
        .iter()
        .filter(|c| c.container.is_some())
        .collect();
    let namespace = subject.pipeline.namespace;
    let labels = names::selector(subject.pipeline.name, None);
    let needed = declared.iter().flat_map(|c| needed(subject, c)).collect();
    let (deployments, pods, scalers, references) = tokio::join!(
        read::list::<Deployment>(&sources.kube, namespace, &labels),
        pods(sources, subject, declared.is_empty()),
        scalers(sources, namespace, declared.is_empty()),
        // All at once: connectors share Secrets, those of spec.kafka always.
        read_each(sources, namespace, needed)
    );
    let deployments = match deployments {
        Ok(deployments) => Known::Value(deployments),
        Err(error) => Known::Unknown(unknown_kube(&error)),
    };
    let look = async |connector: &&Connector| {
        let name = names::deployment(subject.pipeline.name, &connector.name);
        let seen = ContainerSeen {
            deployment: deployment(sources, namespace, &name, &deployments).await,
            references: together(&self::needed(subject, connector), &references),
            pods: of_connector(&pods, &connector.name),
            scalers: of_deployment(&scalers, &name),
        };
        (connector.name.clone(), seen)
    };
    let connectors = join_all(declared.iter().map(look))
        .await
        .into_iter()
        .collect();
    ContainersSeen {
        connectors,
        deployments,
    }
}

/// Among the pipeline's own, else by name: something of this name may be there that is not ours.
async fn deployment(
    sources: &Sources,
    namespace: &str,
    name: &str,
    listed: &Known<Vec<Deployment>>,
) -> Known<Option<Deployment>> {
    let listed = match listed {
        Known::Unknown(unknown) => return Known::Unknown(unknown.clone()),
        Known::Value(listed) => listed,
    };
    if let Some(found) = listed.iter().find(|d| d.name_any() == name) {
        return Known::Value(Some(found.clone()));
    }
    known(read::get::<Deployment>(&sources.kube, namespace, name).await)
}

async fn pods(sources: &Sources, subject: Subject<'_>, none: bool) -> Known<Vec<Pod>> {
    if none {
        return Known::Value(Vec::new());
    }
    let labels = names::selector(subject.pipeline.name, None);
    known(read::list::<Pod>(&sources.kube, subject.pipeline.namespace, &labels).await)
}

async fn scalers(sources: &Sources, namespace: &str, none: bool) -> Known<Vec<read::Scaler>> {
    if none {
        return Known::Value(Vec::new());
    }
    known(read::scalers(&sources.kube, namespace).await)
}

fn of_connector(pods: &Known<Vec<Pod>>, connector: &str) -> Known<Vec<trouble::PodProblem>> {
    match pods {
        Known::Unknown(unknown) => Known::Unknown(unknown.clone()),
        Known::Value(pods) => {
            let of = |pod: &&Pod| {
                pod.labels()
                    .get(names::CONNECTOR_LABEL)
                    .is_some_and(|name| name == connector)
            };
            let pods: Vec<Pod> = pods.iter().filter(of).cloned().collect();
            Known::Value(trouble::problems(&pods))
        }
    }
}

fn of_deployment(
    scalers: &Known<Vec<read::Scaler>>,
    deployment: &str,
) -> Known<Vec<ConflictingScaler>> {
    match scalers {
        Known::Unknown(unknown) => Known::Unknown(unknown.clone()),
        Known::Value(scalers) => {
            let of = scalers
                .iter()
                .filter(|scaler| scaler.deployment == deployment);
            let conflict = |scaler: &read::Scaler| ConflictingScaler {
                kind: scaler.kind.clone(),
                name: scaler.name.clone(),
            };
            Known::Value(of.map(conflict).collect())
        }
    }
}

/// The Secrets and `ConfigMap`s that a connector's pods read.
fn needed(subject: Subject<'_>, connector: &Connector) -> BTreeSet<Source> {
    let own = connector
        .container
        .iter()
        .flat_map(references::of_container);
    let shared = kafka_client::references(&subject.spec.kafka);
    own.chain(shared)
        .map(|reference| reference.source)
        .collect()
}

/// Digests of these Secrets and `ConfigMap`s; unknown as a whole when one cannot be read.
pub async fn digests(sources: &Sources, namespace: &str, needed: BTreeSet<Source>) -> Known<Data> {
    let read = read_each(sources, namespace, needed.clone()).await;
    together(&needed, &read)
}

/// Digests of the values of one Secret or `ConfigMap` by key; `None` where there is none.
type Digests = Option<BTreeMap<String, String>>;

async fn read_each(
    sources: &Sources,
    namespace: &str,
    needed: BTreeSet<Source>,
) -> BTreeMap<Source, Known<Digests>> {
    let read = async |source: Source| {
        let digests = match source.kind {
            SourceKind::Secret => {
                read::secret_digests(&sources.kube, namespace, &source.name).await
            }
            SourceKind::ConfigMap => {
                read::config_map_digests(&sources.kube, namespace, &source.name).await
            }
        };
        (source, known(digests))
    };
    let read = join_all(needed.into_iter().map(read)).await;
    read.into_iter().collect()
}

/// Those that are needed, of all that were read.
fn together(needed: &BTreeSet<Source>, read: &BTreeMap<Source, Known<Digests>>) -> Known<Data> {
    let mut data = Data::new();
    for (source, digests) in read.iter().filter(|(source, _)| needed.contains(source)) {
        match digests {
            Known::Value(digests) => data.insert(source.clone(), digests.clone()),
            Known::Unknown(unknown) => return Known::Unknown(unknown.clone()),
        };
    }
    Known::Value(data)
}
