//! Steps in words: the one that logs and metrics count them by, and a sentence for a person. Values
//! of connectors' configurations are never among them, since they may hold a password. Pure.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::Deployment;
use kube::{Resource, ResourceExt};
use serde::Serialize;

use super::{
    Known, Look, Subject,
    connectors::{
        connect::ConnectStep,
        container::ContainerStep,
        drift,
        part::{ConnectorStep, WorkersPart},
        workers::{WorkersKind, WorkersStep},
    },
    names,
    pipeline::LookSeen,
    topics::{TopicSeen, TopicStep, declared_config},
};
use crate::api::topics::Topic;

/// The step that takes a claim.
pub const CLAIM: &str = "claim";
/// The step that gives a claim back.
pub const RELEASE: &str = "release";
/// The step that creates a topic.
pub const CREATE_TOPIC: &str = "createTopic";
/// The step that raises the number of partitions.
pub const GROW_TOPIC: &str = "growTopic";
/// The step that changes a topic's configuration.
pub const CONFIGURE_TOPIC: &str = "configureTopic";
/// The step that deletes a topic.
pub const DELETE_TOPIC: &str = "deleteTopic";

/// At most this many differing fields are named.
const NAMED_FIELDS: usize = 5;

/// One step that would be carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The step's word, as in logs and in `sluice_steps_total`.
    pub step: &'static str,
    /// What it is about.
    pub subject: Subject,
    /// What would happen, as an infinitive.
    pub change: String,
}

/// Every step of a look in words, in the order in which one part's steps are carried out.
#[must_use]
pub fn changes(look: &Look, seen: &LookSeen) -> Vec<Change> {
    let topics = look.topics.iter().flat_map(|plan| {
        let name = &plan.status.name;
        let topic = seen.topics.get(name).and_then(|view| view.topic.value());
        let topic = topic.and_then(Option::as_ref);
        plan.steps.iter().map(move |step| Change {
            step: topic_word(step),
            subject: Subject::Topic(name.clone()),
            change: topic_change(step, topic),
        })
    });
    let connectors = look.connectors.iter().flat_map(|part| {
        let subject = Subject::Connector(part.status.name.clone());
        let steps = part.steps.iter();
        steps.map(move |step| connector_change(step, subject.clone(), seen))
    });
    topics
        .chain(workers_changes(&look.workers, seen))
        .chain(connectors)
        .collect()
}

const fn topic_word(step: &TopicStep) -> &'static str {
    match step {
        TopicStep::Claim => CLAIM,
        TopicStep::Create(_) => CREATE_TOPIC,
        TopicStep::Grow(_) => GROW_TOPIC,
        TopicStep::Configure(_) => CONFIGURE_TOPIC,
        TopicStep::Delete { .. } => DELETE_TOPIC,
        TopicStep::Release => RELEASE,
    }
}

fn topic_change(step: &TopicStep, seen: Option<&TopicSeen>) -> String {
    match step {
        TopicStep::Claim => "claim it for this pipeline".to_owned(),
        TopicStep::Create(topic) => created(topic),
        TopicStep::Grow(to) => match seen {
            Some(seen) => format!("grow from {} to {to} partitions", seen.partitions),
            None => format!("grow to {to} partitions"),
        },
        TopicStep::Configure(keys) => configured(keys, seen),
        TopicStep::Delete { id } => format!("delete it, as long as its id is {id}"),
        TopicStep::Release => "give its claim back; the topic stays in Kafka".to_owned(),
    }
}

fn created(topic: &Topic) -> String {
    let number = |what: &str, value: Option<i32>| match value {
        Some(value) => format!("{what} {value}"),
        None => format!("the broker's default for {what}"),
    };
    let mut parts = vec![
        number("partitions", topic.partitions),
        number(
            "replication factor",
            topic.replication_factor.map(i32::from),
        ),
    ];
    parts.extend(
        declared_config(topic)
            .iter()
            .map(|(key, value)| format!("{key}={value}")),
    );
    format!("create it: {}", parts.join(", "))
}

