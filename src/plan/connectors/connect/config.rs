//! The configuration that a connector in Connect is to have, and whether the live one differs from
//! it. What must not be set is refused here, before Connect is asked.

use std::collections::{BTreeMap, BTreeSet};

use super::classes::{self, Plugin};
use crate::{
    api::{
        common::Reason,
        connectors::{ConnectConnector, Connector, OffsetReset, Role},
        topics::Topic,
    },
    plan::Finding,
};

/// The connector class.
const CLASS: &str = "connector.class";
/// The topics of a sink.
const TOPICS: &str = "topics";
/// The topics of a sink, as a pattern.
const TOPICS_REGEX: &str = "topics.regex";
/// Where a sink begins in a partition without a commit; Connect's own default is `earliest`.
const OFFSET_RESET: &str = "consumer.override.auto.offset.reset";
/// Keys by which the usual connectors name topics.
const TOPIC_KEYS: &[&str] = &["topic", TOPICS, "kafka.topic"];
/// Overrides that would take a connector's records, or its group, out of what Sluice watches.
const FORBIDDEN: &[&str] = &[
    "consumer.override.group.id",
    "consumer.override.bootstrap.servers",
    "producer.override.bootstrap.servers",
    "admin.override.bootstrap.servers",
];

/// The whole configuration of a connector as Connect is to have it: `name` (its name in Connect),
/// `connector.class`, `tasks.max` and the user's keys. `consumes`, where it is given, also becomes
/// `topics`, and with `offsetReset: Latest` the consumer's `auto.offset.reset`.
#[must_use]
pub fn desired(
    connector: &Connector,
    connect: &ConnectConnector,
    name: &str,
) -> BTreeMap<String, String> {
    let mut config = connect.config.clone();
    if let Some(consumes) = &connector.consumes {
        if !config.contains_key(TOPICS_REGEX) {
            config.insert(TOPICS.to_owned(), consumes.topics.join(","));
        }
        if consumes.offset_reset == OffsetReset::Latest {
            config.insert(OFFSET_RESET.to_owned(), "latest".to_owned());
        }
    }
    config.insert("name".to_owned(), name.to_owned());
    config.insert(CLASS.to_owned(), connect.class.clone());
    config.insert("tasks.max".to_owned(), connect.tasks_max.to_string());
    config
}

/// Whether Connect has to be told: keys, values or the class differ. A class under another of its
/// names is the same class, since a change would restart the connector for nothing.
#[must_use]
pub fn differs(
    desired: &BTreeMap<String, String>,
    live: &BTreeMap<String, String>,
    plugins: &[Plugin],
) -> bool {
    desired.len() != live.len()
        || desired.iter().any(|(key, value)| match live.get(key) {
            Some(live) if key == CLASS => !classes::same(value, live, plugins),
            live => live != Some(value),
        })
}

/// Why a configuration is refused without asking Connect, if it is.
#[must_use]
pub fn refusal(connector: &Connector, connect: &ConnectConnector) -> Option<Finding> {
    let invalid = |message| Some(Finding::stalled(Reason::InvalidSpec, message));
    let field = format!("spec.connectors[{}].connect.config", connector.name);
    if let Some(key) = FORBIDDEN.iter().find(|k| connect.config.contains_key(**k)) {
        return invalid(format!(
            "{field} must not set {key}: the group and the Kafka cluster come from the pipeline"
        ));
    }
    let consumes = connector.consumes.as_ref()?;
    let named = |text: &String| text.split(',').map(str::trim).map(str::to_owned).collect();
    let topics: Option<BTreeSet<String>> = connect.config.get(TOPICS).map(named);
    if topics.is_some_and(|topics| topics != consumes.topics.iter().cloned().collect()) {
        return invalid(format!(
            "{field}: topics differs from consumes.topics: remove it, consumes is enough"
        ));
    }
    let reset = match consumes.offset_reset {
        OffsetReset::Earliest => "earliest",
        OffsetReset::Latest => "latest",
    };
    let other = |text: &String| !text.eq_ignore_ascii_case(reset);
    if connect.config.get(OFFSET_RESET).is_some_and(other) {
        return invalid(format!(
            "{field}: {OFFSET_RESET} differs from consumes.offsetReset: remove it, consumes is \
             enough"
        ));
    }
    None
}

/// The declared topics that the connector needs before it can run: those that it consumes, and
/// those that it names under one of the usual keys.
#[must_use]
pub fn topics<'a>(
    connector: &Connector,
    connect: &ConnectConnector,
    declared: &'a [Topic],
) -> BTreeSet<&'a str> {
    let consumed = connector.consumes.iter().flat_map(|c| &c.topics);
    let configured = TOPIC_KEYS.iter().filter_map(|key| connect.config.get(*key));
    let named: BTreeSet<&str> = configured
        .flat_map(|value| value.split(',').map(str::trim))
        .chain(consumed.map(String::as_str))
        .collect();
    declared
        .iter()
        .map(|topic| topic.name.as_str())
        .filter(|topic| named.contains(topic))
        .collect()
}

/// Whether a role and a class contradict each other; then what to say.
#[must_use]
pub fn wrong_way(connector: &Connector, plugin: &Plugin) -> Option<Finding> {
    let (role, is) = match (connector.role, plugin.kind) {
        (Role::Source, classes::PluginKind::Sink) => ("Source", "sink"),
        (Role::Sink, classes::PluginKind::Source) => ("Sink", "source"),
        _ => return None,
    };
    Some(Finding::stalled(
        Reason::InvalidSpec,
        format!(
            "spec.connectors[{}]: role is {role}, and the class {} is a {is}: change one of the two",
            connector.name, plugin.class
        ),
    ))
}
