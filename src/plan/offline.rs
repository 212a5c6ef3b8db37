//! A plan without a cluster: every step towards a pipeline where nothing exists yet. What the
//! pipeline only refers to (Secrets, `ConfigMap`s, connector classes, observed topics) is taken to
//! be there, and what is planned for topics and workers to be done before connectors. Pure.

use std::collections::BTreeMap;

use super::{
    Known, Look,
    claims::{Claim, ClaimSeen},
    connectors::{
        connect::{
            ConnectSeen, WorkersSeen,
            classes::{Plugin, PluginKind},
        },
        container::ContainerSeen,
        kafka_client,
        references::{self, Data, Reference},
        workers::WorkersView,
    },
    pipeline::{self, ClusterSeen, ContainersSeen, LookSeen, Subject},
    topics::{ConfigSeen, TopicSeen, TopicView, declared_config},
};
use crate::api::{
    IngestionPipelineSpec,
    connectors::Container,
    topics::{Management, Topic},
};

/// Brokers of the cluster that is assumed: they bound the copies of the workers' own topics.
const BROKERS: usize = 3;

/// Plans the whole way, and what was assumed to be seen at its beginning.
#[must_use]
pub fn look(subject: Subject<'_>) -> (Look, LookSeen) {
    let nothing = world(subject, false);
    let first = pipeline::look(subject, &nothing).look.unwrap_or_default();
    let then = pipeline::look(subject, &world(subject, true));
    let whole = Look {
        connectors: then.look.unwrap_or_default().connectors,
        ..first
    };
    (whole, nothing)
}

/// `made`: whether topics and workers are there already.
fn world(subject: Subject<'_>, made: bool) -> LookSeen {
    let spec = subject.spec;
    let topic = |topic: &Topic| {
        let there = made || topic.management == Management::Observed;
        let view = TopicView {
            topic: Known::Value(there.then(|| seen(topic))),
            claim: Known::Value(if made {
                ClaimSeen::Ours
            } else {
                ClaimSeen::Free
            }),
        };
        (topic.name.clone(), view)
    };
    LookSeen {
        cluster: Known::Value(ClusterSeen {
            id: String::new(),
            brokers: BROKERS,
            auto_create: None,
            offsets_retention: None,
        }),
        topics: spec.topics.iter().map(topic).collect(),
        claims: claims(subject, made),
        workers: spec.connect.as_ref().map(|connect| WorkersView {
            deployment: Known::Value(None),
            service: Known::Value(None),
            config_map: Known::Value(None),
            network_policy: Known::Value(None),
            references: Known::Value(data(references::of_volumes(&connect.volumes), spec)),
            pods: Known::Value(Vec::new()),
            brokers: Known::Value(i32::try_from(BROKERS).unwrap_or(i32::MAX)),
            unfit: None,
        }),
        connect: spec.connect.as_ref().map(|_| connect(subject, made)),
        containers: containers(subject),
    }
}

/// A topic exactly as declared.
fn seen(topic: &Topic) -> TopicSeen {
    let set = |(key, value): (String, String)| {
        let value = ConfigSeen {
            value: Some(value),
            default: false,
        };
        (key, value)
    };
    TopicSeen {
        id: "assumed".to_owned(),
        partitions: topic.partitions.unwrap_or(1),
        replication_factor: topic.replication_factor,
        under_replicated: 0,
        config: declared_config(topic).into_iter().map(set).collect(),
    }
}

/// Groups are claimed with their connectors, the worker group before them.
fn claims(subject: Subject<'_>, made: bool) -> BTreeMap<Claim, Known<ClaimSeen>> {
    let connectors = subject.spec.connectors.iter();
    let claims = connectors.flat_map(|connector| {
        let ours = made && connector.connect.is_some();
        let seen = if ours {
            ClaimSeen::Ours
        } else {
            ClaimSeen::Free
        };
        let claims = subject.claims(connector).into_iter();
        claims.map(move |claim| (claim, Known::Value(seen.clone())))
    });
    claims.collect()
}

