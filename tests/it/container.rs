//! Container connectors on a real apiserver with its controllers: what planning decides, applied
//! by the adapter, leaves the Deployment that was asked for, with a count that never dips and one
//! owner of each field.

use std::collections::BTreeSet;

use futures::{TryStreamExt, pin_mut};
use k8s_openapi::api::{
    apps::v1::{Deployment, ReplicaSet},
    autoscaling::v2::HorizontalPodAutoscaler,
    core::v1::{ConfigMap, Pod, Secret},
};
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use sluice::{
    api::{IngestionPipeline, common::Reason, connectors::ConnectorStatus},
    k8s,
    plan::{
        Identity, Known,
        connectors::{
            container::{
                ConflictingScaler, ContainerPlan, ContainerSeen, ContainerStep, Request, container,
                removed,
            },
            deployment::deployment,
            ownership::owns_replicas,
            references::{Data, SourceKind, of_container},
            trouble::problems,
        },
        names,
    },
};

use crate::support::{apiserver::shared, eventually};

const NAME: &str = "p-enrich";

/// A spec with one container connector that has these fields beside the usual ones.
fn spec(connector: &Value) -> Value {
    let mut whole = json!({
        "name": "enrich", "role": "Processor", "container": {"image": "img:1"},
        "consumes": {"group": "enrich", "topics": ["readings"]},
    });
    let fields = connector.as_object().unwrap().clone();
    whole.as_object_mut().unwrap().extend(fields);
    json!({"kafka": {"bootstrapServers": "kafka:9092"}, "topics": [{"name": "readings"}], "connectors": [whole]})
}

/// One pipeline with one container connector, in a namespace of its own.
struct World {
    client: Client,
    namespace: String,
    pipeline: IngestionPipeline,
    last: Option<ConnectorStatus>,
}

impl World {
    async fn new(connector: &Value) -> Self {
        let namespace = shared().namespace().await;
        let client = shared().client();
        let pipeline = json!({"apiVersion": "sluice.dev/v1alpha1", "kind": "IngestionPipeline",
            "metadata": {"name": "p"}, "spec": spec(connector)});
        let pipeline: IngestionPipeline = serde_json::from_value(pipeline).unwrap();
        let api = Api::namespaced(client.clone(), &namespace);
        Self {
            pipeline: api.create(&PostParams::default(), &pipeline).await.unwrap(),
            last: None,
            client,
            namespace,
        }
    }

    fn pipelines(&self) -> Api<IngestionPipeline> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    fn deployments(&self) -> Api<Deployment> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    fn change(&mut self, connector: &Value) {
        let suspend = self.pipeline.spec.suspend;
        self.pipeline.spec = serde_json::from_value(spec(connector)).unwrap();
        self.pipeline.spec.suspend = suspend;
    }

