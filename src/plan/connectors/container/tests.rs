use k8s_openapi::{
    api::apps::v1::DeploymentStatus,
    apimachinery::pkg::apis::meta::v1::{FieldsV1, ManagedFieldsEntry, OwnerReference, Time},
};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{
    api::{connectors::ConnectorPhase, kafka::Kafka, scaling::Autoscaling},
    class::Class,
    plan::Unknown,
};

const PIPELINE: Identity<'_> = Identity {
    namespace: "plant",
    name: "p",
    uid: "u-1",
};

/// A cluster with at most one Deployment, which does to it what the apiserver does to the steps.
#[derive(Clone, Debug, Default)]
struct World {
    live: Option<Deployment>,
    last: Option<ConnectorStatus>,
    data: Data,
    scalers: Vec<ConflictingScaler>,
    /// The lowest count since the Deployment is there.
    lowest: Option<i32>,
}

impl World {
    fn seen(&self) -> ContainerSeen {
        ContainerSeen {
            deployment: Known::Value(self.live.clone()),
            references: Known::Value(self.data.clone()),
            pods: Known::Value(Vec::new()),
            scalers: Known::Value(self.scalers.clone()),
        }
    }

    fn plan(&self, spec: &IngestionPipelineSpec, wanted: Option<i32>) -> ContainerPlan {
        plan(spec, &self.seen(), self.last.as_ref(), wanted)
    }

    /// One pass; whether anything was written.
    fn pass(&mut self, spec: &IngestionPipelineSpec, wanted: Option<i32>) -> bool {
        let plan = self.plan(spec, wanted);
        for step in &plan.steps {
            self.apply(step);
        }
        self.last = Some(plan.status);
        !plan.steps.is_empty()
    }

    /// Passes until nothing is written any more.
    fn settle(&mut self, spec: &IngestionPipelineSpec, wanted: Option<i32>) {
        for _ in 0..4 {
            if !self.pass(spec, wanted) {
                return;
            }
        }
        panic!("still writing: {:?}", self.plan(spec, wanted).steps);
    }

    fn apply(&mut self, step: &ContainerStep) {
        match step {
            ContainerStep::Create(desired) => {
                assert!(self.live.is_none(), "created twice");
                let mut created = *desired.clone();
                created.metadata.uid = Some("d-1".into());
                own(&mut created, names::MANAGER, true);
                self.live = Some(created);
            }
            ContainerStep::Apply(desired) => {
                let live = self.live.as_ref().expect("applied to nothing");
                let mut applied = *desired.clone();
                let kept = [names::SCALER, "hpa"]
                    .iter()
                    .any(|manager| ownership::owns_replicas(&live.metadata, manager));
                // What the apiserver does when the only owner lets go of a field.
                let count = if kept { live_replicas(live) } else { 1 };
                applied.spec.as_mut().unwrap().replicas = Some(count);
                applied.metadata.uid.clone_from(&live.metadata.uid);
                applied
                    .metadata
                    .managed_fields
                    .clone_from(&live.metadata.managed_fields);
                own(&mut applied, names::MANAGER, false);
                self.live = Some(applied);
            }
            ContainerStep::Scale { to, .. } => {
                let live = self.live.as_mut().expect("scaled nothing");
                let spec = live.spec.as_mut().unwrap();
                let changed = spec.replicas != Some(*to);
                spec.replicas = Some(*to);
                if changed {
                    own(live, names::MANAGER, false);
                }
                own(live, names::SCALER, true);
            }
            ContainerStep::Delete { .. } => self.live = None,
        }
        let count = self.live.as_ref().map(live_replicas);
        self.lowest = self.lowest.min(count).or(count);
    }
}

fn own(live: &mut Deployment, manager: &str, owns: bool) {
    let fields = live.metadata.managed_fields.get_or_insert_default();
    fields.retain(|entry| entry.manager.as_deref() != Some(manager));
    if owns {
        fields.push(ManagedFieldsEntry {
            manager: Some(manager.to_owned()),
            fields_v1: Some(FieldsV1(json!({"f:spec": {"f:replicas": {}}}))),
            ..Default::default()
        });
    }
}

