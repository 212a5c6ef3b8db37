//! The operator in this process, against the shared apiserver: one for all tests, since it works on
//! every namespace. And the few words that tests need to ask for a pipeline and watch it.

use std::{
    sync::{Arc, Once, atomic::AtomicBool},
    time::Duration,
};

use jiff::Timestamp;
use k8s_openapi::api::{apps::v1::Deployment, core::v1::ConfigMap, events::v1::Event};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams},
};
use serde_json::{Value, json};
use sluice::{
    api::{IngestionPipeline, IngestionPipelineStatus},
    apply::Sinks,
    connect,
    k8s::{events::Events, lease::Leadership},
    kafka::{Pool, PoolSettings},
    observe::{Sources, credentials::Credentials},
    plan::Settings,
    prometheus::Client as PrometheusClient,
    reconcile::{Context, controller},
    report::Reporter,
    telemetry::{live::Live, metrics::Metrics},
};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::{apiserver, prometheus};

/// Where claims are kept.
pub const OPERATOR_NAMESPACE: &str = "default";
/// How long an unreachable Kafka may hold a deletion here.
pub const DELETION_DEADLINE: Duration = Duration::from_secs(8);

/// Starts the operator that all tests share, on threads of its own.
pub fn start() {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        std::thread::spawn(|| tokio::runtime::Runtime::new().unwrap().block_on(run()));
    });
}

async fn run() {
    let metrics = Metrics::default();
    let client = apiserver::shared().client();
    let settings = Settings {
        connect_image: "sluice/kafka:4.3.1".into(),
        cluster_name: None,
        operator_namespace: OPERATOR_NAMESPACE.into(),
        deletion_deadline: DELETION_DEADLINE,
        status_interval: Duration::from_secs(30),
        prometheus_servers: vec![
            prometheus::listed().into(),
            prometheus::silent().address.clone(),
        ],
    };
    let connect = connect::Client::new().unwrap();
    let sources = Sources {
        kube: client.clone(),
        kafka: Pool::new(PoolSettings {
            deadline: Duration::from_secs(4),
            ..Default::default()
        }),
        credentials: Credentials::default(),
        connect: connect.clone(),
        prometheus: PrometheusClient::new().unwrap(),
        operator_namespace: OPERATOR_NAMESPACE.into(),
    };
    let sinks = Sinks {
        kube: client.clone(),
        connect,
        leadership: Leadership::alone(),
        metrics: metrics.clone(),
        operator_namespace: OPERATOR_NAMESPACE.into(),
    };
    let reporter = Reporter {
        kube: client.clone(),
        events: Events::new(client.clone(), None),
        metrics,
        live: Live::default(),
        status_interval: settings.status_interval,
    };
    let context = Context::new(sources, sinks, reporter, settings, now);
    let ready = Arc::new(AtomicBool::new(false));
    controller::run(
        client,
        &[],
        Arc::new(context),
        ready,
        CancellationToken::new(),
    )
    .await;
}

#[expect(clippy::disallowed_methods, reason = "the operator's clock")]
fn now() -> Timestamp {
    Timestamp::now()
}

/// A namespace of the apiserver in which a test asks for pipelines.
pub struct Tenant {
    /// The apiserver.
    pub client: Client,
    /// The namespace.
    pub namespace: String,
}

impl Tenant {
    /// A new namespace, and the operator running.
    pub async fn new() -> Self {
        start();
        Self::on(apiserver::shared()).await
    }

    /// A new namespace of an apiserver on which tests start operators themselves.
    pub async fn on(apiserver: &apiserver::Apiserver) -> Self {
        Self {
            namespace: apiserver.namespace().await,
            client: apiserver.client(),
        }
    }

    pub fn pipelines(&self) -> Api<IngestionPipeline> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    pub fn deployments(&self) -> Api<Deployment> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Applies a pipeline as a person does.
    pub async fn apply(&self, name: &str, spec: Value) {
        let object = json!({
            "apiVersion": "sluice.dev/v1alpha1",
            "kind": "IngestionPipeline",
            "metadata": {"name": name},
            "spec": spec,
        });
        let params = PatchParams::apply("person").force();
        self.pipelines()
            .patch(name, &params, &Patch::Apply(&object))
            .await
            .unwrap();
    }

    /// Sets an annotation, which is also how a person asks for a look at once.
    pub async fn annotate(&self, name: &str, key: &str, value: &str) {
        let patch = json!({"metadata": {"annotations": {key: value}}});
        let params = PatchParams::default();
        self.pipelines()
            .patch(name, &params, &Patch::Merge(&patch))
            .await
            .unwrap();
    }

