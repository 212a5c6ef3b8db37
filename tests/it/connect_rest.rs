//! The Kafka Connect adapter against a real worker, and against answers that a real worker cannot
//! be brought to give.

use std::{collections::BTreeMap, fs, time::Duration};

use serde_json::{Value, json};
use sluice::{
    api::{
        connectors::{ConnectConnector, Connector, Role},
        kafka::Kafka,
    },
    class::Class,
    connect::{
        Client, Endpoint, Error,
        read::{self, Connector as Live, State},
        write::{self, TargetState},
    },
    plan::connectors::connect::{
        classes::{self, PluginKind},
        config,
    },
};

use crate::support::{
    connect::{self, Worker, answering},
    eventually, kafka, secure,
};

const STRINGS: &str = "org.apache.kafka.connect.storage.StringConverter";

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let pair = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    pairs.iter().map(pair).collect()
}

fn source(name: &str, file: &str, topic: &str) -> BTreeMap<String, String> {
    let connect = ConnectConnector {
        class: "FileStreamSource".to_owned(),
        tasks_max: 1,
        config: map(&[
            ("file", file),
            ("topic", topic),
            ("key.converter", STRINGS),
            ("value.converter", STRINGS),
        ]),
        ..ConnectConnector::default()
    };
    let connector = Connector {
        name: name.to_owned(),
        role: Role::Source,
        ..Connector::default()
    };
    config::desired(&connector, &connect, name)
}

async fn live(endpoint: &Endpoint, name: &str) -> Option<Live> {
    read::connectors(endpoint).await.unwrap().remove(name)
}

/// Waits until the connector and all of its tasks, of which there is at least one unless it is
/// stopped, are in this state.
async fn settled(endpoint: &Endpoint, name: &str, state: State) -> Live {
    eventually(&format!("{name} is {state:?}"), async || {
        let live = live(endpoint, name).await?;
        let tasks = live.tasks.iter().all(|task| task.state == state);
        let some = state == State::Stopped || !live.tasks.is_empty();
        (live.state == Some(state) && tasks && some).then_some(live)
    })
    .await
}

/// What does not work while the group shares out its tasks works a moment later.
async fn patiently<T>(mut call: impl AsyncFnMut() -> Result<T, Error>) -> T {
    eventually("the group is stable", async || match call().await {
        Err(error) if error.class() == Class::Waiting => None,
        result => Some(result.unwrap()),
    })
    .await
}

#[tokio::test]
async fn a_file_becomes_records_and_the_answer_equals_what_was_sent() {
    let (worker, name) = (connect::shared(), "ns.lines.csv");
    let endpoint = worker.endpoint();
    kafka::shared().create_topic(name, 1).await;
    let file = worker.folder().join("lines.csv");
    let lines: Vec<_> = (0..1000).map(|n| format!("{n},reading {n}")).collect();
    fs::write(&file, lines.join("\n") + "\n").unwrap();
    let wanted = source(name, file.to_str().unwrap(), name);

    patiently(async || write::put(&endpoint, name, &wanted).await).await;
    let first = settled(&endpoint, name, State::Running).await;
    assert_eq!(connect::records(name, 1000), lines);
    // Nothing would be written by a second pass.
    let plugins = read::plugins(&endpoint).await.unwrap();
    let plugin = |plugin: read::Plugin| classes::Plugin {
        class: plugin.class,
        kind: PluginKind::Other,
    };
    let plugins: Vec<_> = plugins.into_iter().map(plugin).collect();
    let config = first.config.unwrap();
    assert!(!config::differs(&wanted, &config, &plugins), "{config:?}");
    let mut full = wanted.clone();
    let class = "org.apache.kafka.connect.file.FileStreamSourceConnector";
    full.insert("connector.class".to_owned(), class.to_owned());
    assert!(!config::differs(&full, &config, &plugins));
    full.insert("batch.size".to_owned(), "5".to_owned());
    assert!(config::differs(&full, &config, &plugins));
    write::delete(&endpoint, name).await.unwrap();
}

