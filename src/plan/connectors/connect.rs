//! One connector in Kafka Connect: from its declaration and what the workers say to the calls that
//! make it so. A configuration is written only when it differs and the class finds nothing wrong
//! with it; a refused one leaves what runs alone. Its state (running, paused, stopped) is kept up
//! in any case, so that a broken configuration can always be stopped.

pub mod classes;
pub mod config;
pub mod restarts;
mod status;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use self::{
    classes::{Plugin, Resolved},
    restarts::Restarts,
};
use crate::{
    api::{
        common::Reason,
        connectors::{ConnectConnector, Connector, ConnectorState, ConnectorStatus},
        pipeline::IngestionPipelineSpec,
    },
    plan::{Finding, Identity, Known, Settings, names},
};

/// What was seen of a pipeline's worker group.
#[derive(Clone, Debug, PartialEq)]
pub struct ConnectSeen {
    /// The workers; nothing where their Deployment does not exist.
    pub workers: Known<Option<WorkersSeen>>,
    /// The connector classes on their plugin path.
    pub plugins: Known<Vec<Plugin>>,
    /// The connectors in them, by their names in Connect.
    pub live: Known<BTreeMap<String, LiveConnector>>,
    /// What the classes find wrong with the configurations of [`to_validate`], by the connector's
    /// name in the spec.
    pub validations: BTreeMap<String, Known<Vec<ConfigError>>>,
}

/// How many workers there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkersSeen {
    /// Ready ones.
    pub ready: i32,
    /// All.
    pub replicas: i32,
}

/// A connector as the workers have it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LiveConnector {
    /// Its configuration, `name` included; `None` while Connect creates or deletes it.
    pub config: Option<BTreeMap<String, String>>,
    /// Its own state.
    pub state: LiveState,
    /// Why the connector itself failed.
    pub trace: Option<String>,
    /// Its tasks, by id.
    pub tasks: Vec<LiveTask>,
}

/// A task of a connector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveTask {
    /// Its state.
    pub state: LiveState,
    /// Why it failed: at most 1 KiB.
    pub trace: Option<String>,
}

/// The state of a connector or a task in Connect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LiveState {
    /// No worker has it yet, or it starts.
    #[default]
    Pending,
    /// It runs.
    Running,
    /// It exists and does nothing.
    Paused,
    /// It has no tasks.
    Stopped,
    /// It ended with an error.
    Failed,
}

/// What is wrong with one key of a configuration, in the class's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The key.
    pub key: String,
    /// What is wrong with it.
    pub messages: Vec<String>,
    /// Values that the class recommends.
    pub recommended: Vec<String>,
}

/// One call to Connect. Absolute, so that a repeated one does no harm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectStep {
    /// Create the connector in this state.
    Create {
        /// Its name in Connect.
        name: String,
        /// Its configuration.
        config: BTreeMap<String, String>,
        /// The state that it begins in.
        state: ConnectorState,
    },
    /// Replace the configuration; Connect restarts the connector.
    Put {
        /// Its name in Connect.
        name: String,
        /// Its configuration.
        config: BTreeMap<String, String>,
    },
    /// Ask for a state.
    SetState {
        /// Its name in Connect.
        name: String,
        /// The state.
        state: ConnectorState,
    },
    /// Restart what failed of it, and nothing else.
    RestartFailed {
        /// Its name in Connect.
        name: String,
    },
    /// Delete it; its offsets stay.
    Delete {
        /// Its name in Connect.
        name: String,
    },
}

/// One connector to plan for.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The connector.
    pub connector: &'a Connector,
    /// Its runtime's block.
    pub connect: &'a ConnectConnector,
    /// The pipeline.
    pub pipeline: Identity<'a>,
    /// The operator's settings.
    pub settings: &'a Settings,
    /// Whether the pipeline is stopped.
    pub suspended: bool,
    /// Those of [`config::topics`] that are not ready.
    pub unready_topics: &'a BTreeSet<String>,
    /// The connector's last status.
    pub last: Option<&'a ConnectorStatus>,
    /// The restarts of its failed tasks so far.
    pub restarts: Restarts,
    /// The time of this pass.
    pub now: Timestamp,
}

/// What to do for one connector, and what to say.
#[derive(Clone, Debug, PartialEq)]
pub struct ConnectorPlan {
    /// The calls, in order; a failure stops those behind it and no other connector's.
    pub steps: Vec<ConnectStep>,
    /// Its status; lag, rates and decisions are kept from the last one.
    pub status: ConnectorStatus,
    /// What a person should know.
    pub findings: Vec<Finding>,
    /// The restarts to remember.
    pub restarts: Restarts,
}

