//! Planning of the Connect workers.

use std::{collections::BTreeMap, time::Duration};

use k8s_openapi::api::{apps::v1::DeploymentStatus, core::v1::PodSpec};
use kube::ResourceExt;

use super::*;
use crate::{
    api::{
        kafka::Kafka,
        pods::{ClaimVolume, SecretVolume, Volume},
    },
    class::Class,
    plan::{
        Severity, Unknown,
        connectors::references::{Source, SourceKind},
    },
};

const PIPELINE: Identity<'_> = Identity {
    namespace: "plant",
    name: "p",
    uid: "u-1",
};

fn settings() -> Settings {
    Settings {
        connect_image: "sluice/kafka:4.3.1".to_owned(),
        cluster_name: None,
        operator_namespace: "operators".to_owned(),
        deletion_deadline: Duration::from_mins(5),
        status_interval: Duration::from_secs(30),
        prometheus_servers: Vec::new(),
    }
}

fn nothing() -> WorkersView {
    WorkersView {
        deployment: Known::Value(None),
        service: Known::Value(None),
        config_map: Known::Value(None),
        network_policy: Known::Value(None),
        references: Known::Value(Data::new()),
        pods: Known::Value(Vec::new()),
        brokers: Known::Value(1),
        unfit: None,
    }
}

fn plan(workers: &ConnectWorkers, view: &WorkersView) -> WorkersPlan {
    let spec = IngestionPipelineSpec {
        kafka: Kafka {
            bootstrap_servers: "kafka:9092".to_owned(),
            ..Kafka::default()
        },
        connect: Some(workers.clone()),
        ..IngestionPipelineSpec::default()
    };
    let request = Request {
        spec: &spec,
        workers,
        pipeline: PIPELINE,
        settings: &settings(),
    };
    super::workers(&request, view)
}

/// The cluster after the steps.
fn carry_out(view: &mut WorkersView, plan: &WorkersPlan) {
    for step in plan.steps.clone() {
        match step {
            WorkersStep::ConfigMap(object) => view.config_map = Known::Value(Some(*object)),
            WorkersStep::Service(object) => view.service = Known::Value(Some(*object)),
            WorkersStep::NetworkPolicy(object) => view.network_policy = Known::Value(Some(*object)),
            WorkersStep::Deployment(object) => view.deployment = Known::Value(Some(*object)),
            WorkersStep::Delete { .. } => panic!("nothing is to be deleted"),
        }
    }
}

fn deployed(workers: &ConnectWorkers) -> WorkersView {
    let mut view = nothing();
    let plan = plan(workers, &view);
    carry_out(&mut view, &plan);
    view
}

fn live<K>(known: &Known<Option<K>>) -> &K {
    known.value().unwrap().as_ref().unwrap()
}

fn pod(view: &WorkersView) -> PodSpec {
    let spec = live(&view.deployment).spec.clone().unwrap();
    spec.template.spec.unwrap()
}

fn config_digest(view: &WorkersView) -> String {
    let spec = live(&view.deployment).spec.as_ref().unwrap();
    spec.template
        .metadata
        .as_ref()
        .unwrap()
        .annotations
        .as_ref()
        .unwrap()[names::CONFIG_ANNOTATION]
        .clone()
}

#[test]
fn one_pass_deploys_the_workers_and_the_next_writes_nothing() {
    let workers = ConnectWorkers::default();
    let mut view = deployed(&workers);
    let waiting = plan(&workers, &view);
    assert_eq!(waiting.steps, []);
    assert_eq!(waiting.findings[0].reason, Reason::WorkersNotReady);
    if let Known::Value(Some(deployment)) = &mut view.deployment {
        deployment.status = Some(DeploymentStatus {
            replicas: Some(1),
            ready_replicas: Some(1),
            updated_replicas: Some(1),
            ..DeploymentStatus::default()
        });
        assert_eq!(
            seen(deployment),
            WorkersSeen {
                ready: 1,
                replicas: 1
            }
        );
    }
    let ready = plan(&workers, &view);
    assert_eq!((ready.steps, ready.findings), (vec![], vec![]));
}

#[test]
fn pods_are_restricted_and_take_half_their_limit_as_heap() {
    let pod = pod(&deployed(&ConnectWorkers::default()));
    assert_eq!(pod.automount_service_account_token, Some(false));
    let context = pod.security_context.unwrap();
    assert_eq!(context.run_as_non_root, Some(true));
    assert_eq!(context.seccomp_profile.unwrap().type_, "RuntimeDefault");
    let container = &pod.containers[0];
    let context = container.security_context.as_ref().unwrap();
    assert_eq!(context.read_only_root_filesystem, Some(true));
    assert_eq!(context.allow_privilege_escalation, Some(false));
    let env = container.env.as_ref().unwrap();
    assert!(
        env[0]
            .value
            .as_ref()
            .unwrap()
            .contains("MaxRAMPercentage=50")
    );
    assert_eq!(container.image.as_deref(), Some("sluice/kafka:4.3.1"));
}

#[test]
fn the_interface_is_open_to_the_operator_and_the_workers_alone() {
    let view = deployed(&ConnectWorkers::default());
    let policy = live(&view.network_policy).spec.as_ref().unwrap();
    let rules = policy.ingress.as_ref().unwrap();
    let [operator, own] = &rules[0].from.as_ref().unwrap()[..] else {
        panic!("{rules:?}");
    };
    let of = |selector: &Option<k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector>| {
        selector.as_ref().unwrap().match_labels.clone().unwrap()
    };
    assert_eq!(
        of(&operator.namespace_selector)["kubernetes.io/metadata.name"],
        "operators"
    );
    assert_eq!(
        of(&operator.pod_selector)["app.kubernetes.io/name"],
        "sluice"
    );
    assert_eq!(of(&own.pod_selector), labels("p"));
    // No pod of a container connector carries all of these labels.
    let connector = names::selector("p", Some("csv"));
    assert!(
        labels("p")
            .iter()
            .any(|(key, value)| connector.get(key) != Some(value))
    );
    assert_eq!(
        live(&view.service).spec.as_ref().unwrap().selector,
        Some(labels("p"))
    );
}