    fn identity(&self) -> Identity<'_> {
        Identity {
            namespace: &self.namespace,
            name: "p",
            uid: self.pipeline.metadata.uid.as_deref().unwrap(),
        }
    }

    async fn live(&self) -> Deployment {
        self.deployments().get(NAME).await.unwrap()
    }

    async fn seen(&self) -> ContainerSeen {
        let connector = &self.pipeline.spec.connectors[0];
        let mut data = Data::new();
        for reference in of_container(connector.container.as_ref().unwrap()) {
            let name = &reference.source.name;
            let digests = match reference.source.kind {
                SourceKind::Secret => {
                    k8s::read::secret_digests(&self.client, &self.namespace, name).await
                }
                SourceKind::ConfigMap => {
                    k8s::read::config_map_digests(&self.client, &self.namespace, name).await
                }
            };
            data.insert(reference.source, digests.unwrap());
        }
        let labels = names::selector("p", Some("enrich"));
        let pods: Vec<Pod> = k8s::read::list(&self.client, &self.namespace, &labels)
            .await
            .unwrap();
        let scalers = k8s::read::scalers(&self.client, &self.namespace)
            .await
            .unwrap();
        let scalers = scalers.into_iter().filter(|s| s.deployment == NAME);
        let live = k8s::read::get(&self.client, &self.namespace, NAME).await;
        ContainerSeen {
            deployment: Known::Value(live.unwrap()),
            references: Known::Value(data),
            pods: Known::Value(problems(&pods)),
            scalers: Known::Value(
                scalers
                    .map(|s| ConflictingScaler {
                        kind: s.kind,
                        name: s.name,
                    })
                    .collect(),
            ),
        }
    }

    async fn plan(&self, wanted: Option<i32>) -> ContainerPlan {
        let seen = self.seen().await;
        let connector = &self.pipeline.spec.connectors[0];
        let request = Request {
            spec: &self.pipeline.spec,
            connector,
            container: connector.container.as_ref().unwrap(),
            pipeline: self.identity(),
            suspended: self.pipeline.spec.suspend,
            wanted,
            last: self.last.as_ref(),
        };
        container(&request, &seen)
    }

    async fn apply(&self, step: &ContainerStep) {
        let (client, namespace) = (&self.client, &self.namespace);
        match step {
            ContainerStep::Create(desired) => {
                k8s::write::create(client, &**desired, names::MANAGER)
                    .await
                    .map(drop)
            }
            ContainerStep::Apply(desired) => k8s::write::apply(client, &**desired, names::MANAGER)
                .await
                .map(drop),
            ContainerStep::Scale { name, to } => {
                k8s::write::scale(client, namespace, name, *to, names::SCALER).await
            }
            ContainerStep::Delete { name, uid } => {
                k8s::write::delete::<Deployment>(client, namespace, name, uid).await
            }
        }
        .unwrap();
    }

    /// Passes until planning has nothing more to write.
    async fn settle(&mut self, wanted: Option<i32>) {
        for _ in 0..4 {
            let plan = self.plan(wanted).await;
            for step in &plan.steps {
                self.apply(step).await;
            }
            self.last = Some(plan.status);
            if plan.steps.is_empty() {
                return;
            }
        }
        panic!("still writing: {:?}", self.plan(wanted).await.steps);
    }

    async fn count(&self) -> i32 {
        self.live().await.spec.unwrap().replicas.unwrap()
    }

    /// Watches every version of the Deployment from now on; the counts come when the sender of
    /// the answer is dropped.
    async fn watch_counts(&self) -> impl AsyncFnOnce() -> Vec<i32> + use<> {
        let api = self.deployments();
        let from = self.live().await.metadata.resource_version.unwrap();
        let end = api.clone();
        async move || {
            let last = end
                .get(NAME)
                .await
                .unwrap()
                .metadata
                .resource_version
                .unwrap();
            let mut counts = Vec::new();
            let params = kube::api::WatchParams::default().fields(&format!("metadata.name={NAME}"));
            let events = api.watch(&params, &from).await.unwrap();
            pin_mut!(events);
            if last == from {
                return counts;
            }
            while let Some(event) = events.try_next().await.unwrap() {
                if let kube::api::WatchEvent::Modified(d) = event {
                    counts.push(d.spec.unwrap().replicas.unwrap());
                    if d.metadata.resource_version.as_deref() == Some(last.as_str()) {
                        break;
                    }
                }
            }
            counts
        }
    }
}

fn scaled(min: i32, max: i32) -> Value {
    json!({"autoscaling": {"minReplicas": min, "maxReplicas": max,
        "policies": [{"name": "p", "targetTracking": {"metric": "lag", "target": 100.0}}]}})
}

#[tokio::test]
async fn the_scaler_alone_owns_the_count_and_a_settled_connector_is_not_written_to() {
    let mut world = World::new(&json!({"replicas": 10})).await;
    world.settle(None).await;
    let live = world.live().await;
    assert!(owns_replicas(&live.metadata, names::SCALER));
    assert!(!owns_replicas(&live.metadata, names::MANAGER));
    assert_eq!(live.spec.unwrap().replicas, Some(10));
    assert_eq!(world.plan(None).await.steps, []);
    let connector = &world.pipeline.spec.connectors[0];
    let rendered = deployment(
        connector,
        connector.container.as_ref().unwrap(),
        &world.pipeline.spec.kafka,
        world.identity(),
        None,
    );
    // Even an apply that is repeated changes nothing: it says what is there already. More than one
    // look, since the deployment controller may still write status in between.
    eventually(
        "a repeated apply leaves the resource version alone",
        async || {
            let before = world.live().await.metadata.resource_version;
            let applied = k8s::write::apply(&world.client, &rendered, names::MANAGER).await;
            (applied.unwrap().metadata.resource_version == before).then_some(())
        },
    )
    .await;
    assert_eq!(world.count().await, 10);
}