fn connect(subject: Subject<'_>, made: bool) -> ConnectSeen {
    let connectors = subject.spec.connectors.iter();
    let declared = connectors.filter_map(|c| Some((&c.name, c.connect.as_ref()?)));
    let plugin = |(_, connect): (&String, &crate::api::connectors::ConnectConnector)| Plugin {
        class: connect.class.clone(),
        kind: PluginKind::Other,
    };
    let workers = WorkersSeen {
        ready: 1,
        replicas: 1,
    };
    ConnectSeen {
        workers: Known::Value(made.then_some(workers)),
        plugins: Known::Value(declared.clone().map(plugin).collect()),
        live: Known::Value(BTreeMap::new()),
        validations: declared
            .map(|(name, _)| (name.clone(), Known::Value(Vec::new())))
            .collect(),
    }
}

fn containers(subject: Subject<'_>) -> ContainersSeen {
    let seen = |container: &Container| ContainerSeen {
        deployment: Known::Value(None),
        references: Known::Value(data(references::of_container(container), subject.spec)),
        pods: Known::Value(Vec::new()),
        scalers: Known::Value(Vec::new()),
    };
    let connectors = subject.spec.connectors.iter();
    ContainersSeen {
        connectors: connectors
            .filter_map(|c| Some((c.name.clone(), seen(c.container.as_ref()?))))
            .collect(),
        deployments: Known::Value(Vec::new()),
    }
}

/// Every object and key that is referred to, to reach Kafka as well.
fn data(own: Vec<Reference>, spec: &IngestionPipelineSpec) -> Data {
    let mut data = Data::new();
    let shared = kafka_client::references(&spec.kafka);
    for Reference { source, key, .. } in own.into_iter().chain(shared) {
        let keys = data.entry(source).or_default();
        let key = key.map(|key| (key, String::new()));
        keys.get_or_insert_default().extend(key);
    }
    data
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::{
        api::{IngestionPipelineSpec, IngestionPipelineStatus},
        plan::{Identity, Settings, changes},
    };

    fn steps(spec: serde_json::Value) -> Vec<String> {
        let spec: IngestionPipelineSpec = serde_json::from_value(spec).unwrap();
        let settings = Settings {
            connect_image: "kafka".into(),
            cluster_name: None,
            operator_namespace: "sluice-system".into(),
            deletion_deadline: Duration::ZERO,
            status_interval: Duration::ZERO,
            prometheus_servers: Vec::new(),
        };
        let (last, annotations, restarts) = (
            IngestionPipelineStatus::default(),
            BTreeMap::new(),
            BTreeMap::new(),
        );
        let subject = Subject {
            pipeline: Identity {
                namespace: "plant",
                name: "p",
                uid: "",
            },
            spec: &spec,
            last: &last,
            annotations: &annotations,
            settings: &settings,
            restarts: &restarts,
            now: Timestamp::UNIX_EPOCH,
        };
        let (look, seen) = look(subject);
        let steps = changes::changes(&look, &seen);
        let line =
            |step: changes::Change| format!("{} {}: {}", step.step, step.subject, step.change);
        steps.into_iter().map(line).collect()
    }

    #[test]
    fn connectors_are_planned_behind_their_topics_and_workers() {
        let steps = steps(json!({
            "kafka": {"bootstrapServers": "kafka:9092"},
            "topics": [{"name": "lines", "partitions": 3}, {"name": "theirs", "management": "Observed"}],
            "connect": {},
            "connectors": [
                {"name": "file", "role": "Source", "connect": {"class": "FileStreamSource", "config": {"file": "/a", "topic": "lines"}}},
                {"name": "enrich", "role": "Processor", "replicas": 2,
                 "container": {"image": "x", "env": [{"name": "P", "valueFrom": {"secretKeyRef": {"name": "s", "key": "p"}}}]},
                 "consumes": {"group": "enrich", "topics": ["lines", "theirs"]}},
            ],
        }));
        let expected = [
            "claim topic lines: claim it for this pipeline",
            "createTopic topic lines: create it: partitions 3, the broker's default for replication factor",
            "claim Connect workers: claim Connect worker group plant.p._workers for this pipeline",
            "applyWorkers Connect workers: create NetworkPolicy p-connect",
            "applyWorkers Connect workers: create ConfigMap p-connect",
            "applyWorkers Connect workers: create Service p-connect",
            "applyWorkers Connect workers: create Deployment p-connect",
            "createConnector connector file: create plant.p.file in Kafka Connect, Running",
            "claim connector enrich: claim consumer group enrich for this pipeline",
            "createDeployment connector enrich: create Deployment p-enrich, pods 2",
        ];
        assert_eq!(steps, expected);
    }
}