#[tokio::test]
async fn a_connector_is_paused_stopped_and_resumed() {
    let (worker, name) = (connect::shared(), "ns.states.csv");
    let endpoint = worker.endpoint();
    kafka::shared().create_topic(name, 1).await;
    let file = worker.folder().join("states.csv");
    fs::write(&file, "a\n").unwrap();
    let wanted = source(name, file.to_str().unwrap(), name);
    let create = async || write::create(&endpoint, name, &wanted, TargetState::Stopped).await;
    patiently(create).await;
    assert_eq!(settled(&endpoint, name, State::Stopped).await.tasks, []);
    for (target, state) in [
        (TargetState::Running, State::Running),
        (TargetState::Paused, State::Paused),
        (TargetState::Stopped, State::Stopped),
        (TargetState::Running, State::Running),
    ] {
        // Asked for twice, it is no more than asked for once.
        for _ in 0..2 {
            patiently(async || write::set_state(&endpoint, name, target).await).await;
        }
        settled(&endpoint, name, state).await;
    }
    assert_eq!(connect::records(name, 1), ["a"]);
    for _ in 0..2 {
        patiently(async || write::delete(&endpoint, name).await).await;
    }
    eventually("it is gone", async || {
        live(&endpoint, name).await.is_none().then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_failed_task_tells_why_and_runs_again_once_the_cause_is_mended() {
    let (worker, name) = (connect::shared(), "ns.failing.sink");
    let endpoint = worker.endpoint();
    kafka::shared().create_topic(name, 1).await;
    let folder = worker.folder().join("missing");
    let file = folder.join("out");
    let wanted = map(&[
        ("connector.class", "FileStreamSink"),
        ("tasks.max", "1"),
        ("name", name),
        ("topics", name),
        ("file", file.to_str().unwrap()),
    ]);
    patiently(async || write::put(&endpoint, name, &wanted).await).await;
    let failed = eventually("the task fails", async || {
        let live = live(&endpoint, name).await?;
        live.tasks
            .into_iter()
            .find(|task| task.state == State::Failed)
    })
    .await;
    let trace = failed.trace.unwrap();
    assert!(trace.starts_with("org.apache.kafka.connect.errors.ConnectException: Couldn't find"));
    assert!(trace.len() <= 1024 && trace.contains("\n\tat "), "{trace}");
    fs::create_dir(&folder).unwrap();
    patiently(async || write::restart_failed(&endpoint, name).await).await;
    settled(&endpoint, name, State::Running).await;
    patiently(async || write::delete(&endpoint, name).await).await;
}

#[tokio::test]
async fn a_class_says_what_is_wrong_with_a_configuration_and_keeps_values_to_itself() {
    let (worker, name) = (connect::shared(), "ns.invalid.csv");
    let endpoint = worker.endpoint();
    let secret = worker.folder().join("secret.properties");
    fs::write(&secret, "password=hunter2\n").unwrap();
    let mut wanted = source(name, "/in", name);
    let reference = format!("${{file:{}:password}}", secret.display());
    wanted.insert("batch.size".to_owned(), reference);
    wanted.remove("topic");
    let errors = read::validate(&endpoint, "FileStreamSource", &wanted)
        .await
        .unwrap();
    let keys: Vec<_> = errors.iter().map(|error| error.key.as_str()).collect();
    assert_eq!(keys, ["topic", "batch.size"]);
    let said = format!("{errors:?}");
    assert!(
        said.contains("Not a number of type INT") && !said.contains("hunter2"),
        "{said}"
    );
    let refused = write::put(&endpoint, name, &wanted).await.unwrap_err();
    let said = refused.to_string();
    assert_eq!(refused.class(), Class::Invalid, "{said}");
    assert!(
        said.contains("batch.size") && !said.contains("hunter2"),
        "{said}"
    );
    assert_eq!(live(&endpoint, name).await, None);
    wanted.insert("batch.size".to_owned(), "5".to_owned());
    wanted.insert("topic".to_owned(), name.to_owned());
    let fine = read::validate(&endpoint, "FileStreamSource", &wanted)
        .await
        .unwrap();
    assert_eq!(fine, []);
}

#[tokio::test]
async fn a_missing_class_is_not_among_the_plugins_and_is_refused() {
    let endpoint = connect::shared().endpoint();
    let plugins = read::plugins(&endpoint).await.unwrap();
    let source = read::Plugin {
        class: "org.apache.kafka.connect.file.FileStreamSourceConnector".to_owned(),
        kind: "source".to_owned(),
    };
    assert!(plugins.contains(&source), "{plugins:?}");
    let wanted = map(&[("connector.class", "Nowhere"), ("tasks.max", "1")]);
    let refused = write::put(&endpoint, "ns.missing.class", &wanted)
        .await
        .unwrap_err();
    assert_eq!(refused.class(), Class::Invalid, "{refused}");
    assert!(refused.to_string().contains("matches Nowhere"), "{refused}");
}

#[tokio::test]
async fn names_are_encoded() {
    let endpoint = connect::shared().endpoint();
    for name in ["ns.a b&c=d+e", "ns.ü..x"] {
        write::delete(&endpoint, name).await.unwrap();
        let missing = write::set_state(&endpoint, name, TargetState::Running)
            .await
            .unwrap_err();
        assert_eq!(missing.class(), Class::Waiting, "{missing}");
        let said = missing.to_string();
        assert!(
            said.contains(&format!("Unknown connector {name}")),
            "{said}"
        );
    }
}

#[tokio::test]
async fn nobody_there_is_said_in_words_that_stay_the_same() {
    let base = format!("http://127.0.0.1:{}", kafka::free_port());
    let endpoint = Client::new().unwrap().endpoint(&base).unwrap();
    let error = read::connectors(&endpoint).await.unwrap_err();
    assert_eq!(error.class(), Class::Down);
    assert_eq!(
        error.to_string(),
        format!("Kafka Connect at {base} cannot be reached: connection refused")
    );
    let nowhere = Client::new()
        .unwrap()
        .endpoint("http://nowhere.invalid:8083")
        .unwrap();
    let error = read::connectors(&nowhere).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "Kafka Connect at http://nowhere.invalid:8083 cannot be reached: its name has no address"
    );
    for base in ["https://a:1", "nonsense", "http://", "file:///etc"] {
        assert!(matches!(
            Client::new().unwrap().endpoint(base),
            Err(Error::Address { .. })
        ));
    }
}

fn http(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

#[tokio::test]
async fn every_answer_has_a_class() {
    let elsewhere = "302 Found\r\nLocation: http://127.0.0.1:1/";
    let rebalance = r#"{"error_code":409,"message":"Cannot complete request"}"#;
    let broken = r#"{"error_code":500,"message":"Request timed out"}"#;
    for (status, body, class, words) in [
        ("409 Conflict", rebalance, Class::Waiting, "is rebalancing"),
        (
            "500 Internal Server Error",
            broken,
            Class::Down,
            ": Request timed out",
        ),
        ("502 Bad Gateway", "<html>", Class::Down, "(HTTP 502)"),
        ("401 Unauthorized", "", Class::Denied, "denied"),
        ("200 OK", "<html>", Class::Bug, "not Kafka Connect's JSON"),
        ("200 OK", "[1]", Class::Bug, "not Kafka Connect's JSON"),
        (
            "400 Bad Request",
            "<html>",
            Class::Bug,
            "not Kafka Connect's JSON",
        ),
        (elsewhere, "", Class::Bug, "not Kafka Connect's JSON"),
    ] {
        let endpoint = answering(http(status, body));
        let error = read::connectors(&endpoint).await.unwrap_err();
        assert_eq!(error.class(), class, "{status}: {error}");
        assert!(error.to_string().contains(words), "{status}: {error}");
    }
}

#[tokio::test]
async fn an_answer_that_never_ends_or_never_comes_costs_no_more_than_the_deadline() {
    let silent = answering("");
    let asked = tokio::time::timeout(Duration::from_secs(5), read::plugins(&silent));
    let error = asked.await.unwrap().unwrap_err();
    assert_eq!(error.class(), Class::Down, "{error}");
    assert!(
        error
            .to_string()
            .ends_with("did not answer the list of plugins in time"),
        "{error}"
    );
    let endless = answering(http("200 OK", &" ".repeat(5 << 20)));
    let error = read::plugins(&endless).await.unwrap_err();
    assert!(matches!(error, Error::TooLong { .. }), "{error}");
    let broken = answering("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[");
    let error = read::plugins(&broken).await.unwrap_err();
    assert_eq!(error.class(), Class::Down, "{error}");
}

#[tokio::test]
async fn a_connector_that_is_being_deleted_may_have_one_half_only() {
    let body = r#"{"a":{"info":{"name":"a","config":{"k":"v","n":null},"tasks":[],"type":"new"}},
                   "b":{"status":{"name":"b","connector":{"state":"DANCING","worker_id":"w:1"},
                        "tasks":[{"id":1,"state":"FAILED","worker_id":"w:1","trace":"t"},
                                 {"id":0,"state":"RUNNING","worker_id":"w:1"}],"type":"sink"}}}"#;
    let seen = read::connectors(&answering(http("200 OK", body)))
        .await
        .unwrap();
    assert_eq!(seen["a"].config, Some(map(&[("k", "v")])));
    assert_eq!((seen["a"].state, &seen["a"].tasks[..]), (None, &[][..]));
    assert_eq!(
        (&seen["b"].config, seen["b"].state),
        (&None, Some(State::Unknown))
    );
    let ids: Vec<_> = seen["b"].tasks.iter().map(|task| task.id).collect();
    assert_eq!(ids, [0, 1]);
}

/// A worker with the operator's own properties, and a connector in it, log in to a broker: the
/// worker's group, its internal topics, and the connector's producer.
async fn secured(name: &str, spec: Value, files: &[(&str, &str)]) {
    let secure = secure::shared();
    let spec: Kafka = serde_json::from_value(spec).unwrap();
    let topic = format!("{name}-lines");
    secure.broker.create_topic(&topic, 1).await;
    let worker = Worker::start_with(&spec, name, files);
    let file = worker.folder().join("in.txt");
    fs::write(&file, "one\ntwo\n").unwrap();
    let config = source(name, &file.display().to_string(), &topic);
    let endpoint = worker.endpoint();
    patiently(async || write::put(&endpoint, name, &config).await).await;
    settled(&endpoint, name, State::Running).await;
    assert_eq!(
        connect::records_of(&secure.broker, &topic, 2),
        ["one", "two"]
    );
}

#[tokio::test]
async fn workers_and_connectors_log_in_by_scram_over_tls() {
    let secure = secure::shared();
    let spec = json!({
        "bootstrapServers": secure.bootstrap("SASL"),
        "tls": {"caSecretRef": {"name": "kafka-ca"}, "clientSecretRef": {"name": "plant-cert"}},
        "sasl": {"mechanism": "SCRAM-SHA-512", "secretRef": {"name": "plant-kafka"}},
    });
    let files = [
        ("ca.crt", secure.ca.as_str()),
        ("tls.crt", &secure.client_certificate),
        ("tls.key", &secure.client_key),
        ("username", secure::USER),
        ("password", secure::PASSWORD),
    ];
    secured("scram", spec, &files).await;
}

#[tokio::test]
async fn workers_and_connectors_log_in_by_token() {
    let secure = secure::shared();
    let spec = json!({
        "bootstrapServers": secure.bootstrap("TOKEN"),
        "tls": {"caSecretRef": {"name": "kafka-ca"}},
        "sasl": {
            "mechanism": "OAUTHBEARER", "secretRef": {"name": "plant-client"},
            "oauthbearer": {"tokenEndpointUrl": secure.token_endpoint, "scope": "kafka"},
        },
    });
    let files = [
        ("ca.crt", secure.ca.as_str()),
        ("client-id", secure::CLIENT_ID),
        ("client-secret", secure::CLIENT_SECRET),
    ];
    secured("token", spec, &files).await;
}