#[test]
fn a_change_of_the_configuration_rolls_the_pods_and_another_broker_does_not() {
    let workers = ConnectWorkers::default();
    let before = deployed(&workers);
    let mut view = before.clone();
    view.brokers = Known::Value(3);
    let replan = plan(&workers, &view);
    assert!(
        matches!(&replan.steps[..], [WorkersStep::ConfigMap(_)]),
        "{replan:?}"
    );
    carry_out(&mut view, &replan);
    assert_eq!(config_digest(&view), config_digest(&before));

    let secret = Volume {
        name: "secret".to_owned(),
        mount_path: "/secret".to_owned(),
        secret: Some(SecretVolume {
            secret_name: "s".to_owned(),
        }),
        ..Volume::default()
    };
    let workers = ConnectWorkers {
        volumes: vec![secret],
        ..workers
    };
    let source = Source {
        kind: SourceKind::Secret,
        name: "s".to_owned(),
    };
    let data = |digest: &str| {
        let keys = BTreeMap::from([("key".to_owned(), digest.to_owned())]);
        Known::Value(Data::from([(source.clone(), Some(keys))]))
    };
    let mut view = nothing();
    assert_eq!(
        plan(&workers, &view).findings[0].reason,
        Reason::ReferenceMissing
    );
    view.references = data("one");
    let first = plan(&workers, &view);
    carry_out(&mut view, &first);
    let one = config_digest(&view);
    view.references = data("two");
    let second = plan(&workers, &view);
    assert!(matches!(&second.steps[..], [WorkersStep::Deployment(_)]));
    carry_out(&mut view, &second);
    assert_ne!(config_digest(&view), one);
}

#[test]
fn with_a_claim_the_old_worker_leaves_first() {
    let strategy = |volumes| {
        let workers = ConnectWorkers {
            volumes,
            ..ConnectWorkers::default()
        };
        let view = deployed(&workers);
        let spec = live(&view.deployment).spec.clone().unwrap();
        spec.strategy.unwrap().rolling_update.unwrap().max_surge
    };
    let claim = Volume {
        name: "sluice-tmp".to_owned(),
        mount_path: "/data".to_owned(),
        persistent_volume_claim: Some(ClaimVolume {
            claim_name: "csv".to_owned(),
        }),
        ..Volume::default()
    };
    assert_ne!(strategy(vec![claim]), strategy(Vec::new()));
}

#[test]
fn names_of_volumes_never_collide() {
    let volume = |name: &str| Volume {
        name: name.to_owned(),
        mount_path: format!("/{name}"),
        ..Volume::default()
    };
    let workers = ConnectWorkers {
        volumes: vec![volume("sluice-tmp"), volume("sluice-config")],
        ..ConnectWorkers::default()
    };
    let mut names: Vec<_> = pod(&deployed(&workers))
        .volumes
        .unwrap()
        .into_iter()
        .map(|v| v.name)
        .collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 4);
}

#[test]
fn what_is_not_ours_or_not_known_is_left_alone() {
    let workers = ConnectWorkers::default();
    let mut foreign = deployed(&workers);
    if let Known::Value(Some(service)) = &mut foreign.service {
        service.metadata.owner_references = None;
    }
    let held = plan(&workers, &foreign);
    assert_eq!(held.steps, []);
    assert_eq!(held.findings[0].reason, Reason::NotOurs);
    assert_eq!(held.findings[0].severity, Severity::Stalled);

    let unknown = Unknown {
        class: Class::Down,
        reason: Reason::KafkaUnreachable,
        message: "no".to_owned(),
    };
    let blind = WorkersView {
        brokers: Known::Unknown(unknown),
        ..nothing()
    };
    assert_eq!(plan(&workers, &blind).steps, []);
}

#[test]
fn drift_is_repaired_and_only_our_own_is_deleted() {
    let workers = ConnectWorkers::default();
    let mut view = deployed(&workers);
    if let Known::Value(Some(deployment)) = &mut view.deployment {
        deployment.metadata.uid = Some("d-1".to_owned());
        deployment.spec.as_mut().unwrap().replicas = Some(5);
    }
    if let Known::Value(Some(service)) = &mut view.service {
        service.metadata.uid = Some("s-1".to_owned());
        service.owner_references_mut().clear();
    }
    let delete = WorkersStep::Delete {
        kind: WorkersKind::Deployment,
        uid: "d-1".to_owned(),
    };
    assert_eq!(removed(&view, PIPELINE), [delete]);
    let mut view = deployed(&workers);
    if let Known::Value(Some(deployment)) = &mut view.deployment {
        deployment.spec.as_mut().unwrap().replicas = Some(5);
    }
    assert!(matches!(
        &plan(&workers, &view).steps[..],
        [WorkersStep::Deployment(_)]
    ));
}

#[test]
fn the_group_its_topics_and_its_address_follow_the_pipeline() {
    let claim = claim(PIPELINE, &settings());
    assert_eq!(claim.name, "plant.p._workers");
    assert_eq!(
        internal_topics(&claim.name),
        [
            "plant.p._workers.configs",
            "plant.p._workers.offsets",
            "plant.p._workers.status"
        ]
    );
    assert_eq!(rest_address(PIPELINE), "http://p-connect.plant.svc:8083");
}
