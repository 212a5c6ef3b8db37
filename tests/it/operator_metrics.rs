//! The operator with further series: a real Prometheus, a real apiserver, a real broker. There is no
//! kubelet here: pods stay pending, and counts are what is asked for.

use std::{sync::atomic::Ordering, time::Duration};

use serde_json::{Value, json};
use sluice::api::IngestionPipelineStatus;
use tokio::time::{Instant, sleep};

use crate::support::{
    kafka,
    operator::{Tenant, condition},
    prometheus::{Exporter, Prometheus, listed, silent},
};

/// A pipeline whose connector gets a pod for 50 of the series `half`, and reads a topic of six
/// partitions that holds nothing.
fn spec(tenant: &Tenant, prometheus: &Value) -> Value {
    let topic = format!("{}.in", tenant.namespace);
    json!({
        "kafka": {"bootstrapServers": kafka::shared().bootstrap()},
        "topics": [{"name": topic, "partitions": 6}],
        "connectors": [{
            "name": "work", "role": "Processor",
            "container": {"image": "example/none:1"},
            "consumes": {"group": format!("{}.work", tenant.namespace), "topics": [topic]},
            "autoscaling": {
                "minReplicas": 1, "maxReplicas": 6, "interval": "1s", "warmup": "0s",
                "cooldown": {"scaleIn": "1s"},
                "behavior": {"scaleIn": {"stabilizationWindow": "1s"}},
                "metrics": [
                    {"name": "queue", "prometheus": prometheus},
                    {"name": "half", "expression": "queue / 2"},
                ],
                "policies": [{"name": "queue", "targetTracking":
                    {"metric": "half", "target": 50, "of": "Total"}}],
            },
        }],
    })
}

async fn replicas(tenant: &Tenant) -> Option<i32> {
    let deployment = tenant.deployments().get_opt("p-work").await.unwrap();
    deployment?.spec?.replicas
}

async fn until_replicas(tenant: &Tenant, wanted: i32) {
    let start = Instant::now();
    while replicas(tenant).await != Some(wanted) {
        if start.elapsed() > Duration::from_secs(30) {
            let status = serde_json::to_string_pretty(&tenant.status("p").await).unwrap();
            panic!("not {wanted} pods:\n{status}");
        }
        sleep(Duration::from_millis(100)).await;
    }
}

/// Waits until `ScalingActive` is false for this reason; its message.
async fn inactive(tenant: &Tenant, reason: &str) -> String {
    let is_so =
        |status: &IngestionPipelineStatus| condition(status, "ScalingActive") == ("False", reason);
    let status = tenant.until("p", 30, is_so).await;
    let mut conditions = status.conditions.into_iter();
    let active = conditions.find(|c| c.type_ == "ScalingActive");
    active.unwrap().message
}

#[tokio::test]
async fn the_count_follows_a_series_of_prometheus_and_holds_while_there_is_none() {
    let exporter = Exporter::start(300.0);
    let prometheus = Prometheus::start(listed(), Some(&exporter));
    let tenant = Tenant::new().await;
    let query = json!({"serverAddress": listed(), "query": "sum(queue_depth)"});
    tenant.apply("p", spec(&tenant, &query)).await;
    until_replicas(&tenant, 3).await;
    tenant
        .until("p", 10, |s| condition(s, "ScalingActive").0 == "True")
        .await;
    exporter.set(600.0);
    until_replicas(&tenant, 6).await;

    drop(prometheus);
    let message = inactive(&tenant, "MetricUnknown").await;
    let place = "spec.connectors[work].autoscaling.metrics[queue].prometheus: ";
    let words = format!("{place}{} cannot be reached", listed());
    assert!(message.contains(&words), "{message}");
    exporter.set(100.0);
    sleep(Duration::from_secs(5)).await;
    assert_eq!(replicas(&tenant).await, Some(6));

    let _prometheus = Prometheus::start(listed(), Some(&exporter));
    until_replicas(&tenant, 1).await;
}

#[tokio::test]
async fn a_server_that_is_not_listed_is_not_asked_and_a_missing_secret_is_named() {
    let elsewhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    let address = format!("http://{}", elsewhere.local_addr().unwrap());
    let tenant = Tenant::new().await;
    let query = json!({"serverAddress": address, "query": "vector(600)"});
    tenant.apply("p", spec(&tenant, &query)).await;
    let message = inactive(&tenant, "MetricInvalid").await;
    let words = format!(
        "metrics[queue].prometheus.serverAddress: the operator may not ask {address}: its \
         administrator allows servers by --prometheus-servers"
    );
    assert!(message.contains(&words), "{message}");
    sleep(Duration::from_secs(2)).await;
    let connected = elsewhere.accept().map(|_| ());
    assert_eq!(
        connected.unwrap_err().kind(),
        std::io::ErrorKind::WouldBlock
    );
    assert_eq!(replicas(&tenant).await, Some(1));

    let query = json!({
        "serverAddress": listed(), "query": "vector(600)",
        "authentication": {"bearerTokenSecretRef": {"name": "monitoring", "key": "token"}},
    });
    tenant.apply("p", spec(&tenant, &query)).await;
    let message = inactive(&tenant, "ReferenceMissing").await;
    let words = "metrics[queue].prometheus.authentication.bearerTokenSecretRef: Secret `monitoring` \
                 does not exist";
    assert!(message.contains(words), "{message}");
}

#[tokio::test]
async fn a_server_that_never_answers_costs_its_deadline_once_and_not_once_a_connector() {
    let tenant = Tenant::new().await;
    let query = json!({"serverAddress": silent().address, "query": "vector(1)"});
    let mut asked = spec(&tenant, &query);
    let first = asked["connectors"][0].clone();
    let others = (0..5).map(|number| {
        let mut other = first.clone();
        other["name"] = json!(format!("work{number}"));
        other["consumes"]["group"] = json!(format!("{}.work{number}", tenant.namespace));
        other
    });
    asked["connectors"].as_array_mut().unwrap().extend(others);
    tenant.apply("p", asked).await;
    inactive(&tenant, "MetricUnknown").await;
    // A pass waits 3 s for six queries side by side. One by one it would be 18, and one pass at most.
    let before = silent().asked.load(Ordering::Relaxed);
    sleep(Duration::from_secs(12)).await;
    let asked = silent().asked.load(Ordering::Relaxed) - before;
    assert!(asked >= 2 * 6, "asked {asked} times in 12 s");
}
