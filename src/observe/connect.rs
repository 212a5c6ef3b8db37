//! The Connect workers and the connectors in them: what is there, what classes they have, and what
//! the classes say of configurations that are about to be written. An answer from the workers, or
//! a gap with its reason.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;

use super::Sources;
use crate::{
    api::{
        common::Reason,
        connectors::{ConnectConnector, Connector},
    },
    class::Class,
    connect::{
        self, Endpoint,
        read::{self, State},
    },
    plan::{
        Known, Unknown,
        connectors::{
            connect::{
                self as planning, ConfigError, ConnectSeen, LiveConnector, LiveState, LiveTask,
                WorkersSeen,
                classes::{Plugin, PluginKind},
            },
            part,
            workers::{self, WorkersView},
        },
        pipeline::Subject,
    },
};

/// What the workers say of their connectors.
pub async fn connect(sources: &Sources, subject: Subject<'_>, view: &WorkersView) -> ConnectSeen {
    let workers = match &view.deployment {
        Known::Value(deployment) => Known::Value(deployment.as_ref().map(workers::seen)),
        Known::Unknown(unknown) => Known::Unknown(unknown.clone()),
    };
    // Workers of which none is ready are not asked: each pass would wait for the deadline.
    if let Known::Value(seen) = &workers
        && seen.is_none_or(|seen| seen.ready == 0)
    {
        return unseen(workers, &not_ready());
    }
    let endpoint = match sources
        .connect
        .endpoint(&workers::rest_address(subject.pipeline))
    {
        Ok(endpoint) => endpoint,
        Err(error) => return unseen(workers, &unknown(&error)),
    };
    let (plugins, live) = tokio::join!(read::plugins(&endpoint), read::connectors(&endpoint));
    let mut seen = ConnectSeen {
        workers,
        plugins: known(plugins.map(|found| found.into_iter().map(plugin).collect())),
        live: known(live.map(|found| found.into_iter().map(|(n, c)| (n, live_one(c))).collect())),
        validations: BTreeMap::new(),
    };
    seen.validations = validations(&endpoint, subject, &seen).await;
    seen
}

fn not_ready() -> Unknown {
    Unknown {
        class: Class::Waiting,
        reason: Reason::WorkersNotReady,
        message: "no Kafka Connect worker is ready yet".to_owned(),
    }
}

fn unseen(workers: Known<Option<WorkersSeen>>, unknown: &Unknown) -> ConnectSeen {
    ConnectSeen {
        workers,
        plugins: Known::Unknown(unknown.clone()),
        live: Known::Unknown(unknown.clone()),
        validations: BTreeMap::new(),
    }
}

/// Asks the classes about every configuration that would be written, side by side.
async fn validations(
    endpoint: &Endpoint,
    subject: Subject<'_>,
    seen: &ConnectSeen,
) -> BTreeMap<String, Known<Vec<ConfigError>>> {
    // Whether topics are ready is decided in planning; an early validation does no harm.
    let ready = BTreeSet::new();
    let asked =
        |connector: &Connector| -> Option<(String, ConnectConnector, BTreeMap<String, String>)> {
            let connect = connector.connect.as_ref()?;
            let request = part::connect_request(subject, connector, connect, &ready);
            let config = planning::to_validate(&request, seen)?;
            Some((connector.name.clone(), connect.clone(), config))
        };
    let ask =
        async |(name, connect, config): (String, ConnectConnector, BTreeMap<String, String>)| {
            let answer = read::validate(endpoint, &connect.class, &config).await;
            (
                name,
                known(answer.map(|errors| errors.into_iter().map(config_error).collect())),
            )
        };
    let asked: Vec<_> = subject.spec.connectors.iter().filter_map(asked).collect();
    join_all(asked.into_iter().map(ask))
        .await
        .into_iter()
        .collect()
}

fn known<T>(answer: Result<T, connect::Error>) -> Known<T> {
    match answer {
        Ok(value) => Known::Value(value),
        Err(error) => Known::Unknown(unknown(&error)),
    }
}

fn unknown(error: &connect::Error) -> Unknown {
    let class = error.class();
    let reason = match class {
        Class::Down => Reason::ConnectUnreachable,
        _ => Reason::ConnectRefused,
    };
    Unknown {
        class,
        reason,
        message: error.to_string(),
    }
}

fn plugin(plugin: read::Plugin) -> Plugin {
    let kind = match plugin.kind.as_str() {
        "source" => PluginKind::Source,
        "sink" => PluginKind::Sink,
        _ => PluginKind::Other,
    };
    Plugin {
        class: plugin.class,
        kind,
    }
}

fn live_one(connector: read::Connector) -> LiveConnector {
    let task = |task: read::Task| LiveTask {
        state: state(task.state),
        trace: task.trace,
    };
    LiveConnector {
        config: connector.config,
        state: connector.state.map_or(LiveState::Pending, state),
        trace: connector.trace,
        tasks: connector.tasks.into_iter().map(task).collect(),
    }
}

const fn state(state: State) -> LiveState {
    match state {
        State::Running => LiveState::Running,
        State::Paused => LiveState::Paused,
        State::Stopped => LiveState::Stopped,
        State::Failed => LiveState::Failed,
        _ => LiveState::Pending,
    }
}

fn config_error(error: read::ConfigError) -> ConfigError {
    ConfigError {
        key: error.key,
        messages: error.messages,
        recommended: error.recommended,
    }
}
