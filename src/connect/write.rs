//! Changes to the connectors of a group. Every call is absolute: sent twice, it does no more than
//! sent once. Nothing here looks at what is there.

use std::collections::BTreeMap;

use reqwest::Method;

use super::{Endpoint, Error, client::Call, wire::Creation};

/// The state that a connector is to be in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetState {
    /// Its tasks run.
    Running,
    /// Its tasks exist and do nothing.
    Paused,
    /// It has no tasks; its offsets stay.
    Stopped,
}

/// Creates the connector, or replaces its configuration and restarts it; the state that it is to
/// be in stays.
///
/// # Errors
/// See [`Error`].
pub async fn put(
    endpoint: &Endpoint,
    name: &str,
    config: &BTreeMap<String, String>,
) -> Result<(), Error> {
    let call = Call {
        what: "the change of a connector",
        method: Method::PUT,
        path: &["connectors", name, "config"],
        query: &[],
    };
    endpoint.send(call, Some(config)).await.map(drop)
}

/// Creates the connector in this state, so that it does not run for a moment first. Needs Kafka
/// 3.7 or newer.
///
/// # Errors
/// See [`Error`]; [`Error::Rebalancing`] also where the connector exists.
pub async fn create(
    endpoint: &Endpoint,
    name: &str,
    config: &BTreeMap<String, String>,
    state: TargetState,
) -> Result<(), Error> {
    let call = Call {
        what: "the creation of a connector",
        method: Method::POST,
        path: &["connectors"],
        query: &[],
    };
    let initial_state = match state {
        TargetState::Running => "RUNNING",
        TargetState::Paused => "PAUSED",
        TargetState::Stopped => "STOPPED",
    };
    let creation = Creation {
        name,
        config,
        initial_state,
    };
    endpoint.send(call, Some(&creation)).await.map(drop)
}

/// Asks for a state. Connect answers at once and gets there soon after.
///
/// # Errors
/// See [`Error`].
pub async fn set_state(endpoint: &Endpoint, name: &str, state: TargetState) -> Result<(), Error> {
    let (what, verb) = match state {
        TargetState::Running => ("the resumption of a connector", "resume"),
        TargetState::Paused => ("the pause of a connector", "pause"),
        TargetState::Stopped => ("the stop of a connector", "stop"),
    };
    let call = Call {
        what,
        method: Method::PUT,
        path: &["connectors", name, verb],
        query: &[],
    };
    endpoint.send(call, None::<&()>).await.map(drop)
}

/// Deletes the connector; fine where it does not exist. Its offsets stay in Kafka.
///
/// # Errors
/// See [`Error`].
pub async fn delete(endpoint: &Endpoint, name: &str) -> Result<(), Error> {
    let call = Call {
        what: "the deletion of a connector",
        method: Method::DELETE,
        path: &["connectors", name],
        query: &[],
    };
    match endpoint.send(call, None::<&()>).await {
        Ok(_) | Err(Error::Missing { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Restarts what failed of a connector, the connector itself or its tasks, and nothing else.
///
/// # Errors
/// See [`Error`].
pub async fn restart_failed(endpoint: &Endpoint, name: &str) -> Result<(), Error> {
    let call = Call {
        what: "the restart of failed tasks",
        method: Method::POST,
        path: &["connectors", name, "restart"],
        query: &[("includeTasks", "true"), ("onlyFailed", "true")],
    };
    endpoint.send(call, None::<&()>).await.map(drop)
}