fn plan(
    spec: &IngestionPipelineSpec,
    seen: &ContainerSeen,
    last: Option<&ConnectorStatus>,
    wanted: Option<i32>,
) -> ContainerPlan {
    let connector = &spec.connectors[0];
    let request = Request {
        spec,
        connector,
        container: connector.container.as_ref().unwrap(),
        pipeline: PIPELINE,
        suspended: spec.suspend,
        wanted,
        last,
    };
    container(&request, seen)
}

fn autoscaling(min: i32, max: i32) -> Option<Autoscaling> {
    let policies = json!([{"name": "p", "targetTracking": {"metric": "lag", "target": 1.0}}]);
    serde_json::from_value(json!({"minReplicas": min, "maxReplicas": max, "policies": policies}))
        .ok()
}

fn pipeline(replicas: Option<i32>, autoscaling: Option<Autoscaling>) -> IngestionPipelineSpec {
    IngestionPipelineSpec {
        kafka: Kafka {
            bootstrap_servers: "kafka:9092".into(),
            ..Kafka::default()
        },
        connectors: vec![Connector {
            name: "enrich".into(),
            container: Some(Container {
                image: "img:1".into(),
                ..Container::default()
            }),
            replicas,
            autoscaling,
            ..Connector::default()
        }],
        ..IngestionPipelineSpec::default()
    }
}

fn settled(spec: &IngestionPipelineSpec) -> World {
    let mut world = World::default();
    world.settle(spec, None);
    world.lowest = None;
    world
}

fn count(world: &World) -> i32 {
    world.live.as_ref().map_or(-1, live_replicas)
}

fn env_secret(spec: &mut IngestionPipelineSpec) -> references::Source {
    let container = spec.connectors[0].container.as_mut().unwrap();
    container.env = serde_json::from_value(json!([
        {"name": "T", "valueFrom": {"secretKeyRef": {"name": "api", "key": "token"}}}
    ]))
    .unwrap();
    references::Source {
        kind: references::SourceKind::Secret,
        name: "api".into(),
    }
}

#[test]
fn creation_sets_the_count_once_and_then_only_the_scaler_owns_it() {
    let spec = pipeline(Some(10), None);
    let mut world = World::default();
    assert!(world.pass(&spec, None));
    assert_eq!(count(&world), 10);
    world.settle(&spec, None);
    let metadata = &world.live.as_ref().unwrap().metadata;
    assert!(ownership::owns_replicas(metadata, names::SCALER));
    assert!(!ownership::owns_replicas(metadata, names::MANAGER));
    assert_eq!((count(&world), world.lowest), (10, Some(10)));
}

#[test]
fn a_fixed_count_that_becomes_autoscaled_never_dips_and_the_other_way_round() {
    let mut spec = pipeline(Some(10), None);
    let mut world = settled(&spec);
    spec.connectors[0].replicas = None;
    spec.connectors[0].autoscaling = autoscaling(1, 12);
    world.settle(&spec, None);
    assert_eq!((count(&world), world.lowest), (10, None));
    spec.connectors[0].autoscaling = None;
    spec.connectors[0].replicas = Some(11);
    world.settle(&spec, None);
    assert_eq!((count(&world), world.lowest), (11, Some(11)));
}

#[test]
fn suspension_remembers_the_count_and_resuming_restores_it() {
    let mut spec = pipeline(None, autoscaling(1, 12));
    let mut world = settled(&spec);
    world.settle(&spec, Some(7));
    spec.suspend = true;
    world.settle(&spec, Some(7));
    assert_eq!(count(&world), 0);
    assert_eq!(world.last.as_ref().unwrap().desired_replicas, Some(7));
    spec.suspend = false;
    world.lowest = None;
    world.settle(&spec, None);
    assert_eq!((count(&world), world.lowest), (7, Some(7)));
}

#[test]
fn a_deployment_that_is_not_ours_is_left_alone() {
    let spec = pipeline(Some(2), None);
    let mut world = settled(&spec);
    let owner: &mut OwnerReference = &mut world
        .live
        .as_mut()
        .unwrap()
        .metadata
        .owner_references
        .as_mut()
        .unwrap()[0];
    owner.uid = "u-2".into();
    let plan = world.plan(&spec, None);
    assert_eq!(plan.steps, []);
    assert_eq!(plan.findings[0].reason, Reason::NotOurs);
    assert_eq!(plan.status.phase, ConnectorPhase::Failed);
}