#[tokio::test]
async fn a_count_changes_hands_without_a_dip() {
    let mut world = World::new(&json!({"replicas": 10})).await;
    world.settle(None).await;
    let counts = world.watch_counts().await;
    world.change(&scaled(1, 12));
    world.settle(None).await;
    world.change(&json!({"replicas": 11}));
    world.settle(None).await;
    world.change(&scaled(1, 12));
    world.settle(Some(12)).await;
    let counts = counts().await;
    assert!(counts.iter().all(|count| *count >= 10), "{counts:?}");
    assert_eq!(counts.last(), Some(&12));
}

#[tokio::test]
async fn the_first_passes_of_a_new_connector_do_not_dip_either() {
    let mut world = World::new(&json!({"replicas": 6})).await;
    let plan = world.plan(None).await;
    world.apply(&plan.steps[0]).await;
    let counts = world.watch_counts().await;
    world.settle(None).await;
    let counts = counts().await;
    assert!(counts.iter().all(|count| *count == 6), "{counts:?}");
}

#[tokio::test]
async fn a_suspended_connector_comes_back_with_its_count() {
    let mut world = World::new(&scaled(1, 12)).await;
    world.settle(Some(7)).await;
    assert_eq!(world.count().await, 7);
    world.pipeline.spec.suspend = true;
    world.settle(Some(7)).await;
    assert_eq!(world.count().await, 0);
    let counts = world.watch_counts().await;
    world.pipeline.spec.suspend = false;
    world.settle(None).await;
    let distinct: BTreeSet<_> = counts().await.into_iter().collect();
    assert!(distinct.is_subset(&BTreeSet::from([0, 7])), "{distinct:?}");
    assert_eq!(world.count().await, 7);
}

#[tokio::test]
async fn a_foreign_scaler_owns_the_count_as_long_as_it_is_there() {
    let mut world = World::new(&scaled(1, 12)).await;
    world.settle(Some(3)).await;
    let hpas: Api<HorizontalPodAutoscaler> =
        Api::namespaced(world.client.clone(), &world.namespace);
    let hpa = json!({"metadata": {"name": "h"}, "spec": {"maxReplicas": 5,
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": NAME}}});
    let hpa = serde_json::from_value(hpa).unwrap();
    hpas.create(&PostParams::default(), &hpa).await.unwrap();
    let plan = world.plan(Some(9)).await;
    assert_eq!(plan.steps, []);
    assert_eq!(plan.findings[0].reason, Reason::ConflictingScaler);
    assert!(
        plan.findings[0]
            .message
            .contains("HorizontalPodAutoscaler `h`")
    );
    hpas.delete("h", &DeleteParams::default()).await.unwrap();
    world.settle(Some(9)).await;
    assert_eq!(world.count().await, 9);
}

#[tokio::test]
async fn what_somebody_changed_is_put_back_and_what_they_added_stays() {
    let mut world = World::new(&json!({"replicas": 2})).await;
    world.settle(None).await;
    let change = json!({"metadata": {"annotations": {"example.org/theirs": "1"}}, "spec": {"replicas": 5,
        "template": {"spec": {"terminationGracePeriodSeconds": 5, "containers": [{"name": "enrich", "image": "other:1"}]}}}});
    let patched = world
        .deployments()
        .patch(NAME, &PatchParams::default(), &Patch::Strategic(change))
        .await
        .unwrap();
    assert_eq!(patched.spec.unwrap().replicas, Some(5));
    world.settle(None).await;
    let live = world.live().await;
    let spec = live.spec.unwrap();
    let pod = spec.template.spec.unwrap();
    assert_eq!(spec.replicas, Some(2));
    assert_eq!(pod.containers[0].image.as_deref(), Some("img:1"));
    assert_eq!(pod.termination_grace_period_seconds, Some(30));
    assert_eq!(
        live.metadata.annotations.unwrap()["example.org/theirs"],
        "1"
    );
}

#[tokio::test]
async fn a_field_that_leaves_the_spec_leaves_the_deployment() {
    let with_args = json!({"container": {"image": "img:1", "args": ["--fast"], "env": [{"name": "A", "value": "1"}]}});
    let mut world = World::new(&with_args).await;
    world.settle(None).await;
    world.change(&json!({}));
    world.settle(None).await;
    let pod = world.live().await.spec.unwrap().template.spec.unwrap();
    assert_eq!(pod.containers[0].args, None);
    let env = pod.containers[0].env.as_ref().unwrap();
    assert!(env.iter().all(|variable| variable.name != "A"));
}

#[tokio::test]
async fn a_missing_secret_is_named_and_a_changed_one_rolls_the_pods_once() {
    let connector = json!({"container": {"image": "img:1", "env": [
        {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "api", "key": "token"}}}]}});
    let mut world = World::new(&connector).await;
    let plan = world.plan(None).await;
    assert_eq!(plan.steps, []);
    assert_eq!(
        plan.status.message,
        "spec.connectors[enrich].container.env[TOKEN].valueFrom.secretKeyRef: \
         Secret `api` does not exist: create it, or correct the reference"
    );
    let secrets: Api<Secret> = Api::namespaced(world.client.clone(), &world.namespace);
    let secret = async |data: Value| {
        let patch = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "api"}, "stringData": data});
        let params = PatchParams::apply("user").force();
        secrets
            .patch("api", &params, &Patch::Apply(patch))
            .await
            .unwrap();
    };
    secret(json!({"token": "one"})).await;
    world.settle(None).await;
    let template = async || world.live().await.spec.unwrap().template;
    let first = template().await;
    secret(json!({"token": "one", "unrelated": "x"})).await;
    assert_eq!(world.plan(None).await.steps, []);
    secret(json!({"token": "two"})).await;
    let steps = world.plan(None).await.steps;
    assert!(matches!(steps[..], [ContainerStep::Apply(_)]), "{steps:?}");
    world.apply(&steps[0]).await;
    assert_eq!(world.plan(None).await.steps, []);
    assert_ne!(world.live().await.spec.unwrap().template, first);
}