/// What is to become of the configuration.
enum Change {
    /// It is as declared.
    Nothing,
    /// It differs and cannot be written.
    Held(Finding),
    /// It is to be written if the class finds nothing wrong with it.
    Write(BTreeMap<String, String>),
}

/// Plans one connector.
#[must_use]
pub fn connector(request: &Request<'_>, seen: &ConnectSeen) -> ConnectorPlan {
    let live = match &seen.live {
        Known::Value(all) => all.get(&request.name()),
        Known::Unknown(unknown) => {
            let finding = waits_for_workers(seen).unwrap_or_else(|| unknown.into());
            return status::concluded(request, None, Vec::new(), vec![finding]);
        }
    };
    let mut findings = Vec::new();
    let config = request.config_to_write(live, seen).unwrap_or_else(|held| {
        findings.push(held);
        None
    });
    let steps = request.steps(config, live);
    status::concluded(request, live, steps, findings)
}

/// The configuration that has to be validated before [`connector`] can go on, if there is one.
#[must_use]
pub fn to_validate(request: &Request<'_>, seen: &ConnectSeen) -> Option<BTreeMap<String, String>> {
    let live = seen.live.value()?.get(&request.name());
    match request.change(live, &seen.plugins) {
        Change::Write(config) => Some(config),
        Change::Nothing | Change::Held(_) => None,
    }
}

/// Deletes of connectors of this pipeline that are no longer declared for Connect.
///
/// A connector is the pipeline's when its name is what Sluice would give to a connector of the
/// pipeline, or to one that the last status lists. Namespaces and connectors have no dots in their
/// names, so no other pipeline's connector can be meant; the worker group is the pipeline's alone
/// besides. Not read from status alone: a connector whose deletion failed would be forgotten.
#[must_use]
pub fn removed(
    live: &BTreeMap<String, LiveConnector>,
    spec: &IngestionPipelineSpec,
    last: &[ConnectorStatus],
    pipeline: Identity<'_>,
    settings: &Settings,
) -> Vec<ConnectStep> {
    let outside = |name: &str| names::outside(pipeline, name, settings);
    let in_connect = spec.connectors.iter().filter(|c| c.connect.is_some());
    let declared: BTreeSet<_> = in_connect.map(|c| outside(&c.name)).collect();
    let listed: BTreeSet<_> = last.iter().map(|status| outside(&status.name)).collect();
    let prefix = outside("");
    let ours = |name: &str| {
        let own = name.strip_prefix(&prefix);
        own.is_some_and(|own| !own.is_empty() && !own.contains('.')) || listed.contains(name)
    };
    live.keys()
        .filter(|name| !declared.contains(*name) && ours(name))
        .map(|name| ConnectStep::Delete { name: name.clone() })
        .collect()
}

/// Where Connect does not answer because its workers are not there yet, this says more.
fn waits_for_workers(seen: &ConnectSeen) -> Option<Finding> {
    let workers = seen.workers.value()?;
    let ready = workers.is_some_and(|workers| workers.ready > 0);
    (!ready).then(|| {
        Finding::waiting(
            Reason::WorkersNotReady,
            "no Kafka Connect worker is ready yet: see the pods of the pipeline's connect workers",
        )
    })
}