#[test]
fn a_foreign_scaler_keeps_the_count_and_changes_to_the_template_still_go_out() {
    let mut spec = pipeline(None, autoscaling(1, 12));
    let mut world = settled(&spec);
    world.scalers = vec![ConflictingScaler {
        kind: "HorizontalPodAutoscaler".into(),
        name: "h".into(),
    }];
    let plan = world.plan(&spec, Some(9));
    assert_eq!(plan.steps, []);
    assert_eq!(plan.findings[0].reason, Reason::ConflictingScaler);
    spec.connectors[0].container.as_mut().unwrap().image = "img:2".into();
    assert!(matches!(
        world.plan(&spec, Some(9)).steps[..],
        [ContainerStep::Apply(_)]
    ));
}

#[test]
fn a_foreign_scaler_that_was_there_first_does_not_make_the_count_dip() {
    let spec = pipeline(Some(5), None);
    let mut world = World {
        scalers: vec![ConflictingScaler {
            kind: "HorizontalPodAutoscaler".into(),
            name: "h".into(),
        }],
        ..World::default()
    };
    world.settle(&spec, None);
    assert_eq!((count(&world), world.lowest), (5, Some(5)));
}

#[test]
fn when_scalers_cannot_be_read_only_suspension_still_acts() {
    let mut spec = pipeline(None, autoscaling(1, 12));
    let world = settled(&spec);
    let seen = ContainerSeen {
        scalers: Known::Unknown(Unknown {
            class: Class::Down,
            reason: Reason::ApplyFailed,
            message: "unknown".into(),
        }),
        ..world.seen()
    };
    assert_eq!(plan(&spec, &seen, world.last.as_ref(), Some(9)).steps, []);
    spec.suspend = true;
    let steps = plan(&spec, &seen, world.last.as_ref(), Some(9)).steps;
    assert!(matches!(steps[..], [ContainerStep::Scale { to: 0, .. }]));
}

#[test]
fn drift_is_repaired_by_one_apply() {
    let spec = pipeline(Some(2), None);
    let mut world = settled(&spec);
    let template = &mut world.live.as_mut().unwrap().spec.as_mut().unwrap().template;
    template.spec.as_mut().unwrap().containers[0].image = Some("other".into());
    assert!(world.pass(&spec, None));
    assert!(!world.pass(&spec, None));
}

#[test]
fn what_is_missing_holds_creation_and_leaves_running_pods_alone() {
    let mut spec = pipeline(Some(2), None);
    let secret = env_secret(&mut spec);
    let mut world = World {
        data: Data::from([(secret.clone(), None)]),
        ..World::default()
    };
    let plan = world.plan(&spec, None);
    assert_eq!(plan.steps, []);
    assert_eq!(plan.status.reason.as_deref(), Some("ReferenceMissing"));
    let token = |digest: &str| Some([("token".to_owned(), digest.to_owned())].into());
    world.data.insert(secret.clone(), token("1"));
    world.settle(&spec, None);
    world.data.insert(secret.clone(), None);
    assert_eq!(world.plan(&spec, None).steps, []);
    world.data.insert(secret, token("2"));
    assert!(world.pass(&spec, None), "a changed value rolls once");
    assert!(!world.pass(&spec, None), "and only once");
}

#[test]
fn a_deployment_that_cannot_be_read_gets_no_step() {
    let spec = pipeline(Some(2), None);
    let seen = ContainerSeen {
        deployment: Known::Unknown(Unknown {
            class: Class::Down,
            reason: Reason::ApplyFailed,
            message: "unknown".into(),
        }),
        ..World::default().seen()
    };
    assert_eq!(plan(&spec, &seen, None, None).steps, []);
}

#[test]
fn a_connector_that_is_gone_from_the_spec_loses_its_deployment_and_no_other() {
    let spec = pipeline(Some(2), None);
    let live = settled(&spec).live.unwrap();
    assert_eq!(removed(std::slice::from_ref(&live), &spec, PIPELINE), []);
    let none = IngestionPipelineSpec::default();
    let mut foreign = live.clone();
    foreign.metadata.owner_references.as_mut().unwrap()[0].uid = "u-2".into();
    let mut going = live.clone();
    going.metadata.deletion_timestamp = Some(Time(k8s_openapi::jiff::Timestamp::UNIX_EPOCH));
    assert_eq!(
        removed(&[live, foreign, going], &none, PIPELINE),
        [ContainerStep::Delete {
            name: "p-enrich".into(),
            uid: "d-1".into()
        }]
    );
}

