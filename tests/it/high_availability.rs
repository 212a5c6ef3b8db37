//! Two operators, as processes, on one real apiserver: one works, the other takes over when it is
//! killed, asked to leave, or silent, and who was silent writes nothing more.

use std::{net::TcpListener, time::Duration};

use jiff::Timestamp;
use k8s_openapi::{
    api::{coordination::v1::Lease, core::v1::ConfigMap},
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, CustomResourceExt, ResourceExt,
    api::{ListParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use sluice::{
    api::{IngestionPipeline, common::Reason, connectors::ConnectorStatus},
    apply::{self, Sinks, Target},
    class::Class,
    connect,
    k8s::{
        self,
        lease::{self, Elector},
    },
    kafka::read,
    plan::{
        Identity, Look, PipelinePlan,
        connectors::{
            connect::ConnectStep,
            container::ContainerStep,
            part::{ConnectorPart, ConnectorStep},
        },
        topics::{TopicPlan, TopicStep},
    },
    telemetry::metrics::Metrics,
};
use tokio::time::{Instant, sleep};

use crate::support::{
    apiserver::{self, OPERATORS},
    eventually, kafka,
    operator::Tenant,
    process::Process,
};

/// The first leads, the second stands by.
struct Pair {
    tenant: Tenant,
    leader: Process,
    standby: Process,
}

impl Pair {
    async fn start() -> Self {
        let tenant = Tenant::on(apiserver::without_operator()).await;
        let leader = operator(&tenant, OPERATORS[0]);
        leader.until_leading().await;
        let standby = operator(&tenant, OPERATORS[1]);
        standby.until_ready().await;
        Self {
            tenant,
            leader,
            standby,
        }
    }

    /// Asks for a pipeline with a topic and a Deployment.
    async fn apply(&self, name: &str) {
        let topic = format!("{}.{name}", self.tenant.namespace);
        let connector = json!({
            "name": "work", "role": "Processor",
            "container": {"image": "example/none:1"},
            "consumes": {"group": topic, "topics": [topic]},
        });
        let spec = json!({
            "kafka": {"bootstrapServers": kafka::shared().bootstrap()},
            "topics": [{"name": topic, "partitions": 2}],
            "connectors": [connector],
        });
        self.tenant.apply(name, spec).await;
    }

    /// Waits until an operator has begun with this pipeline.
    async fn until_taken_up(&self, name: &str) {
        eventually("the pipeline is taken up", async || {
            let pipeline = self.tenant.pipelines().get(name).await.unwrap();
            (!pipeline.finalizers().is_empty()).then_some(())
        })
        .await;
    }

    /// Waits until everything of the pipeline is made and measured, and nothing changes for a
    /// while; the versions of all objects.
    async fn settled(&self, name: &str) -> Vec<String> {
        let measured = |connector: &ConnectorStatus| {
            connector.desired_replicas == Some(1) && connector.lag == Some(0)
        };
        self.tenant
            .until(name, 60, |status| status.connectors.iter().any(measured))
            .await;
        let mut last = Vec::new();
        let began = Instant::now();
        loop {
            let now = self.tenant.versions().await;
            if now == last {
                return now;
            }
            assert!(
                began.elapsed() < Duration::from_secs(60),
                "it never settles"
            );
            last = now;
            sleep(Duration::from_secs(6)).await;
        }
    }

    async fn lease(&self) -> Lease {
        let leases: Api<Lease> =
            Api::namespaced(self.tenant.client.clone(), &self.tenant.namespace);
        leases.get("sluice").await.unwrap()
    }

    async fn holder(&self) -> String {
        let spec = self.lease().await.spec.unwrap_or_default();
        spec.holder_identity.unwrap_or_default()
    }

    /// The requests of a user in this namespace that write, but for those on the Lease.
    fn writes(&self, user: &str) -> Vec<Value> {
        let mut entries = apiserver::without_operator().audit(user);
        entries.retain(|entry| {
            entry["objectRef"]["namespace"] == self.tenant.namespace.as_str()
                && entry["objectRef"]["resource"] != "leases"
                && !["get", "list", "watch"].contains(&entry["verb"].as_str().unwrap())
        });
        entries
    }
}

/// An operator for the tenant's namespace alone, which also holds its lease and claims.
fn operator(tenant: &Tenant, user: &str) -> Process {
    let flags = [
        "--leader-election".to_owned(),
        "--status-interval=2s".to_owned(),
        format!("--operator-namespace={}", tenant.namespace),
        format!("--watch-namespaces={}", tenant.namespace),
    ];
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    Process::start(apiserver::without_operator(), user, &flags)
}

#[expect(
    clippy::disallowed_methods,
    reason = "compared with the audit log's times"
)]
fn now() -> Timestamp {
    Timestamp::now()
}

