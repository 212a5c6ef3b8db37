//! What Kafka Connect says: its plugins, its connectors with their tasks, and what is wrong with a
//! configuration. It changes nothing; all connectors of a group come in one call.

use std::collections::BTreeMap;

use reqwest::Method;

pub use super::wire::State;
use super::{
    Endpoint, Error,
    client::Call,
    scrub,
    wire::{self, Expanded, Instance, Validation},
};

/// A connector class that the workers can run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plugin {
    /// The full class name.
    pub class: String,
    /// `source` or `sink`.
    pub kind: String,
}

/// A connector as the workers have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connector {
    /// Its configuration, `name` included. `None` while Connect creates or deletes it.
    pub config: Option<BTreeMap<String, String>>,
    /// Its own state. `None` while no worker has reported one.
    pub state: Option<State>,
    /// The worker that runs it, `host:port`; empty where none does.
    pub worker: String,
    /// Why the connector itself failed: the first 1 KiB of the trace, without values.
    pub trace: Option<String>,
    /// Its tasks, by id.
    pub tasks: Vec<Task>,
}

/// A task of a connector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// Its number, from 0.
    pub id: i32,
    /// Its state.
    pub state: State,
    /// The worker that runs it, `host:port`.
    pub worker: String,
    /// Why it failed: the first 1 KiB of the trace, without values.
    pub trace: Option<String>,
}

/// What is wrong with one key of a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The key.
    pub key: String,
    /// Connect's words, without the value.
    pub messages: Vec<String>,
    /// Values that Connect recommends; empty where it has none.
    pub recommended: Vec<String>,
}

/// The connector classes that the workers have on their plugin path.
///
/// # Errors
/// See [`Error`].
pub async fn plugins(endpoint: &Endpoint) -> Result<Vec<Plugin>, Error> {
    let call = Call {
        what: "the list of plugins",
        method: Method::GET,
        path: &["connector-plugins"],
        query: &[("connectorsOnly", "true")],
    };
    let plugins: Vec<wire::Plugin> = endpoint.get(call).await?;
    let plugin = |wire::Plugin { class, kind }| Plugin { class, kind };
    Ok(plugins.into_iter().map(plugin).collect())
}

/// Every connector of the group with configuration, state and tasks, by name; one call.
///
/// # Errors
/// See [`Error`].
pub async fn connectors(endpoint: &Endpoint) -> Result<BTreeMap<String, Connector>, Error> {
    let call = Call {
        what: "the list of connectors",
        method: Method::GET,
        path: &["connectors"],
        query: &[("expand", "info"), ("expand", "status")],
    };
    let expanded: BTreeMap<String, Expanded> = endpoint.get(call).await?;
    let connector = |(name, expanded)| (name, connector(expanded));
    Ok(expanded.into_iter().map(connector).collect())
}

fn connector(expanded: Expanded) -> Connector {
    // Null stands for a key that is not set.
    let set = |(key, value): (String, Option<String>)| Some((key, value?));
    let config = expanded
        .info
        .map(|info| info.config.into_iter().filter_map(set).collect());
    let Some(status) = expanded.status else {
        return Connector {
            config,
            state: None,
            worker: String::new(),
            trace: None,
            tasks: Vec::new(),
        };
    };
    let mut tasks: Vec<_> = status.tasks.into_iter().map(task).collect();
    tasks.sort_by_key(|task| task.id);
    Connector {
        config,
        state: Some(status.connector.state),
        trace: trace(&status.connector),
        worker: status.connector.worker_id,
        tasks,
    }
}

fn task(task: wire::Task) -> Task {
    Task {
        id: task.id,
        state: task.instance.state,
        trace: trace(&task.instance),
        worker: task.instance.worker_id,
    }
}

fn trace(instance: &Instance) -> Option<String> {
    let trace = instance.trace.as_deref().map(scrub::trace)?;
    Some(trace).filter(|trace| !trace.is_empty())
}

/// What the connector class finds wrong with a configuration: nothing, when it is fine. The class
/// may connect to the systems that the configuration names.
///
/// # Errors
/// See [`Error`]. A class that the workers do not have is [`Error::Failed`]: ask for
/// [`plugins`] first.
pub async fn validate(
    endpoint: &Endpoint,
    class: &str,
    config: &BTreeMap<String, String>,
) -> Result<Vec<ConfigError>, Error> {
    let call = Call {
        what: "the validation of a configuration",
        method: Method::PUT,
        path: &["connector-plugins", class, "config", "validate"],
        query: &[],
    };
    let validation: Validation = endpoint.exchange(call, config).await?;
    let wrong = |key: wire::ValidatedKey| key.value.filter(|value| !value.errors.is_empty());
    let values = validation.configs.into_iter().filter_map(wrong);
    Ok(values.map(config_error).collect())
}

fn config_error(value: wire::ValidatedValue) -> ConfigError {
    ConfigError {
        key: value.name,
        messages: value.errors.iter().map(|e| scrub::words(e)).collect(),
        recommended: value.recommended_values.into_iter().flatten().collect(),
    }
}
