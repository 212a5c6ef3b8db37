//! What is said about a connector in Connect: its status entry, its phase, and the words for what
//! is wrong. Nothing here decides what is done.

use std::fmt::Write as _;

use super::{ConfigError, ConnectStep, ConnectorPlan, LiveConnector, LiveState, Request, Restarts};
use crate::{
    api::{
        common::Reason,
        connectors::{ConnectorPhase, ConnectorState, ConnectorStatus, TaskCounts},
    },
    plan::{Finding, Severity},
};

/// Longest list of errors in a message, in keys.
const MAX_KEYS: usize = 8;
/// Longest list of recommended values.
const MAX_RECOMMENDED: usize = 3;
/// Longest message about a configuration, in characters.
const MAX_MESSAGE: usize = 1024;

/// Puts a plan together: how the connector stands, and what is wrong with it beside `findings`.
pub(super) fn concluded(
    request: &Request<'_>,
    live: Option<&LiveConnector>,
    steps: Vec<ConnectStep>,
    mut findings: Vec<Finding>,
) -> ConnectorPlan {
    let restarts = remembered(request, live, &steps);
    let (phase, finding) = stands(request, live, restarts);
    findings.extend(finding);
    let mut status = ConnectorStatus {
        name: request.connector.name.clone(),
        role: request.connector.role,
        phase,
        tasks: live.map(counts),
        trace: live.and_then(first_trace),
        reason: None,
        message: String::new(),
        ..request.last.cloned().unwrap_or_default()
    };
    let worst = findings.iter().rev().max_by_key(|finding| finding.severity);
    if let Some(worst) = worst.filter(|worst| worst.severity > Severity::Note) {
        status.reason = Some(worst.reason.as_str().to_owned());
        status.message.clone_from(&worst.message);
    }
    status.phase = phase_of(phase, live, &findings, &steps);
    ConnectorPlan {
        steps,
        status,
        findings,
        restarts,
    }
}

/// A phase that takes into account what could not be done.
fn phase_of(
    phase: ConnectorPhase,
    live: Option<&LiveConnector>,
    findings: &[Finding],
    steps: &[ConnectStep],
) -> ConnectorPhase {
    let worst = findings.iter().map(|finding| finding.severity).max();
    match worst {
        Some(Severity::Stalled) if live.is_none() => ConnectorPhase::Failed,
        _ if phase == ConnectorPhase::Failed => phase,
        // What runs may be something older than what is declared.
        Some(Severity::Stalled | Severity::Waiting) => ConnectorPhase::Waiting,
        _ if !steps.is_empty() => ConnectorPhase::Waiting,
        _ => phase,
    }
}

fn remembered(
    request: &Request<'_>,
    live: Option<&LiveConnector>,
    steps: &[ConnectStep],
) -> Restarts {
    let restarts = request.restarts;
    let is_restart = |step: &ConnectStep| matches!(step, ConnectStep::RestartFailed { .. });
    let is_new =
        |step: &ConnectStep| matches!(step, ConnectStep::Put { .. } | ConnectStep::Create { .. });
    if steps.iter().any(is_new) {
        Restarts::default()
    } else if steps.iter().any(is_restart) {
        restarts.restarted(request.now)
    } else if live.is_some_and(|live| !live.failed()) {
        restarts.healthy(request.now)
    } else {
        restarts
    }
}

