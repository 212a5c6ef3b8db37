//! How long 200 topics take from the declaration to Ready, beside the same topics created by one
//! batched call of Kafka's Admin interface. Several rounds of each in turn, on one broker that was
//! warmed up: the first topics of a young JVM take longer, whoever asks for them. A broker answers
//! that call long before it has made the logs, and is busy with them meanwhile: the call is also
//! measured to the moment when every partition is served, and nothing begins before that.

use std::time::{Duration, Instant};

use rdkafka::{
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    config::ClientConfig,
};
use serde_json::json;
use sluice::kafka::{
    Client,
    read::{self, Isolation, OffsetSpec},
};
use tokio::time::sleep;

use crate::{
    figure::{Figure, median, rounded},
    operator,
    pipelines::{self, Pipeline},
    support::{apiserver::Apiserver, kafka::Broker},
};

const PIPELINES: usize = 20;
const TOPICS_EACH: usize = 10;
const PARTITIONS: i32 = 3;
const ROUNDS: usize = 5;

/// Measures both ways.
pub fn measure() -> Vec<Figure> {
    let (server, broker) = (Apiserver::start(), Broker::start(&[]));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(in_turn(&server, &broker))
}

async fn in_turn(server: &Apiserver, broker: &Broker) -> Vec<Figure> {
    let (client, kafka) = (server.client(), broker.client().await);
    let process = operator::start(server, None).await;
    in_one_call(broker, &kafka, "warm-up").await;
    let [mut ready, mut answered, mut shown] = [const { Vec::new() }; 3];
    for round in 0..ROUNDS {
        let call = in_one_call(broker, &kafka, &format!("call-{round}")).await;
        answered.push(call.returned.as_secs_f64());
        shown.push(call.served.as_secs_f64());

        let namespace = server.namespace().await;
        let names: Vec<_> = (0..PIPELINES)
            .map(|n| format!("round-{round}-{n}"))
            .collect();
        let asked: Vec<_> = names
            .iter()
            .map(|name| pipeline(broker, &namespace, name))
            .collect();
        let start = Instant::now();
        pipelines::apply(&client, &asked).await;
        let (count, patience) = (PIPELINES * (round + 1), Duration::from_secs(120));
        let took = operator::until_ready(&client, &process, count, start, patience).await;
        ready.push(took.as_secs_f64());
        let topics: Vec<_> = names
            .iter()
            .flat_map(|name| topics(name, TOPICS_EACH))
            .collect();
        until_served(&kafka, &topics).await;
    }
    figures(&ready, &answered, &shown)
}

fn figures(ready: &[f64], returned: &[f64], served: &[f64]) -> Vec<Figure> {
    let all = |seconds: &[f64]| seconds.iter().copied().map(rounded).collect::<Vec<_>>();
    let details = json!({
        "rounds": ROUNDS,
        "partitionsEach": PARTITIONS,
        "readySeconds": all(ready),
        "callReturnedSeconds": all(returned),
        "callServedSeconds": all(served),
    });
    let (ready, returned, served) = (median(ready), median(returned), median(served));
    let figure = |what: &str, value, unit| Figure::new(what, value, unit, details.clone());
    vec![
        figure(
            "200 topics in 20 pipelines, from apply to Ready",
            ready,
            "s",
        ),
        figure(
            "the same by one batched Admin call, until every partition is served",
            served,
            "s",
        ),
        figure(
            "the same by one batched Admin call, until it is answered",
            returned,
            "s",
        ),
        figure(
            "200 topics: the operator's time, in times of the call's until served",
            ready / served,
            "",
        ),
    ]
}

/// Names of topics.
fn topics(prefix: &str, count: usize) -> Vec<String> {
    (0..count)
        .map(|number| format!("{prefix}.{number}"))
        .collect()
}

fn pipeline(broker: &Broker, namespace: &str, name: &str) -> Pipeline {
    let topic = |name| json!({"name": name, "partitions": PARTITIONS});
    let topics: Vec<_> = topics(name, TOPICS_EACH).into_iter().map(topic).collect();
    Pipeline {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        spec: json!({"kafka": {"bootstrapServers": broker.bootstrap()}, "topics": topics}),
    }
}

/// How long the call took.
struct Took {
    returned: Duration,
    served: Duration,
}

/// Creates as many topics by one call.
async fn in_one_call(broker: &Broker, kafka: &Client, prefix: &str) -> Took {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", broker.bootstrap());
    let admin: AdminClient<DefaultClientContext> = config.create().unwrap();
    let names = topics(prefix, PIPELINES * TOPICS_EACH);
    let new = |name| NewTopic::new(name, PARTITIONS, TopicReplication::Fixed(1));
    let new: Vec<_> = names.iter().map(|name| new(name)).collect();
    let options = AdminOptions::new().operation_timeout(Some(Duration::from_secs(60)));
    let start = Instant::now();
    for created in admin.create_topics(&new, &options).await.unwrap() {
        created.unwrap();
    }
    let returned = start.elapsed();
    until_served(kafka, &names).await;
    Took {
        returned,
        served: start.elapsed(),
    }
}

/// Waits until the leader of every partition says where its log ends.
async fn until_served(kafka: &Client, topics: &[String]) {
    let partitions: Vec<_> = topics
        .iter()
        .flat_map(|topic| (0..PARTITIONS).map(|partition| (topic.clone(), partition)))
        .collect();
    let start = Instant::now();
    loop {
        let ends = read::offsets(
            kafka,
            &partitions,
            OffsetSpec::Latest,
            Isolation::ReadUncommitted,
        );
        if ends
            .await
            .is_ok_and(|ends| ends.values().all(Result::is_ok))
        {
            return;
        }
        assert!(
            start.elapsed() < Duration::from_secs(120),
            "not all served after two minutes"
        );
        sleep(Duration::from_millis(20)).await;
    }
}