fn configured(keys: &BTreeMap<String, Option<String>>, seen: Option<&TopicSeen>) -> String {
    let part = |(key, value): (&String, &Option<String>)| {
        let now = seen.and_then(|seen| seen.config.get(key)?.value.as_deref());
        let now = now.map_or_else(String::new, |now| format!(" (now {now})"));
        match value {
            Some(value) => format!("set {key}={value}{now}"),
            None => format!("give {key} back to the broker's default{now}"),
        }
    };
    keys.iter().map(part).collect::<Vec<_>>().join(", ")
}

fn workers_changes(part: &WorkersPart, seen: &LookSeen) -> Vec<Change> {
    let claim = part.claim.iter().map(|claim| Change {
        step: CLAIM,
        subject: Subject::Workers,
        change: format!("claim {claim} for this pipeline"),
    });
    let steps = part.steps.iter().map(|step| Change {
        step: workers_word(step),
        subject: Subject::Workers,
        change: workers_change(step, seen),
    });
    let removals = part
        .removals
        .iter()
        .map(|step| connector_change(step, Subject::Workers, seen));
    claim.chain(steps).chain(removals).collect()
}

/// The word of a write of the workers' objects.
#[must_use]
pub const fn workers_word(step: &WorkersStep) -> &'static str {
    match step {
        WorkersStep::Delete { .. } => "deleteWorkers",
        _ => "applyWorkers",
    }
}

fn workers_change(step: &WorkersStep, seen: &LookSeen) -> String {
    let view = seen.workers.as_ref();
    match step {
        WorkersStep::ConfigMap(object) => {
            applied(&**object, view.and_then(|v| live(&v.config_map)))
        }
        WorkersStep::Service(object) => applied(&**object, view.and_then(|v| live(&v.service))),
        WorkersStep::NetworkPolicy(object) => {
            applied(&**object, view.and_then(|v| live(&v.network_policy)))
        }
        WorkersStep::Deployment(object) => {
            applied(&**object, view.and_then(|v| live(&v.deployment)))
        }
        WorkersStep::Delete { kind, .. } => {
            let kind = match kind {
                WorkersKind::ConfigMap => "ConfigMap",
                WorkersKind::Service => "Service",
                WorkersKind::NetworkPolicy => "NetworkPolicy",
                WorkersKind::Deployment => "Deployment",
            };
            format!("delete their {kind}")
        }
    }
}

fn live<T>(seen: &Known<Option<T>>) -> Option<&T> {
    seen.value().and_then(Option::as_ref)
}

fn connector_change(step: &ConnectorStep, subject: Subject, seen: &LookSeen) -> Change {
    let (step, change) = match step {
        ConnectorStep::Claim(claim) => (CLAIM, format!("claim {claim} for this pipeline")),
        ConnectorStep::Container(step) => (container_word(step), container_change(step, seen)),
        ConnectorStep::Connect(step) => (connect_word(step), connect_change(step, seen)),
    };
    Change {
        step,
        subject,
        change,
    }
}

/// The word of a write to a connector's Deployment.
#[must_use]
pub const fn container_word(step: &ContainerStep) -> &'static str {
    match step {
        ContainerStep::Create(_) => "createDeployment",
        ContainerStep::Apply(_) => "applyDeployment",
        ContainerStep::Scale { .. } => "scale",
        ContainerStep::Delete { .. } => "deleteDeployment",
    }
}

fn container_change(step: &ContainerStep, seen: &LookSeen) -> String {
    let listed = seen.containers.deployments.value();
    let find = |name: &str| listed.and_then(|all| all.iter().find(|d| d.name_any() == name));
    let replicas = |deployment: &Deployment| deployment.spec.as_ref().and_then(|s| s.replicas);
    match step {
        ContainerStep::Create(deployment) => {
            let pods = replicas(deployment).unwrap_or(1);
            format!("create {}, pods {pods}", named(&**deployment))
        }
        ContainerStep::Apply(deployment) => applied(&**deployment, find(&deployment.name_any())),
        ContainerStep::Scale { name, to } => {
            let now = find(name).and_then(replicas);
            let now = now.map_or_else(String::new, |now| format!(" from {now}"));
            format!("scale Deployment {name}{now} to {to} pods")
        }
        ContainerStep::Delete { name, .. } => format!("delete Deployment {name}"),
    }
}

