//! A look at everything of one pipeline: Kafka, claims, Deployments, Connect. Independent parts are
//! read side by side; a dead one costs its own deadline and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use kube::ResourceExt;

use super::{Sources, connect, containers, topics, unknown_kafka, workers};
use crate::{
    api::common::Reason,
    class::Class,
    kafka::{self, read},
    plan::{
        Known, Unknown,
        claims::{Claim, ClaimKind, ClaimSeen},
        connectors::{
            connect::ConnectSeen,
            kafka_client::BLOCK,
            workers::{self as planning, WorkersView},
        },
        names,
        pipeline::{self, ClusterSeen, ContainersSeen, LookSeen, Subject},
        topics::TopicView,
    },
};

/// Looks at everything.
pub async fn look(
    sources: &Sources,
    subject: Subject<'_>,
    kafka: &Known<kafka::Client>,
) -> LookSeen {
    let (in_kafka, containers) = tokio::join!(
        Box::pin(in_kafka(sources, subject, kafka)),
        containers::containers(sources, subject)
    );
    let (cluster, topics, claims) = in_kafka;
    let (workers, connect) = in_connect(sources, subject, kafka, &cluster, &containers).await;
    LookSeen {
        cluster,
        topics,
        claims,
        workers,
        connect,
        containers,
    }
}

/// The workers, where some are declared, or left of an earlier declaration.
async fn in_connect(
    sources: &Sources,
    subject: Subject<'_>,
    kafka: &Known<kafka::Client>,
    cluster: &Known<ClusterSeen>,
    containers: &ContainersSeen,
) -> (Option<WorkersView>, Option<ConnectSeen>) {
    let name = names::workers(subject.pipeline.name);
    let listed = containers.deployments.value();
    let left = listed.is_some_and(|all| all.iter().any(|d| d.name_any() == name));
    if subject.spec.connect.is_none() && !left {
        return (None, None);
    }
    let brokers = match cluster {
        Known::Value(cluster) => Known::Value(i32::try_from(cluster.brokers).unwrap_or(i32::MAX)),
        Known::Unknown(unknown) => Known::Unknown(unknown.clone()),
    };
    let view = Box::pin(workers::workers(sources, subject, brokers, unfit(kafka))).await;
    let connect = match subject.spec.connect {
        Some(_) => Some(connect::connect(sources, subject, &view).await),
        None => None,
    };
    (Some(view), connect)
}

/// Why Java cannot use the credentials that the operator uses.
fn unfit(kafka: &Known<kafka::Client>) -> Option<Unknown> {
    let (field, what) = kafka.value()?.security().unfit_for_java()?;
    Some(Unknown {
        class: Class::Denied,
        reason: Reason::CredentialsInvalid,
        message: format!(
            "{BLOCK}.{field}: {what}, which Kafka Connect cannot be given: store it in another form"
        ),
    })
}

type InKafka = (
    Known<ClusterSeen>,
    BTreeMap<String, TopicView>,
    BTreeMap<Claim, Known<ClaimSeen>>,
);

/// The cluster, the topics, and who holds what. Claims are kept by cluster id: without one from
/// now, the pinned one serves.
async fn in_kafka(
    sources: &Sources,
    subject: Subject<'_>,
    kafka: &Known<kafka::Client>,
) -> InKafka {
    let names = pipeline::topics_to_read(subject);
    let (cluster, mut topics) = match kafka {
        Known::Value(client) => {
            tokio::join!(cluster(client), Box::pin(topics::topics(client, &names)))
        }
        Known::Unknown(unknown) => (
            Known::Unknown(unknown.clone()),
            topics::all(&names, unknown),
        ),
    };
    let id = cluster
        .value()
        .map(|c| c.id.clone())
        .or_else(|| subject.last.cluster_id.clone());
    let wanted = wanted_claims(subject, &names);
    let mut claims = match (&id, cluster.unknown()) {
        (Some(id), _) => sources.claims(id, subject.pipeline, &wanted).await,
        (None, Some(unknown)) => wanted
            .into_iter()
            .map(|c| (c, Known::Unknown(unknown.clone())))
            .collect(),
        (None, None) => BTreeMap::new(),
    };
    let view = |name: String| {
        let topic = topics.remove(&name)?;
        let claim = claims
            .remove(&topic_claim(&name))
            .unwrap_or(Known::Value(ClaimSeen::Free));
        Some((name, TopicView { topic, claim }))
    };
    let views = names.into_iter().filter_map(view).collect();
    (cluster, views, claims)
}

async fn cluster(client: &kafka::Client) -> Known<ClusterSeen> {
    match read::cluster(client).await {
        Ok(cluster) => Known::Value(ClusterSeen {
            id: cluster.id,
            brokers: cluster.brokers,
            auto_create: cluster.auto_create_topics,
            offsets_retention: cluster.offsets_retention,
        }),
        Err(error) => Known::Unknown(unknown_kafka(&error)),
    }
}

fn topic_claim(name: &str) -> Claim {
    Claim {
        kind: ClaimKind::Topic,
        name: name.to_owned(),
    }
}

fn wanted_claims(subject: Subject<'_>, topics: &[String]) -> BTreeSet<Claim> {
    let topics = topics
        .iter()
        .filter(|name| pipeline::claims_topic(subject.spec, name));
    let connectors = subject
        .spec
        .connectors
        .iter()
        .flat_map(|c| subject.claims(c));
    let workers = subject.spec.connect.as_ref();
    let workers = workers.map(|_| planning::claim(subject.pipeline, subject.settings));
    topics
        .map(|name| topic_claim(name))
        .chain(connectors)
        .chain(workers)
        .collect()
}