#[test]
fn the_phase_follows_the_pods() {
    let phase = |spec: &IngestionPipelineSpec, replicas, updated, ready| {
        let mut world = settled(spec);
        world.live.as_mut().unwrap().status = Some(DeploymentStatus {
            replicas: Some(replicas),
            updated_replicas: Some(updated),
            ready_replicas: Some(ready),
            ..Default::default()
        });
        world.plan(spec, None).status.phase
    };
    let fixed = pipeline(Some(3), None);
    assert_eq!(phase(&fixed, 3, 3, 3), ConnectorPhase::Running);
    assert_eq!(phase(&fixed, 3, 3, 2), ConnectorPhase::Waiting);
    assert_eq!(phase(&fixed, 4, 1, 3), ConnectorPhase::Waiting);
    let none = pipeline(Some(0), None);
    assert_eq!(phase(&none, 0, 0, 0), ConnectorPhase::Stopped);
    let scaled = pipeline(None, autoscaling(2, 12));
    assert_eq!(phase(&scaled, 2, 2, 2), ConnectorPhase::Running);
}

#[derive(Clone, Debug)]
enum Change {
    Fixed(i32),
    Scaled(i32, i32),
    Wanted(Option<i32>),
    Suspend(bool),
    Image(u8),
    Kubectl(i32),
    Token(u8),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (0..20).prop_map(Change::Fixed),
        (1..5, 5..20).prop_map(|(min, max)| Change::Scaled(min, max)),
        proptest::option::of(0..30).prop_map(Change::Wanted),
        any::<bool>().prop_map(Change::Suspend),
        (0..3_u8).prop_map(Change::Image),
        (0..20).prop_map(Change::Kubectl),
        (0..3_u8).prop_map(Change::Token),
    ]
}

proptest! {
    /// Whatever a user does, and wherever a pass was cut off, the passes after it come to rest, with
    /// a count that is as it should be and owned by the scaler alone.
    #[test]
    fn planning_converges(changes in prop::collection::vec((change(), 0..3_usize), 1..12)) {
        let mut spec = pipeline(Some(1), None);
        let secret = env_secret(&mut spec);
        let mut world = World::default();
        let mut wanted = None;
        for (change, cut) in changes {
            let connector = &mut spec.connectors[0];
            match change {
                Change::Fixed(n) => (connector.replicas, connector.autoscaling) = (Some(n), None),
                Change::Scaled(min, max) => {
                    (connector.replicas, connector.autoscaling) = (None, autoscaling(min, max));
                }
                Change::Wanted(n) => wanted = n,
                Change::Suspend(on) => spec.suspend = on,
                Change::Image(n) => {
                    connector.container.as_mut().unwrap().image = format!("img:{n}");
                }
                Change::Kubectl(n) => {
                    if let Some(live) = &mut world.live {
                        live.spec.as_mut().unwrap().replicas = Some(n);
                        own(live, names::SCALER, false);
                        own(live, "hpa", true);
                    }
                }
                Change::Token(n) => {
                    let keys = (n > 0).then(|| [("token".to_owned(), n.to_string())].into());
                    world.data.insert(secret.clone(), keys);
                }
            }
            let before = world.live.as_ref().map(live_replicas);
            let by_hand = |live: &Deployment| ownership::overridden(&live.metadata).is_some();
            let by_hand = world.live.as_ref().is_some_and(by_hand);
            for step in world.plan(&spec, wanted).steps.iter().take(cut) {
                world.apply(step);
            }
            world.settle(&spec, wanted);
            if let Some(live) = &world.live {
                let target = match &spec.connectors[0].autoscaling {
                    _ if spec.suspend => 0..=0,
                    // A running count is the autoscaler's, with its bounds, and so is one that
                    // somebody else has set.
                    Some(_) if wanted.is_none() && (before > Some(0) || by_hand) => {
                        before.unwrap_or(0)..=before.unwrap_or(0)
                    }
                    Some(scaling) => scaling.min_replicas..=scaling.max_replicas,
                    None => {
                        let fixed = spec.connectors[0].replicas.unwrap_or(1);
                        fixed..=fixed
                    }
                };
                prop_assert!(target.contains(&live_replicas(live)));
            }
        }
    }
}
