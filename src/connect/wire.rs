//! The JSON of Connect's REST interface, as of Kafka 3.9 to 4.3. Only the fields that are used;
//! unknown fields and states are let through, so that a newer worker is no error.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Why a call was refused.
#[derive(Deserialize)]
struct Complaint {
    message: Option<String>,
    #[serde(rename = "error_code")]
    _code: i32,
}

/// Connect's own words, if these bytes are its form of an error.
pub(super) fn complaint(body: &[u8]) -> Option<String> {
    serde_json::from_slice::<Complaint>(body)
        .ok()
        .map(|complaint| complaint.message.unwrap_or_default())
}

/// One entry of `GET /connector-plugins`.
#[derive(Deserialize)]
pub(super) struct Plugin {
    pub class: String,
    #[serde(rename = "type")]
    pub kind: String,
}

/// One entry of `GET /connectors?expand=info&expand=status`. A connector that is being created or
/// deleted may have one half only.
#[derive(Deserialize)]
pub(super) struct Expanded {
    pub info: Option<Info>,
    pub status: Option<Status>,
}

#[derive(Deserialize)]
pub(super) struct Info {
    pub config: BTreeMap<String, Option<String>>,
}

#[derive(Deserialize)]
pub(super) struct Status {
    pub connector: Instance,
    #[serde(default)]
    pub tasks: Vec<Task>,
}

#[derive(Deserialize)]
pub(super) struct Instance {
    pub state: State,
    #[serde(default)]
    pub worker_id: String,
    pub trace: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Task {
    pub id: i32,
    #[serde(flatten)]
    pub instance: Instance,
}

/// The state of a connector or a task, by Connect's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum State {
    /// No worker has it yet.
    Unassigned,
    /// It runs.
    Running,
    /// It exists and does nothing.
    Paused,
    /// It was stopped: no tasks.
    Stopped,
    /// It ended with an error.
    Failed,
    /// It is being restarted.
    Restarting,
    /// A state that this program does not know.
    #[serde(other)]
    Unknown,
}

/// The answer of `config/validate`.
#[derive(Deserialize)]
pub(super) struct Validation {
    pub configs: Vec<ValidatedKey>,
}

#[derive(Deserialize)]
pub(super) struct ValidatedKey {
    pub value: Option<ValidatedValue>,
}

#[derive(Deserialize)]
pub(super) struct ValidatedValue {
    pub name: String,
    #[serde(default)]
    pub recommended_values: Vec<Option<String>>,
    #[serde(default)]
    pub errors: Vec<String>,
}

/// The body of `POST /connectors`.
#[derive(Serialize)]
pub(super) struct Creation<'a> {
    pub name: &'a str,
    pub config: &'a BTreeMap<String, String>,
    pub initial_state: &'static str,
}