#[tokio::test]
async fn everything_goes_with_the_pipeline_and_a_removed_connector_alone() {
    let mut world = World::new(&json!({"replicas": 1})).await;
    world.settle(None).await;
    let live = world.live().await;
    let none = sluice::api::IngestionPipelineSpec::default();
    let steps = removed(&[live], &none, world.identity());
    world.apply(&steps[0]).await;
    eventually("the Deployment is deleted", async || {
        world
            .deployments()
            .get_opt(NAME)
            .await
            .unwrap()
            .is_none()
            .then_some(())
    })
    .await;
    // Deleting what is gone is done.
    world.apply(&steps[0]).await;
    world.settle(None).await;
    let sets: Api<ReplicaSet> = Api::namespaced(world.client.clone(), &world.namespace);
    let some = async || {
        !sets
            .list(&ListParams::default())
            .await
            .unwrap()
            .items
            .is_empty()
    };
    eventually("a ReplicaSet", async || some().await.then_some(())).await;
    world
        .pipelines()
        .delete("p", &DeleteParams::default())
        .await
        .unwrap();
    eventually("the garbage collector deletes the children", async || {
        let gone = world.deployments().get_opt(NAME).await.unwrap().is_none();
        (gone && !some().await).then_some(())
    })
    .await;
}

#[tokio::test]
async fn every_pod_that_can_be_declared_passes_the_restricted_level() {
    let full = json!({"container": {
        "image": "img:1",
        "volumes": [
            {"name": "tmp", "mountPath": "/tmp", "emptyDir": {"sizeLimit": "0.5Gi"}},
            {"name": "in", "mountPath": "/data", "readOnly": true, "persistentVolumeClaim": {"claimName": "csv"}},
            {"name": "all", "mountPath": "/all", "projected": {"sources": [{"configMap": {"name": "settings"}}]}},
        ],
        "resources": {"requests": {"cpu": "0.5", "memory": "1024Mi"}, "limits": {"memory": "1.5Gi"}},
        "ports": [{"name": "metrics", "containerPort": 9090}],
        "readinessProbe": {"httpGet": {"path": "/ready", "port": 9090}, "initialDelaySeconds": 0},
        "runAsUser": 1, "readOnlyRootFilesystem": false,
        "tolerations": [{"operator": "Exists"}],
        "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway"}],
    }});
    let mut world = World::new(&full).await;
    let maps: Api<ConfigMap> = Api::namespaced(world.client.clone(), &world.namespace);
    let map = json!({"metadata": {"name": "settings"}, "data": {"level": "info"}});
    let map = serde_json::from_value(map).unwrap();
    maps.create(&PostParams::default(), &map).await.unwrap();
    world.settle(None).await;
    // The namespace refuses pods that are not restricted: the ReplicaSet could not make this one.
    let pods: Api<Pod> = Api::namespaced(world.client.clone(), &world.namespace);
    eventually("a pod is admitted", async || {
        let pods = pods.list(&ListParams::default()).await.unwrap();
        (!pods.items.is_empty()).then_some(())
    })
    .await;
    let steps = world.plan(None).await.steps;
    assert_eq!(
        steps,
        [],
        "quantities and defaults must not look like drift"
    );
}