    pub async fn status(&self, name: &str) -> IngestionPipelineStatus {
        let pipeline = self.pipelines().get_opt(name).await.unwrap();
        pipeline.and_then(|p| p.status).unwrap_or_default()
    }

    /// Waits until status is as wanted; says what it is instead after `seconds`.
    pub async fn until(
        &self,
        name: &str,
        seconds: u64,
        wanted: impl Fn(&IngestionPipelineStatus) -> bool,
    ) -> IngestionPipelineStatus {
        let start = Instant::now();
        loop {
            let status = self.status(name).await;
            if wanted(&status) {
                return status;
            }
            let shown = || serde_json::to_string_pretty(&status).unwrap();
            assert!(
                start.elapsed() < Duration::from_secs(seconds),
                "not within {seconds} s, but:\n{}",
                shown()
            );
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// Waits until `Ready` is true for the current generation.
    pub async fn ready(&self, name: &str) -> IngestionPipelineStatus {
        let generation = self
            .pipelines()
            .get(name)
            .await
            .unwrap()
            .metadata
            .generation
            .unwrap();
        self.until(name, 30, |status| {
            status.observed_generation == generation && condition(status, "Ready").0 == "True"
        })
        .await
    }

    /// Waits until `Ready` is false for this reason; returns its message.
    pub async fn refused(&self, name: &str, reason: &str) -> String {
        let status = self
            .until(name, 30, |s| condition(s, "Ready") == ("False", reason))
            .await;
        let ready = status
            .conditions
            .into_iter()
            .find(|c| c.type_ == "Ready")
            .unwrap();
        ready.message
    }

    /// Deletes a pipeline and waits until it is gone.
    pub async fn delete(&self, name: &str, seconds: u64) {
        self.pipelines()
            .delete(name, &DeleteParams::default())
            .await
            .unwrap();
        let start = Instant::now();
        while self.pipelines().get_opt(name).await.unwrap().is_some() {
            assert!(
                start.elapsed() < Duration::from_secs(seconds),
                "{name} is still there"
            );
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// Waits for the events of this reason, which are published after status is written; returns
    /// their notes.
    pub async fn told(&self, reason: &str) -> Vec<String> {
        let start = Instant::now();
        loop {
            let notes = self.events(reason).await;
            if !notes.is_empty() {
                return notes;
            }
            assert!(
                start.elapsed() < Duration::from_secs(10),
                "no event {reason}"
            );
            sleep(Duration::from_millis(100)).await;
        }
    }

    async fn events(&self, reason: &str) -> Vec<String> {
        let api: Api<Event> = Api::namespaced(self.client.clone(), &self.namespace);
        let all = api.list(&ListParams::default()).await.unwrap();
        let of = |event: &Event| event.reason.as_deref() == Some(reason);
        all.items
            .into_iter()
            .filter(of)
            .filter_map(|event| event.note)
            .collect()
    }

    /// How many claims the pipeline holds.
    pub async fn claims(&self, name: &str) -> usize {
        let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), OPERATOR_NAMESPACE);
        let all = api
            .list(&ListParams::default().labels("sluice.dev/owner-uid"))
            .await
            .unwrap();
        let field = |map: &ConfigMap, key: &str| {
            map.data
                .as_ref()
                .and_then(|data| data.get(key))
                .cloned()
                .unwrap_or_default()
        };
        let ours = |map: &&ConfigMap| {
            field(map, "ownerNamespace") == self.namespace && field(map, "ownerName") == name
        };
        all.items.iter().filter(ours).count()
    }

    /// Resource versions of every pipeline and Deployment: they change with each write.
    pub async fn versions(&self) -> Vec<String> {
        let pipelines = self.pipelines().list(&ListParams::default()).await.unwrap();
        let deployments = self
            .deployments()
            .list(&ListParams::default())
            .await
            .unwrap();
        let versions = pipelines.items.iter().map(ResourceExt::resource_version);
        let others = deployments.items.iter().map(ResourceExt::resource_version);
        versions.chain(others).flatten().collect()
    }
}

/// Status and reason of a condition; empty where there is none.
pub fn condition<'a>(status: &'a IngestionPipelineStatus, kind: &str) -> (&'a str, &'a str) {
    let found = status
        .conditions
        .iter()
        .find(|condition| condition.type_ == kind);
    found.map_or(("", ""), |c| (c.status.as_str(), c.reason.as_str()))
}
