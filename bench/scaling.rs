//! How long it takes from a step of the lag to the new count of pods in the Deployment. Each step
//! is one pipeline's first; the moments are spread evenly over the sampling interval.

use std::time::{Duration, Instant};

use futures::StreamExt;
use k8s_openapi::api::apps::v1::Deployment;
use kube::{
    Api, Client,
    runtime::{WatchStreamExt, watcher},
};
use serde_json::json;
use tokio::time::{sleep, timeout};

use crate::{
    figure::{Figure, largest, median, rounded},
    operator,
    pipelines::{self, Pipeline},
    support::{apiserver::Apiserver, kafka::Broker},
};

const STEPS: u32 = 20;
/// The interval of a connector that sets none.
const INTERVAL: Duration = Duration::from_secs(5);
/// Pods that the lag asks for after the step.
const AFTER: i32 = 6;

/// Measures every step.
pub fn measure() -> Vec<Figure> {
    let (server, broker) = (Apiserver::start(), Broker::start(&[]));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(steps(&server, &broker))
}

async fn steps(server: &Apiserver, broker: &Broker) -> Vec<Figure> {
    let (client, namespace) = (server.client(), server.namespace().await);
    let process = operator::start(server, None).await;
    operator::stand_in_for_nodes(client.clone());
    let asked: Vec<_> = (0..STEPS)
        .map(|n| pipeline(broker, &namespace, &format!("p{n}")))
        .collect();
    let start = Instant::now();
    pipelines::apply(&client, &asked).await;
    let patience = Duration::from_secs(120);
    operator::until_ready(&client, &process, asked.len(), start, patience).await;
    let mut seconds = Vec::new();
    for (number, pipeline) in (0..STEPS).zip(&asked) {
        // The sample that brought the last change tells nothing of when the next one is.
        sleep(INTERVAL * number / STEPS).await;
        seconds.push(step(&client, broker, pipeline).await.as_secs_f64());
    }
    let details = json!({
        "steps": STEPS,
        "samplingIntervalSeconds": INTERVAL.as_secs(),
        "fromReplicas": 1,
        "toReplicas": AFTER,
        "seconds": seconds.iter().copied().map(rounded).collect::<Vec<_>>(),
    });
    let goal = (INTERVAL + Duration::from_secs(1)).as_secs_f64();
    let of =
        |what: &str| format!("from a step of the lag to the new count of pods, {what} of {STEPS}");
    vec![
        Figure::new(of("median"), median(&seconds), "s", details.clone()),
        Figure::new(of("longest"), largest(&seconds), "s", details).at_most(goal),
    ]
}

fn pipeline(broker: &Broker, namespace: &str, name: &str) -> Pipeline {
    Pipeline {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        spec: json!({
            "kafka": {"bootstrapServers": broker.bootstrap()},
            "topics": [{"name": name, "partitions": AFTER}],
            "connectors": [pipelines::follows_lag(name, AFTER)],
        }),
    }
}

/// Writes records that ask for more pods; how long from the broker's acknowledgement until the
/// Deployment has them.
async fn step(client: &Client, broker: &Broker, pipeline: &Pipeline) -> Duration {
    let api = Api::<Deployment>::namespaced(client.clone(), &pipeline.namespace);
    let config =
        watcher::Config::default().fields(&format!("metadata.name={}-work", pipeline.name));
    let mut deployment = std::pin::pin!(watcher(api, config).applied_objects());
    let mut until = async |wanted: i32| {
        let counted = async {
            while let Some(event) = deployment.next().await {
                let replicas = event.ok().and_then(|d| d.spec?.replicas);
                if replicas == Some(wanted) {
                    return;
                }
            }
        };
        let in_time = timeout(Duration::from_secs(60), counted).await;
        in_time.unwrap_or_else(|_| panic!("{}: not {wanted} pods after a minute", pipeline.name));
    };
    until(1).await;
    tokio::task::block_in_place(|| {
        broker.produce(&pipeline.name, 0, usize::try_from(AFTER).unwrap() * 100);
    });
    let start = Instant::now();
    until(AFTER).await;
    start.elapsed()
}
