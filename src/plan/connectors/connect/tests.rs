//! Planning of connectors in Connect: each conclusion by itself, then convergence over arbitrary
//! worlds.

use std::time::Duration;

use proptest::prelude::*;

use super::{classes::PluginKind, *};
use crate::{
    api::connectors::{ConnectorPhase, Consumes, OffsetReset, Role, TaskCounts},
    class::Class,
    plan::{Severity, Unknown},
};

const PIPELINE: Identity<'_> = Identity {
    namespace: "plant",
    name: "p",
    uid: "u-1",
};
const NAME: &str = "plant.p.csv";
const CLASS: &str = "org.apache.kafka.connect.file.FileStreamSourceConnector";

fn settings() -> Settings {
    Settings {
        connect_image: "sluice/kafka:4.3.1".to_owned(),
        cluster_name: None,
        operator_namespace: "sluice".to_owned(),
        deletion_deadline: Duration::from_mins(5),
        status_interval: Duration::from_secs(30),
        prometheus_servers: Vec::new(),
    }
}

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let pair = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    pairs.iter().map(pair).collect()
}

fn source() -> Connector {
    Connector {
        name: "csv".to_owned(),
        role: Role::Source,
        connect: Some(ConnectConnector {
            class: "FileStreamSource".to_owned(),
            tasks_max: 1,
            config: map(&[("file", "/data/in.csv"), ("topic", "readings")]),
            ..ConnectConnector::default()
        }),
        ..Connector::default()
    }
}

fn running() -> LiveConnector {
    LiveConnector {
        config: Some(map(&[
            ("name", NAME),
            ("connector.class", "FileStreamSource"),
            ("tasks.max", "1"),
            ("file", "/data/in.csv"),
            ("topic", "readings"),
        ])),
        state: LiveState::Running,
        trace: None,
        tasks: vec![task(LiveState::Running)],
    }
}

fn task(state: LiveState) -> LiveTask {
    let trace = (state == LiveState::Failed).then(|| "a.B: no such file\n\tat c.D".to_owned());
    LiveTask { state, trace }
}

fn seen(live: Option<LiveConnector>) -> ConnectSeen {
    let plugin = |class: &str, kind| Plugin {
        class: class.to_owned(),
        kind,
    };
    ConnectSeen {
        workers: Known::Value(Some(WorkersSeen {
            ready: 1,
            replicas: 1,
        })),
        plugins: Known::Value(vec![
            plugin(CLASS, PluginKind::Source),
            plugin("a.FileStreamSinkConnector", PluginKind::Sink),
        ]),
        live: Known::Value(
            live.map(|live| (NAME.to_owned(), live))
                .into_iter()
                .collect(),
        ),
        validations: BTreeMap::from([("csv".to_owned(), Known::Value(Vec::new()))]),
    }
}

fn down() -> Unknown {
    Unknown {
        class: Class::Down,
        reason: Reason::ConnectUnreachable,
        message: "Kafka Connect cannot be reached".to_owned(),
    }
}

struct World {
    connector: Connector,
    suspended: bool,
    unready: BTreeSet<String>,
    restarts: Restarts,
    now: Timestamp,
}

impl World {
    fn of(connector: Connector) -> Self {
        Self {
            connector,
            suspended: false,
            unready: BTreeSet::new(),
            restarts: Restarts::default(),
            now: Timestamp::UNIX_EPOCH,
        }
    }