impl Request<'_> {
    /// The connector's name in Connect.
    fn name(&self) -> String {
        names::outside(self.pipeline, &self.connector.name, self.settings)
    }

    /// The state that the connector is to be in.
    const fn wanted(&self) -> ConnectorState {
        if self.suspended {
            ConnectorState::Stopped
        } else {
            self.connect.state
        }
    }

    /// The field of the spec that the connector stands in.
    fn field(&self) -> String {
        format!("spec.connectors[{}].connect", self.connector.name)
    }

    fn change(&self, live: Option<&LiveConnector>, plugins: &Known<Vec<Plugin>>) -> Change {
        // What is not there is stopped enough.
        if live.is_none() && self.suspended {
            return Change::Nothing;
        }
        if let Some(refusal) = config::refusal(self.connector, self.connect) {
            return Change::Held(refusal);
        }
        let plugins = match plugins {
            Known::Value(plugins) => plugins,
            Known::Unknown(unknown) => return Change::Held(unknown.into()),
        };
        if let Err(finding) = self.class(plugins) {
            return Change::Held(finding);
        }
        let desired = config::desired(self.connector, self.connect, &self.name());
        match live.map(|live| &live.config) {
            Some(Some(live)) if !config::differs(&desired, live, plugins) => {
                return Change::Nothing;
            }
            Some(None) => return Change::Held(self.in_between()),
            Some(Some(_)) | None => {}
        }
        match self.waits_for_topics() {
            Some(finding) => Change::Held(finding),
            None => Change::Write(desired),
        }
    }

    fn class(&self, plugins: &[Plugin]) -> Result<(), Finding> {
        let wanted = &self.connect.class;
        let advice = match classes::resolve(wanted, plugins) {
            Resolved::One(plugin) => {
                return config::wrong_way(self.connector, plugin).map_or(Ok(()), Err);
            }
            Resolved::Several(classes) => {
                format!(
                    "is short for several classes, name one: {}",
                    classes.join(", ")
                )
            }
            Resolved::Missing(near) if near.is_empty() => {
                "is not on the workers' plugin path: use an image that has it".to_owned()
            }
            Resolved::Missing(near) => format!(
                "is not on the workers' plugin path: did you mean {}?",
                near.join(" or ")
            ),
        };
        let message = format!("{}.class: {wanted} {advice}", self.field());
        Err(Finding::stalled(Reason::ConnectorClassMissing, message))
    }

    fn in_between(&self) -> Finding {
        Finding::waiting(
            Reason::Progressing,
            format!("{}: Kafka Connect is creating or deleting it", self.field()),
        )
    }

    fn waits_for_topics(&self) -> Option<Finding> {
        if self.unready_topics.is_empty() {
            return None;
        }
        let names: Vec<_> = self.unready_topics.iter().map(String::as_str).collect();
        let message = format!("{}: waits for topic {}", self.field(), names.join(", "));
        Some(Finding::waiting(Reason::WaitingForTopics, message))
    }

    /// The configuration to write, if it differs; the finding that holds it, if one does.
    fn config_to_write(
        &self,
        live: Option<&LiveConnector>,
        seen: &ConnectSeen,
    ) -> Result<Option<BTreeMap<String, String>>, Finding> {
        let config = match self.change(live, &seen.plugins) {
            Change::Nothing => return Ok(None),
            Change::Held(finding) => return Err(finding),
            Change::Write(config) => config,
        };
        match seen.validations.get(&self.connector.name) {
            Some(Known::Value(errors)) if errors.is_empty() => Ok(Some(config)),
            Some(Known::Value(errors)) => Err(status::config_invalid(self, errors)),
            Some(Known::Unknown(unknown)) => Err(unknown.into()),
            None => Err(Finding::waiting(
                Reason::Progressing,
                format!("{}.config: has to be validated first", self.field()),
            )),
        }
    }

    fn steps(
        &self,
        config: Option<BTreeMap<String, String>>,
        live: Option<&LiveConnector>,
    ) -> Vec<ConnectStep> {
        let (name, state) = (self.name(), self.wanted());
        let Some(live) = live else {
            let create = |config| ConnectStep::Create {
                name,
                config,
                state,
            };
            return config.map(create).into_iter().collect();
        };
        let rewritten = config.is_some();
        let mut steps = Vec::new();
        steps.extend(config.map(|config| ConnectStep::Put {
            name: name.clone(),
            config,
        }));
        if must_ask(live.state, state) {
            steps.push(ConnectStep::SetState {
                name: name.clone(),
                state,
            });
        }
        let failed = live.failed() && state == ConnectorState::Running;
        if failed && !rewritten && self.restarts.due(self.now) {
            steps.push(ConnectStep::RestartFailed { name });
        }
        steps
    }
}

/// Whether the live state is not the wanted one and asking for it would help.
const fn must_ask(live: LiveState, wanted: ConnectorState) -> bool {
    match (live, wanted) {
        // On its way somewhere: seen again soon.
        (LiveState::Pending, _)
        // A failed connector is restarted, not resumed, and does nothing until then.
        | (LiveState::Failed, ConnectorState::Running | ConnectorState::Paused)
        | (LiveState::Running, ConnectorState::Running)
        | (LiveState::Paused, ConnectorState::Paused)
        | (LiveState::Stopped, ConnectorState::Stopped) => false,
        _ => true,
    }
}

impl LiveConnector {
    /// Whether the connector or one of its tasks has failed.
    fn failed(&self) -> bool {
        let tasks = self.tasks.iter().map(|task| task.state);
        tasks
            .chain([self.state])
            .any(|state| state == LiveState::Failed)
    }
}

#[cfg(test)]
mod tests;
