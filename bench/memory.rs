//! How much memory the operator takes: its resident set with 0, 100 and 1,000 settled pipelines,
//! which share one login to Kafka, or have 50.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{
    Api, Client,
    api::{ObjectMeta, PostParams},
};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{
    figure::{Figure, largest, rounded},
    machine, operator,
    pipelines::{self, Pipeline},
    support::{
        apiserver::Apiserver,
        process::Process,
        secure::{PASSWORD, Secure},
    },
};

/// Pipelines at each measurement.
const COUNTS: [usize; 3] = [0, 100, 1000];
/// Logins to Kafka in each run.
const IDENTITIES: [usize; 2] = [1, 50];
/// Namespaces that pipelines are spread over.
const NAMESPACES: usize = 10;
/// The goal, in MB, with most pipelines and one login.
const GOAL: f64 = 50.0;

/// Measures with one login, then with fifty.
pub fn measure() -> Vec<Figure> {
    IDENTITIES.into_iter().flat_map(with_identities).collect()
}

fn with_identities(identities: usize) -> Vec<Figure> {
    let users: Vec<_> = (0..identities).map(|n| format!("user-{n}")).collect();
    let (server, secure) = (Apiserver::start(), Secure::start(&users));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(growing(&server, &secure, &users))
}

async fn growing(server: &Apiserver, secure: &Secure, users: &[String]) -> Vec<Figure> {
    let client = server.client();
    let mut namespaces = Vec::new();
    for _ in 0..NAMESPACES {
        let namespace = server.namespace().await;
        store(&client, &namespace, "kafka-ca", &[("ca.crt", &secure.ca)]).await;
        for user in users {
            store(
                &client,
                &namespace,
                user,
                &[("username", user), ("password", PASSWORD)],
            )
            .await;
        }
        namespaces.push(namespace);
    }
    let process = operator::start(server, None).await;
    operator::stand_in_for_nodes(client.clone());
    let (mut figures, mut applied) = (Vec::new(), 0);
    for count in COUNTS {
        let asked: Vec<_> = (applied..count)
            .map(|n| pipeline(n, &namespaces, users, secure))
            .collect();
        let start = Instant::now();
        pipelines::apply(&client, &asked).await;
        if count > 0 {
            let patience = Duration::from_secs(300);
            operator::until_ready(&client, &process, count, start, patience).await;
        }
        operator::settle().await;
        applied = count;
        figures.push(figure(&process, count, users.len()).await);
    }
    figures
}

fn pipeline(number: usize, namespaces: &[String], users: &[String], secure: &Secure) -> Pipeline {
    let user = &users[number % users.len()];
    let kafka = json!({
        "bootstrapServers": secure.bootstrap("SASL"),
        "tls": {"caSecretRef": {"name": "kafka-ca"}},
        "sasl": {"mechanism": "PLAIN", "secretRef": {"name": user}},
    });
    pipelines::of_mix(number, &namespaces[number / 10 % namespaces.len()], &kafka)
}

async fn store(client: &Client, namespace: &str, name: &str, data: &[(&str, &str)]) {
    let data = data
        .iter()
        .map(|(key, value)| ((*key).to_owned(), ByteString((*value).into())));
    let secret = Secret {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            ..ObjectMeta::default()
        },
        data: Some(data.collect::<BTreeMap<_, _>>()),
        ..Secret::default()
    };
    let api = Api::namespaced(client.clone(), namespace);
    api.create(&PostParams::default(), &secret).await.unwrap();
}

/// The largest resident set of some seconds.
async fn figure(process: &Process, pipelines: usize, identities: usize) -> Figure {
    let mut seen = Vec::new();
    for _ in 0..10 {
        seen.push(megabytes(process, "VmRSS"));
        sleep(Duration::from_secs(1)).await;
    }
    let details: Value = json!({
        "pipelines": pipelines,
        "identities": identities,
        "peakMB": rounded(megabytes(process, "VmHWM")),
        "threads": machine::field(&status(process), "Threads"),
        "mix": pipelines::MIX,
    });
    let logins = if identities == 1 { "login" } else { "logins" };
    let what = format!("memory (RSS), {pipelines} settled pipelines, {identities} Kafka {logins}");
    let figure = Figure::new(what, largest(&seen), "MB", details);
    let is_goal = pipelines == COUNTS[2] && identities == 1;
    if is_goal {
        figure.at_most(GOAL)
    } else {
        figure
    }
}

/// A field of the process's status, which is in KiB, in MB.
fn megabytes(process: &Process, name: &str) -> f64 {
    let kibibytes = machine::field(&status(process), name);
    let kibibytes: f64 = kibibytes.trim_end_matches(" kB").parse().unwrap();
    kibibytes * 1024.0 / 1e6
}

fn status(process: &Process) -> String {
    format!("/proc/{}/status", process.id())
}