    fn with<T>(&self, then: impl FnOnce(&Request<'_>) -> T) -> T {
        then(&Request {
            connector: &self.connector,
            connect: self.connector.connect.as_ref().unwrap(),
            pipeline: PIPELINE,
            settings: &settings(),
            suspended: self.suspended,
            unready_topics: &self.unready,
            last: None,
            restarts: self.restarts,
            now: self.now,
        })
    }

    fn plan(&self, seen: &ConnectSeen) -> ConnectorPlan {
        self.with(|request| connector(request, seen))
    }
}

fn reasons(plan: &ConnectorPlan) -> Vec<Reason> {
    plan.findings.iter().map(|finding| finding.reason).collect()
}

#[test]
fn a_new_connector_is_created_with_the_whole_configuration() {
    let plan = World::of(source()).plan(&seen(None));
    let step = ConnectStep::Create {
        name: NAME.to_owned(),
        config: running().config.unwrap(),
        state: ConnectorState::Running,
    };
    assert_eq!(plan.steps, [step]);
    assert_eq!(plan.status.phase, ConnectorPhase::Waiting);
}

#[test]
fn what_runs_as_declared_is_left_alone_also_under_another_name_of_its_class() {
    let mut live = running();
    let plan = World::of(source()).plan(&seen(Some(live.clone())));
    assert_eq!((plan.steps, plan.findings), (vec![], vec![]));
    assert_eq!(plan.status.phase, ConnectorPhase::Running);
    let tasks = TaskCounts {
        running: 1,
        ..TaskCounts::default()
    };
    assert_eq!(plan.status.tasks, Some(tasks));
    let config = live.config.as_mut().unwrap();
    config.insert("connector.class".to_owned(), CLASS.to_owned());
    assert_eq!(World::of(source()).plan(&seen(Some(live))).steps, []);
}

#[test]
fn each_difference_in_the_configuration_is_written_once() {
    for (key, value) in [
        ("file", Some("/data/other.csv")),
        ("topic", None),
        ("batch.size", Some("5")),
    ] {
        let mut live = running();
        let config = live.config.as_mut().unwrap();
        match value {
            Some(value) => config.insert(key.to_owned(), value.to_owned()),
            None => config.remove(key),
        };
        let plan = World::of(source()).plan(&seen(Some(live)));
        assert!(
            matches!(&plan.steps[..], [ConnectStep::Put { .. }]),
            "{key}: {plan:?}"
        );
    }
}

#[test]
fn a_missing_class_is_answered_with_near_matches_and_changes_nothing() {
    let mut connector = source();
    connector.connect.as_mut().unwrap().class = "FileStreamSorce".to_owned();
    let plan = World::of(connector).plan(&seen(Some(running())));
    assert_eq!(plan.steps, []);
    assert_eq!(reasons(&plan), [Reason::ConnectorClassMissing]);
    let message = &plan.status.message;
    assert!(
        message.starts_with("spec.connectors[csv].connect.class: FileStreamSorce ")
            && message.contains(&format!("did you mean {CLASS}")),
        "{message}"
    );
}

#[test]
fn an_invalid_configuration_names_its_keys_and_is_not_written() {
    let mut seen = seen(None);
    let error = ConfigError {
        key: "batch.size".to_owned(),
        messages: vec!["Not a number".to_owned()],
        recommended: vec!["1".to_owned(), "2".to_owned()],
    };
    seen.validations
        .insert("csv".to_owned(), Known::Value(vec![error]));
    let plan = World::of(source()).plan(&seen);
    assert_eq!(plan.steps, []);
    assert_eq!(plan.status.phase, ConnectorPhase::Failed);
    assert_eq!(
        plan.status.reason.as_deref(),
        Some("ConnectorConfigInvalid")
    );
    assert_eq!(
        plan.status.message,
        "spec.connectors[csv].connect.config: batch.size: Not a number (recommended: 1, 2)"
    );
}

#[test]
fn nothing_is_written_before_it_was_validated_or_while_that_is_impossible() {
    let mut seen = seen(None);
    seen.validations.clear();
    let world = World::of(source());
    assert!(world.with(|request| to_validate(request, &seen)).is_some());
    assert_eq!(world.plan(&seen).steps, []);
    seen.validations
        .insert("csv".to_owned(), Known::Unknown(down()));
    assert_eq!(reasons(&world.plan(&seen)), [Reason::ConnectUnreachable]);
}

#[test]
fn only_what_would_be_written_is_validated() {
    let world = World::of(source());
    let asks = |seen: &ConnectSeen| world.with(|request| to_validate(request, seen)).is_some();
    assert!(!asks(&seen(Some(running()))));
    let without_plugins = ConnectSeen {
        plugins: Known::Unknown(down()),
        ..seen(None)
    };
    assert!(!asks(&without_plugins));
}

#[test]
fn a_connector_waits_for_its_topics_but_can_be_stopped_meanwhile() {
    let mut world = World::of(source());
    world.unready.insert("readings".to_owned());
    let plan = world.plan(&seen(None));
    assert_eq!(
        (plan.steps.len(), reasons(&plan)),
        (0, vec![Reason::WaitingForTopics])
    );
    // One that runs already is not stopped for it.
    assert_eq!(
        world.plan(&seen(Some(running()))).status.phase,
        ConnectorPhase::Running
    );
    world.suspended = true;
    let plan = world.plan(&seen(Some(running())));
    assert!(matches!(
        &plan.steps[..],
        [ConnectStep::SetState {
            state: ConnectorState::Stopped,
            ..
        }]
    ));
}

#[test]
fn suspension_stops_and_its_end_resumes() {
    let mut world = World::of(source());
    world.suspended = true;
    assert_eq!(world.plan(&seen(None)).steps, []);
    assert_eq!(
        world.plan(&seen(None)).status.phase,
        ConnectorPhase::Stopped
    );
    let stopped = LiveConnector {
        state: LiveState::Stopped,
        tasks: vec![],
        ..running()
    };
    let plan = world.plan(&seen(Some(stopped.clone())));
    assert_eq!(
        (plan.steps.len(), plan.status.phase),
        (0, ConnectorPhase::Stopped)
    );
    world.suspended = false;
    let plan = world.plan(&seen(Some(stopped)));
    let resume = ConnectStep::SetState {
        name: NAME.to_owned(),
        state: ConnectorState::Running,
    };
    assert_eq!(plan.steps, [resume]);
}

#[test]
fn failed_tasks_are_shown_and_restarted_after_growing_delays() {
    let mut live = running();
    live.tasks.push(task(LiveState::Failed));
    let seen = seen(Some(live));
    let mut world = World::of(source());
    let plan = world.plan(&seen);
    assert!(matches!(
        &plan.steps[..],
        [ConnectStep::RestartFailed { .. }]
    ));
    assert_eq!(plan.status.phase, ConnectorPhase::Failed);
    assert_eq!(plan.status.reason.as_deref(), Some("TaskFailed"));
    assert_eq!(
        plan.status.trace.as_deref(),
        Some("a.B: no such file\n\tat c.D")
    );
    assert!(plan.status.message.contains("with a.B: no such file"));
    world.restarts = plan.restarts;
    assert_eq!(world.plan(&seen).steps, []);
    for _ in 0..5 {
        world.now = world.restarts.next().unwrap();
        world.restarts = world.plan(&seen).restarts;
    }
    assert_eq!(world.plan(&seen).findings[0].severity, Severity::Stalled);
}

#[test]
fn an_unreachable_connect_changes_nothing_and_says_whether_workers_are_there() {
    let unreachable = ConnectSeen {
        live: Known::Unknown(down()),
        ..seen(None)
    };
    let plan = World::of(source()).plan(&unreachable);
    assert_eq!(
        (plan.steps.len(), reasons(&plan)),
        (0, vec![Reason::ConnectUnreachable])
    );
    let starting = ConnectSeen {
        workers: Known::Value(None),
        ..unreachable
    };
    let plan = World::of(source()).plan(&starting);
    assert_eq!(
        (plan.steps.len(), reasons(&plan)),
        (0, vec![Reason::WorkersNotReady])
    );
}

#[test]
fn a_sink_reads_what_it_consumes() {
    let mut connector = source();
    connector.role = Role::Sink;
    connector.consumes = Some(Consumes {
        group: None,
        topics: vec!["a".to_owned(), "b".to_owned()],
        offset_reset: OffsetReset::Latest,
    });
    let connect = connector.connect.clone().unwrap();
    let config = config::desired(&connector, &connect, NAME);
    assert_eq!(config["topics"], "a,b");
    assert_eq!(config["consumer.override.auto.offset.reset"], "latest");
    assert!(config::refusal(&connector, &connect).is_none());
}

#[test]
fn what_would_escape_the_pipeline_is_refused() {
    let mut sink = source();
    sink.role = Role::Sink;
    sink.consumes = Some(Consumes {
        topics: vec!["a".to_owned()],
        ..Consumes::default()
    });
    for (key, value) in [
        ("consumer.override.group.id", "theirs"),
        ("producer.override.bootstrap.servers", "other:9092"),
        ("topics", "a,b"),
        ("consumer.override.auto.offset.reset", "latest"),
    ] {
        let mut connector = sink.clone();
        let config = &mut connector.connect.as_mut().unwrap().config;
        config.insert(key.to_owned(), value.to_owned());
        let plan = World::of(connector).plan(&seen(None));
        assert_eq!(
            (plan.steps.len(), reasons(&plan)),
            (0, vec![Reason::InvalidSpec]),
            "{key}"
        );
        assert!(
            !plan.status.message.contains("theirs"),
            "{}",
            plan.status.message
        );
    }
    let mut wrong_way = source();
    wrong_way.role = Role::Sink;
    assert_eq!(
        reasons(&World::of(wrong_way).plan(&seen(None))),
        [Reason::InvalidSpec]
    );
}

#[test]
fn only_connectors_of_this_pipeline_are_removed() {
    let names = [
        NAME,
        "plant.p.old",
        "plant.p.q.csv",
        "plant.pp.csv",
        "other.p.csv",
        "plant.p.",
    ];
    let live = names.map(|name| (name.to_owned(), running())).into();
    let spec = IngestionPipelineSpec {
        connectors: vec![source()],
        ..IngestionPipelineSpec::default()
    };
    let steps = removed(&live, &spec, &[], PIPELINE, &settings());
    let delete = ConnectStep::Delete {
        name: "plant.p.old".to_owned(),
    };
    assert_eq!(steps, [delete]);
}

/// What Connect would do, with every request carried out at once.
fn carry_out(live: &mut Option<LiveConnector>, step: &ConnectStep) {
    let tasks = |state| match state {
        LiveState::Stopped => vec![],
        state => vec![task(state)],
    };
    let target = |state| match state {
        ConnectorState::Running => LiveState::Running,
        ConnectorState::Paused => LiveState::Paused,
        ConnectorState::Stopped => LiveState::Stopped,
    };
    let (config, state) = match (step, live.as_ref()) {
        (ConnectStep::Create { config, state, .. }, None) => (config.clone(), target(*state)),
        (ConnectStep::Put { config, .. }, Some(live)) => {
            let state = match live.state {
                LiveState::Failed => LiveState::Running,
                state => state,
            };
            (config.clone(), state)
        }
        (ConnectStep::SetState { state, .. }, Some(live)) => {
            (live.config.clone().unwrap(), target(*state))
        }
        (ConnectStep::RestartFailed { .. }, Some(live)) => {
            let state = match live.state {
                LiveState::Failed => LiveState::Running,
                state => state,
            };
            (live.config.clone().unwrap(), state)
        }
        (step, live) => panic!("{step:?} on {live:?}"),
    };
    *live = Some(LiveConnector {
        config: Some(config),
        state,
        trace: None,
        tasks: tasks(state),
    });
}

fn any_live() -> impl Strategy<Value = Option<LiveConnector>> {
    let state = prop_oneof![
        Just(LiveState::Running),
        Just(LiveState::Paused),
        Just(LiveState::Stopped),
        Just(LiveState::Failed),
    ];
    let config = prop_oneof![
        Just(running().config.unwrap()),
        Just(map(&[("name", NAME), ("connector.class", CLASS)])),
    ];
    let live = (
        config,
        state.clone(),
        proptest::collection::vec(state, 0..3),
    );
    proptest::option::of(live.prop_map(|(config, state, tasks)| LiveConnector {
        config: Some(config),
        state,
        trace: None,
        tasks: tasks.into_iter().map(task).collect(),
    }))
}

proptest! {
    #[test]
    fn it_converges_from_anywhere_also_after_a_crash_at_any_step(
        mut live in any_live(),
        suspended: bool,
        paused: bool,
        crash in 0_usize..4,
    ) {
        let mut world = World::of(source());
        world.suspended = suspended;
        if paused {
            world.connector.connect.as_mut().unwrap().state = ConnectorState::Paused;
        }
        for (pass, limit) in [crash, 9, 9].into_iter().enumerate() {
            world.now = Timestamp::from_second(i64::try_from(pass).unwrap() * 3600).unwrap();
            let plan = world.plan(&seen(live.clone()));
            for step in plan.steps.iter().take(limit) {
                carry_out(&mut live, step);
            }
            world.restarts = plan.restarts;
        }
        let settled = world.plan(&seen(live.clone()));
        prop_assert_eq!(&settled.steps, &vec![], "{:?}", live);
        // The statement of a settled world does not change with time.
        world.now = Timestamp::from_second(900_000).unwrap();
        prop_assert_eq!(world.plan(&seen(live)).status, settled.status);
    }
}
