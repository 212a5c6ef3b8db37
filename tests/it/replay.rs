//! The operator and the simulator decide alike: what a running operator saw, recorded look by look,
//! makes the simulator decide what the operator decided, with every stage and reason.

use std::time::Duration;

use serde_json::{Value, json};
use sluice::{
    plan::scaling::{DecisionView, Observation},
    sim::{Subject, open_loop, trace},
};
use tokio::time::{Instant, sleep};

use crate::support::{
    apiserver::{self, OPERATORS},
    kafka,
    operator::Tenant,
    process::Process,
};

const PARTITIONS: i32 = 6;

fn spec(topic: &str) -> Value {
    json!({
        "kafka": {"bootstrapServers": kafka::shared().bootstrap()},
        "topics": [{"name": topic, "partitions": PARTITIONS}],
        "connectors": [{
            "name": "work", "role": "Processor",
            "container": {"image": "example/none:1"},
            "consumes": {"group": topic, "topics": [topic]},
            "autoscaling": {
                "minReplicas": 1, "maxReplicas": 6, "interval": "2s", "warmup": "0s",
                "behavior": {"scaleIn": {"stabilizationWindow": "4s"}},
                "policies": [
                    {"name": "lag", "targetTracking": {"metric": "lag", "target": 100}},
                    {"name": "behind", "targetTracking": {"metric": "timeLag", "target": 30}},
                ],
            },
        }],
    })
}

/// What the operator shows of its newest look.
async fn look(process: &Process, tenant: &Tenant) -> Option<(Observation, DecisionView)> {
    let path = format!("/v1/pipelines/{}/p", tenant.namespace);
    let (code, text) = process.get(&path).await?;
    let view: Value = serde_json::from_str(&text).ok()?;
    let newest = (code == 200).then(|| view["connectors"]["work"].clone())?;
    let of = |key: &str| newest[key].clone();
    Some((
        serde_json::from_value(of("observation")).unwrap(),
        serde_json::from_value(of("decision")).ok()?,
    ))
}

/// Every look for so long.
async fn record(
    process: &Process,
    tenant: &Tenant,
    looks: &mut Vec<(Observation, DecisionView)>,
    time: Duration,
) {
    let began = Instant::now();
    while began.elapsed() < time {
        if let Some(look) = look(process, tenant).await
            && looks.last().is_none_or(|last| last.0.at < look.0.at)
        {
            looks.push(look);
        }
        sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_recorded_trace_makes_the_simulator_decide_as_the_operator_did() {
    let tenant = Tenant::on(apiserver::without_operator()).await;
    let namespaces = [
        format!("--operator-namespace={}", tenant.namespace),
        format!("--watch-namespaces={}", tenant.namespace),
    ];
    let process = Process::start(
        apiserver::without_operator(),
        OPERATORS[0],
        &namespaces.each_ref().map(String::as_str),
    );
    process.until_ready().await;
    let topic = format!("{}.in", tenant.namespace);
    tenant.apply("p", spec(&topic)).await;
    let mut looks = Vec::new();
    record(&process, &tenant, &mut looks, Duration::from_secs(6)).await;
    for partition in 0..PARTITIONS {
        kafka::shared().produce(&topic, partition, 60);
    }
    record(&process, &tenant, &mut looks, Duration::from_secs(8)).await;
    let all: Vec<(&str, i32, i64)> = (0..PARTITIONS).map(|p| (topic.as_str(), p, 60)).collect();
    kafka::shared().commit(&topic, &all);
    record(&process, &tenant, &mut looks, Duration::from_secs(8)).await;

    let changed = looks
        .iter()
        .filter(|(_, d)| d.decision.from != d.decision.to);
    assert!(changed.count() >= 1, "nothing was decided: {looks:#?}");
    let lines = looks.iter().map(|(o, _)| serde_json::to_string(o).unwrap());
    let trace = trace::looks(&lines.collect::<Vec<_>>().join("\n")).unwrap();
    let pipeline = tenant.pipelines().get("p").await.unwrap();
    let subject = Subject::of(&pipeline.spec, "work").unwrap();
    let steps: Vec<_> = open_loop::run(&subject, &trace).collect();
    assert_eq!(steps.len(), looks.len());
    for (step, (observation, decided)) in steps.iter().zip(&looks) {
        let simulated = step.decision.whole();
        assert_eq!(simulated, decided.decision, "at {}", observation.at);
        assert_eq!(
            step.decision.series, decided.series,
            "at {}",
            observation.at
        );
    }
}