/// The phase of what is there, measured by what is wanted, and what is wrong where they differ.
fn stands(
    request: &Request<'_>,
    live: Option<&LiveConnector>,
    restarts: Restarts,
) -> (ConnectorPhase, Option<Finding>) {
    let Some(live) = live else {
        let phase = if request.suspended {
            ConnectorPhase::Stopped
        } else {
            ConnectorPhase::Waiting
        };
        return (phase, None);
    };
    let field = request.field();
    let waiting = |reason, words| {
        let finding = Finding::waiting(reason, format!("{field}: {words}"));
        (ConnectorPhase::Waiting, Some(finding))
    };
    let wanted = request.wanted();
    match (wanted, live.state) {
        (ConnectorState::Stopped, LiveState::Stopped) => (ConnectorPhase::Stopped, None),
        (ConnectorState::Stopped, _) => waiting(Reason::Progressing, "is being stopped"),
        // Failed tasks of a paused connector do as much as the others: nothing.
        (ConnectorState::Paused, LiveState::Paused) => (ConnectorPhase::Paused, None),
        _ if live.failed() => (
            ConnectorPhase::Failed,
            Some(failed(request, live, restarts)),
        ),
        (ConnectorState::Paused, _) => waiting(Reason::Progressing, "is being paused"),
        (ConnectorState::Running, LiveState::Paused | LiveState::Stopped) => {
            waiting(Reason::Progressing, "is being resumed")
        }
        (ConnectorState::Running, LiveState::Pending | LiveState::Failed) => {
            waiting(Reason::TasksNotRunning, "no worker runs it yet")
        }
        (ConnectorState::Running, LiveState::Running) if live.tasks.is_empty() => {
            waiting(Reason::TasksNotRunning, "it runs and has no tasks yet")
        }
        (ConnectorState::Running, LiveState::Running) => {
            if live.tasks.iter().all(|t| t.state == LiveState::Running) {
                (ConnectorPhase::Running, None)
            } else {
                waiting(Reason::TasksNotRunning, "not all of its tasks run yet")
            }
        }
    }
}

fn failed(request: &Request<'_>, live: &LiveConnector, restarts: Restarts) -> Finding {
    let what = if live.state == LiveState::Failed {
        "the connector failed to start"
    } else {
        "at least one task failed"
    };
    let (field, name) = (request.field(), &request.connector.name);
    let cause = first_trace(live)
        .and_then(|trace| trace.lines().next().map(|line| cut(line, 256)))
        .map_or_else(String::new, |line| format!(" with {line}"));
    let see = format!("{field}: {what}{cause} (trace in status.connectors[{name}].trace)");
    if restarts.exhausted() {
        let message = format!("{see}; restarts have not helped so far, mend the cause");
        return Finding::stalled(Reason::TaskFailed, message);
    }
    let then = match request.wanted() {
        ConnectorState::Running => "what failed is restarted after growing delays",
        _ => "it is restarted when it is to run again",
    };
    let message = format!("{see}; {then}");
    Finding::waiting(Reason::TaskFailed, message)
}

fn first_trace(live: &LiveConnector) -> Option<String> {
    let tasks = live.tasks.iter().filter_map(|task| task.trace.clone());
    live.trace.clone().into_iter().chain(tasks).next()
}

fn counts(live: &LiveConnector) -> TaskCounts {
    let count = |wanted: fn(LiveState) -> bool| {
        let found = live.tasks.iter().filter(|task| wanted(task.state)).count();
        i32::try_from(found).unwrap_or(i32::MAX)
    };
    TaskCounts {
        running: count(|state| state == LiveState::Running),
        failed: count(|state| state == LiveState::Failed),
        unassigned: count(|s| !matches!(s, LiveState::Running | LiveState::Failed)),
    }
}

/// What the class finds wrong with the configuration, key by key.
pub(super) fn config_invalid(request: &Request<'_>, errors: &[ConfigError]) -> Finding {
    let mut message = format!("{}.config: ", request.field());
    for (index, error) in errors.iter().take(MAX_KEYS).enumerate() {
        let separator = if index > 0 { "; " } else { "" };
        let _ = write!(
            message,
            "{separator}{}: {}",
            error.key,
            error.messages.join(", ")
        );
        if !error.recommended.is_empty() {
            let some: Vec<_> = error
                .recommended
                .iter()
                .take(MAX_RECOMMENDED)
                .cloned()
                .collect();
            let _ = write!(message, " (recommended: {})", some.join(", "));
        }
    }
    if errors.len() > MAX_KEYS {
        message.push_str("; and more");
    }
    Finding::stalled(Reason::ConnectorConfigInvalid, cut(&message, MAX_MESSAGE))
}

/// The first characters of a text.
fn cut(text: &str, max: usize) -> String {
    text.chars().take(max).collect()
}