/// The word of a call to Connect.
#[must_use]
pub const fn connect_word(step: &ConnectStep) -> &'static str {
    match step {
        ConnectStep::Create { .. } => "createConnector",
        ConnectStep::Put { .. } => "putConnector",
        ConnectStep::SetState { .. } => "setConnectorState",
        ConnectStep::RestartFailed { .. } => "restartFailedTasks",
        ConnectStep::Delete { .. } => "deleteConnector",
    }
}

fn connect_change(step: &ConnectStep, seen: &LookSeen) -> String {
    match step {
        ConnectStep::Create { name, state, .. } => {
            format!("create {name} in Kafka Connect, {state:?}")
        }
        ConnectStep::Put { name, config } => {
            let live = seen.connect.as_ref().and_then(|seen| seen.live.value());
            let live = live.and_then(|live| live.get(name)?.config.as_ref());
            let keys = differing(live.unwrap_or(&BTreeMap::new()), config);
            format!("change {name} in Kafka Connect: {}", some(&keys))
        }
        ConnectStep::SetState { name, state } => {
            format!("set {name} in Kafka Connect to {state:?}")
        }
        ConnectStep::RestartFailed { name } => format!("restart what failed of {name}"),
        ConnectStep::Delete { name } => {
            format!("delete {name} from Kafka Connect; its offsets stay")
        }
    }
}

/// The keys whose values differ, or that only one side has.
fn differing(one: &BTreeMap<String, String>, other: &BTreeMap<String, String>) -> Vec<String> {
    let changed = other
        .iter()
        .filter(|(key, value)| one.get(*key) != Some(value));
    let gone = one.keys().filter(|key| !other.contains_key(*key));
    changed.map(|(key, _)| key).chain(gone).cloned().collect()
}

/// What an apply does to an object: creates it, or changes fields, which are named.
fn applied<K>(desired: &K, live: Option<&K>) -> String
where
    K: Resource<DynamicType = ()> + Serialize,
{
    let Some(live) = live else {
        return format!("create {}", named(desired));
    };
    let mut fields = drift::differences(live, desired);
    // The digest of everything else in the object: it differs whenever anything does.
    fields.retain(|field| !field.ends_with(names::APPLIED_ANNOTATION));
    format!("change {}: {}", named(desired), some(&fields))
}

fn named<K: Resource<DynamicType = ()>>(object: &K) -> String {
    format!("{} {}", K::kind(&()), object.name_any())
}

fn some(names: &[String]) -> String {
    match names {
        [] => "fields that are no longer declared".to_owned(),
        few if few.len() <= NAMED_FIELDS => few.join(", "),
        many => format!(
            "{} and {} more",
            many[..NAMED_FIELDS].join(", "),
            many.len() - NAMED_FIELDS
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_is_told_by_its_keys_alone() {
        let config = |password: &str| {
            BTreeMap::from([
                ("topics".to_owned(), "readings".to_owned()),
                ("connection.password".to_owned(), password.to_owned()),
            ])
        };
        let keys = differing(&config("old"), &config("new"));
        assert_eq!(some(&keys), "connection.password");
    }

    #[test]
    fn a_long_list_of_fields_is_cut() {
        let names: Vec<String> = (0..7).map(|n| format!("f{n}")).collect();
        assert_eq!(some(&names), "f0, f1, f2, f3, f4 and 2 more");
        assert_eq!(some(&[]), "fields that are no longer declared");
    }

    #[test]
    fn a_topics_change_names_what_is_now() {
        let seen = TopicSeen {
            partitions: 3,
            config: BTreeMap::from([(
                "retention.ms".to_owned(),
                super::super::topics::ConfigSeen {
                    value: Some("1000".to_owned()),
                    default: false,
                },
            )]),
            ..TopicSeen::default()
        };
        let grown = topic_change(&TopicStep::Grow(6), Some(&seen));
        assert_eq!(grown, "grow from 3 to 6 partitions");
        let keys = BTreeMap::from([("retention.ms".to_owned(), Some("2000".to_owned()))]);
        let set = topic_change(&TopicStep::Configure(keys), Some(&seen));
        assert_eq!(set, "set retention.ms=2000 (now 1000)");
    }
}