/// A plan with a write to each: the cluster, Kafka, and Connect.
fn plan(topic: &str) -> PipelinePlan {
    let topic_plan = |name: &str, step| {
        let status = json!({"name": name, "phase": "Ready", "deletionPolicy": "Retain"});
        TopicPlan {
            status: serde_json::from_value(status).unwrap(),
            steps: vec![step],
            findings: Vec::new(),
        }
    };
    let declared = serde_json::from_value(json!({"name": topic})).unwrap();
    let connector = |name: &str, step| ConnectorPart {
        status: ConnectorStatus {
            name: name.into(),
            ..ConnectorStatus::default()
        },
        steps: vec![step],
        ..ConnectorPart::default()
    };
    let (connect, scale) = (
        ConnectStep::RestartFailed { name: "c".into() },
        ContainerStep::Scale {
            name: "d".into(),
            to: 2,
        },
    );
    PipelinePlan {
        look: Some(Look {
            topics: vec![
                topic_plan("claimed", TopicStep::Claim),
                topic_plan(topic, TopicStep::Create(Box::new(declared))),
            ],
            connectors: vec![
                connector("connect", ConnectorStep::Connect(connect)),
                connector("container", ConnectorStep::Container(scale)),
            ],
            ..Look::default()
        }),
        ..PipelinePlan::default()
    }
}

#[tokio::test]
async fn who_does_not_lead_writes_nowhere() {
    let server = apiserver::without_operator();
    let tenant = Tenant::on(server).await;
    let settings = lease::Settings {
        namespace: tenant.namespace.clone(),
        name: "sluice".into(),
        identity: "a".into(),
        duration: lease::SHORTEST,
        clock: lease::boot_clock,
        now,
    };
    let leadership = Elector::new(tenant.client.clone(), settings).leadership();
    let sinks = Sinks {
        kube: k8s::guarded(server.config(), leadership.clone()).unwrap(),
        connect: connect::Client::new().unwrap(),
        leadership,
        metrics: Metrics::default(),
        operator_namespace: tenant.namespace.clone(),
    };
    let workers = TcpListener::bind("127.0.0.1:0").unwrap();
    workers.set_nonblocking(true).unwrap();
    let target = Target {
        identity: Identity {
            namespace: &tenant.namespace,
            name: "p",
            uid: "1",
        },
        cluster_id: Some("cluster"),
        workers: &format!("http://{}", workers.local_addr().unwrap()),
    };
    let (kafka, topic) = (
        kafka::shared().client().await,
        format!("{}.t", tenant.namespace),
    );
    let failures = apply::pipeline(&sinks, target, Some(&kafka), &plan(&topic)).await;
    assert_eq!(failures.len(), 4, "{failures:?}");
    for failure in &failures {
        let why = (failure.class, failure.reason);
        assert_eq!(why, (Class::NotLeading, Reason::NotLeading), "{failure:?}");
    }
    let asked = read::topics(&kafka, std::slice::from_ref(&topic)).await;
    assert_eq!(asked.unwrap()[&topic].clone().unwrap(), None);
    assert!(workers.accept().is_err());
    let maps: Api<ConfigMap> = Api::namespaced(tenant.client.clone(), &tenant.namespace);
    assert_eq!(maps.list(&ListParams::default()).await.unwrap().items, []);
}

#[tokio::test]
async fn one_works_and_another_takes_over_when_it_is_killed() {
    let mut pair = Pair::start().await;
    pair.apply("p").await;
    let versions = pair.settled("p").await;
    assert!(!pair.standby.leads().await);
    assert!(pair.holder().await.starts_with("operator-a_"));
    assert!(!pair.writes(OPERATORS[0]).is_empty());
    assert_eq!(pair.writes(OPERATORS[1]), [] as [Value; 0]);

    let view = format!("/v1/pipelines/{}/p", pair.tenant.namespace);
    let code = async |process: &Process, path: &str| process.get(path).await.unwrap().0;
    assert_eq!(code(&pair.leader, &view).await, 200);
    assert_eq!(code(&pair.standby, &view).await, 421);
    assert_eq!(code(&pair.standby, "/healthz").await, 200);
    assert_eq!(code(&pair.standby, "/readyz").await, 200);

    pair.leader.signal("KILL");
    let killed = Instant::now();
    pair.leader.ended().await;
    pair.apply("q").await;
    pair.until_taken_up("q").await;
    let took = killed.elapsed();
    assert!(took < Duration::from_secs(20), "{took:?}");
    assert!(pair.holder().await.starts_with("operator-b_"));
    assert_eq!(
        pair.standby.metric("sluice_leader_transitions").await,
        Some(1.0)
    );

    let after = pair.settled("q").await;
    let repeated = versions.iter().filter(|version| !after.contains(version));
    assert_eq!(repeated.count(), 0, "{versions:?} {after:?}");
}

#[tokio::test]
async fn who_is_asked_to_leave_hands_over_at_once() {
    let mut pair = Pair::start().await;
    pair.apply("p").await;
    let versions = pair.settled("p").await;
    pair.leader.signal("TERM");
    let took = pair.standby.until_leading().await;
    assert!(took < Duration::from_secs(5), "{took:?}");
    let ended = pair.leader.ended().await;
    assert!(ended.success(), "{ended}:\n{}", pair.leader.log());
    pair.apply("q").await;
    pair.until_taken_up("q").await;
    let after = pair.settled("q").await;
    let repeated = versions.iter().filter(|version| !after.contains(version));
    assert_eq!(repeated.count(), 0, "{versions:?} {after:?}");
    let told = pair.tenant.told("LeaderElection").await;
    for words in ["this operator leads", "this operator stopped leading"] {
        assert!(told.iter().any(|note| note == words), "{told:?}");
    }
}

#[tokio::test]
async fn who_was_stopped_for_long_writes_nothing_more() {
    let mut pair = Pair::start().await;
    pair.apply("p").await;
    pair.settled("p").await;
    pair.leader.signal("STOP");
    let stopped = Instant::now();
    let took = pair.standby.until_leading().await;
    assert!(took < Duration::from_secs(20), "{took:?}");
    // The first finds this in its watch when it wakes, and would begin with it.
    pair.apply("q").await;
    pair.settled("q").await;
    sleep(Duration::from_secs(20).saturating_sub(stopped.elapsed())).await;

    let woken = now();
    pair.leader.signal("CONT");
    let ended = pair.leader.ended().await;
    assert_eq!(ended.code(), Some(2), "{}", pair.leader.log());
    assert!(
        pair.leader.log().contains("leadership lost"),
        "{}",
        pair.leader.log()
    );
    let late = pair.writes(OPERATORS[0]).into_iter().filter(|entry| {
        let received: Timestamp = entry["requestReceivedTimestamp"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap();
        received >= woken
    });
    assert_eq!(late.collect::<Vec<_>>(), [] as [Value; 0]);
    assert!(pair.holder().await.starts_with("operator-b_"));
}

#[tokio::test]
async fn a_kafka_that_hangs_does_not_hold_up_the_end() {
    let tenant = Tenant::on(apiserver::without_operator()).await;
    let mut process = operator(&tenant, OPERATORS[0]);
    process.until_leading().await;
    // Takes connections and never says a word.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let spec = json!({"kafka": {"bootstrapServers": address}, "topics": [{"name": "t"}]});
    tenant.apply("p", spec).await;
    eventually("the operator asks Kafka", async || {
        silent.set_nonblocking(true).unwrap();
        silent.accept().ok()
    })
    .await;
    process.signal("TERM");
    let began = Instant::now();
    let ended = process.ended().await;
    let took = began.elapsed();
    assert!(ended.success(), "{ended}:\n{}", process.log());
    assert!(took < Duration::from_secs(13), "{took:?}");
}

#[tokio::test]
async fn who_stands_by_says_that_the_definition_is_older() {
    let tenant = Tenant::on(apiserver::without_operator()).await;
    let leases: Api<Lease> = Api::namespaced(tenant.client.clone(), &tenant.namespace);
    let held = json!({
        "metadata": {"name": "sluice"},
        "spec": {"holderIdentity": "somebody", "leaseDurationSeconds": 3600},
    });
    let held = serde_json::from_value(held).unwrap();
    leases.create(&PostParams::default(), &held).await.unwrap();
    // A field that no other test looks at.
    set_definition(&tenant, |definition| {
        let fields = definition
            .pointer_mut(
                "/spec/versions/0/schema/openAPIV3Schema/properties/status/properties/connectors\
                 /items/properties",
            )
            .and_then(Value::as_object_mut);
        assert!(fields.unwrap().remove("trace").is_some());
    })
    .await;
    let namespace = format!("--operator-namespace={}", tenant.namespace);
    let flags = ["--leader-election=true", &namespace];
    let process = Process::start(apiserver::without_operator(), OPERATORS[0], &flags);
    process.until_ready().await;
    set_definition(&tenant, |_| {}).await;
    assert_eq!(
        process.metric("sluice_definition_outdated").await,
        Some(1.0)
    );
    let log = process.log();
    assert_eq!(
        log.matches(".status.connectors[].trace").count(),
        1,
        "{log}"
    );
    assert!(!process.leads().await);
}

async fn set_definition(tenant: &Tenant, change: impl FnOnce(&mut Value)) {
    let api: Api<CustomResourceDefinition> = Api::all(tenant.client.clone());
    let mut definition = serde_json::to_value(sluice::api::crd()).unwrap();
    change(&mut definition);
    let params = PatchParams::apply("sluice-tests").force();
    api.patch(
        IngestionPipeline::crd_name(),
        &params,
        &Patch::Apply(definition),
    )
    .await
    .unwrap();
}
