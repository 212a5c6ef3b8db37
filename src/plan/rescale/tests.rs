//! From samples to what is carried out, told and kept in status: one pass after the other.

use std::time::Duration as Time;

use jiff::ToSpan;
use serde_json::{Value, json};

use super::*;
use crate::{
    api::{IngestionPipelineSpec, IngestionPipelineStatus, decisions::ShadowReplicas},
    plan::{
        Identity, PipelinePlan, Settings,
        scaling::{GroupState, PartitionSample},
        settle,
        tellings::tellings,
    },
};

/// One pipeline with the connector `enrich`, pass after pass.
struct Passes {
    spec: IngestionPipelineSpec,
    scaler: Scaler,
    status: IngestionPipelineStatus,
    replicas: i32,
    conflict: Option<&'static str>,
    metric_gaps: Vec<Unknown>,
    told: Vec<String>,
}

impl Passes {
    /// One pod for 100 unread records, without waiting; `more` goes on top.
    fn new(more: &Value) -> Self {
        let mut block = json!({
            "minReplicas": 1, "maxReplicas": 12, "warmup": "0s",
            "cooldown": {"scaleIn": "0s"},
            "behavior": {"scaleIn": {"stabilizationWindow": "0s"}},
            "partitions": {"align": false},
            "policies": [{"name": "lag", "targetTracking": {"metric": "lag", "target": 100}}],
        });
        for (key, value) in more.as_object().unwrap() {
            block[key] = value.clone();
        }
        let spec = json!({
            "kafka": {"bootstrapServers": "kafka:9092"},
            "topics": [{"name": "t"}],
            "connectors": [{
                "name": "enrich", "role": "Processor", "container": {"image": "i"},
                "consumes": {"group": "g", "topics": ["t"]}, "autoscaling": block,
            }],
        });
        let status = json!({"connectors": [
            {"name": "enrich", "role": "Processor", "phase": "Running", "desiredReplicas": 2},
        ]});
        Self {
            spec: serde_json::from_value(spec).unwrap(),
            scaler: Scaler::default(),
            status: serde_json::from_value(status).unwrap(),
            replicas: 2,
            conflict: None,
            metric_gaps: Vec::new(),
            told: Vec::new(),
        }
    }

    /// One pass at this second with so many unread records; what it would write first.
    fn pass(&mut self, second: i64, lag: i64) -> Option<IngestionPipelineStatus> {
        let now = "2026-01-05T10:00:00Z".parse::<jiff::Timestamp>().unwrap() + second.seconds();
        let partition = |partition| PartitionSample {
            topic: "t".into(),
            partition,
            start: Some(0),
            committed: Some(0),
            end: Some(lag / 12),
            ..PartitionSample::default()
        };
        let counts = CountsSeen {
            replicas: self.replicas,
            observed: self.replicas,
            ready: self.replicas,
            ..CountsSeen::default()
        };
        let seen = SampleSeen {
            counts: Known::Value(Some(counts)),
            observation: Observation {
                at: now,
                replicas: self.replicas,
                ready: self.replicas,
                partitions: (0..12).map(partition).collect(),
                group: GroupState::Stable,
                ..Observation::default()
            },
            gap: None,
            metric_gaps: self.metric_gaps.clone(),
        };
        let settings = Settings {
            connect_image: String::new(),
            cluster_name: None,
            operator_namespace: "sluice-system".into(),
            deletion_deadline: Time::from_secs(300),
            status_interval: Time::from_secs(30),
            prometheus_servers: Vec::new(),
        };
        let (annotations, restarts) = (BTreeMap::new(), BTreeMap::new());
        let subject = Subject {
            pipeline: Identity {
                namespace: "plant",
                name: "p",
                uid: "u",
            },
            spec: &self.spec,
            last: &self.status,
            annotations: &annotations,
            settings: &settings,
            restarts: &restarts,
            now,
        };
        let connector = &self.spec.connectors[0];
        let scaling = rescale(subject, connector, seen, self.conflict, &mut self.scaler);
        let mut plan = PipelinePlan {
            scaling: BTreeMap::from([("enrich".to_owned(), scaling)]),
            ..PipelinePlan::default()
        };
        plan.autoscaled = autoscaled(subject, &plan.scaling);
        let ahead = settle::ahead(&self.status, &plan);
        let next = settle::status(&self.status, &plan, &[], 1, now);
        let told = tellings(&self.status, &next, &plan, &[]);
        self.told.extend(told.into_iter().map(|t| t.message));
        let decided = plan.scaling["enrich"].decided.as_ref().unwrap();
        if decided.acts {
            self.replicas = decided.to;
        }
        self.status = next;
        ahead
    }

    fn connector(&self) -> &ConnectorStatus {
        &self.status.connectors[0]
    }

    fn decisions(&self) -> Vec<(i32, i32, bool)> {
        let decisions = self.connector().decisions.iter();
        decisions.map(|d| (d.from, d.to, d.shadow)).collect()
    }
}

#[test]
fn a_change_is_written_ahead_with_what_must_be_remembered_of_it() {
    let mut passes = Passes::new(&json!({}));
    assert_eq!(passes.pass(0, 200), None, "nothing changes");
    let ahead = passes.pass(5, 600).unwrap();
    let connector = &ahead.connectors[0];
    assert_eq!(connector.desired_replicas, Some(6));
    assert_eq!(
        (connector.decisions[0].from, connector.decisions[0].to),
        (2, 6)
    );
    let change = connector.memory.clone().unwrap().last_scale_out.unwrap();
    assert_eq!((change.from, change.to), (2, 6));
    assert_eq!(
        connector,
        passes.connector(),
        "and nothing else is written later"
    );
    assert_eq!(
        ahead.conditions,
        [],
        "what only carrying out can tell is left alone"
    );
    let event = passes.told.last().unwrap();
    let decision = &passes.connector().decisions[0];
    let line = scaling::headline("enrich", 2, 6, false, &decision.why);
    assert_eq!(*event, line);
    assert!(
        event.starts_with("connector enrich: 2 -> 6 replicas: lag 600 at 100"),
        "{event}"
    );
}

#[test]
fn in_shadow_mode_decisions_are_shown_and_nobody_acts() {
    let mut passes = Passes::new(&json!({"mode": "Shadow"}));
    passes.conflict = Some("HorizontalPodAutoscaler other");
    for second in [0, 5, 10] {
        assert_eq!(passes.pass(second, 600), None);
    }
    assert_eq!(passes.replicas, 2);
    let connector = passes.connector();
    assert_eq!(connector.shadow_replicas, Some(6));
    assert_eq!(connector.desired_replicas, Some(2), "as it was");
    assert_eq!(connector.scaling_reason.as_deref(), Some("Shadow"));
    assert_eq!(
        connector.memory.clone().unwrap().last_scale_out,
        None,
        "no cooldown begins"
    );
    assert_eq!(passes.decisions(), [(2, 6, true)], "once, not at each look");
    let _ = passes.pass(15, 900);
    assert_eq!(passes.decisions(), [(2, 9, true), (2, 6, true)]);
    assert!(
        !passes.told.iter().any(|told| told.contains("->")),
        "{:?}",
        passes.told
    );
}

#[test]
fn in_shadow_mode_a_window_passes_as_if_it_were_active() {
    let window = json!({
        "mode": "Shadow", "minReplicas": 1,
        "behavior": {"scaleOut": {"stabilizationWindow": "30s"}},
    });
    let mut passes = Passes::new(&window);
    for (second, shadow) in [(0, 2), (10, 2), (20, 2), (30, 6)] {
        let _ = passes.pass(second, 600);
        assert_eq!(passes.connector().shadow_replicas, Some(shadow), "{second}");
    }
}

#[test]
fn a_policy_in_shadow_mode_plays_no_part_and_says_what_it_would_do() {
    let policies = json!({"policies": [
        {"name": "lag", "targetTracking": {"metric": "lag", "target": 100}},
        {"name": "bold", "mode": "Shadow", "targetTracking": {"metric": "lag", "target": 10}},
        {"name": "blind", "mode": "Shadow", "targetTracking": {"metric": "arrivalRate", "target": 10}},
    ]});
    let mut passes = Passes::new(&policies);
    let _ = passes.pass(0, 600);
    assert_eq!(passes.replicas, 6);
    let bold = ShadowReplicas {
        name: "bold".into(),
        replicas: 12,
    };
    assert_eq!(
        passes.connector().shadow,
        [bold],
        "60 are wanted, maxReplicas is 12"
    );
    assert_eq!(passes.connector().shadow_replicas, None);
}

#[test]
fn numbers_of_the_shadow_are_no_reason_to_write_at_once() {
    let mut passes = Passes::new(&json!({"mode": "Shadow"}));
    let _ = passes.pass(0, 600);
    let before = passes.status.clone();
    let mut after = before.clone();
    after.connectors[0].shadow_replicas = Some(7);
    assert_eq!(settle::structure(&before), settle::structure(&after));
    assert_ne!(settle::numbers(&before), settle::numbers(&after));
}

#[test]
fn a_scale_that_fails_is_not_decided_anew_at_each_look() {
    let mut passes = Passes::new(&json!({}));
    for second in [0, 5, 10] {
        let _ = passes.pass(second, 600);
        passes.replicas = 2;
    }
    assert_eq!(passes.decisions(), [(2, 6, false)]);
    let _ = passes.pass(70, 600);
    assert_eq!(
        passes.decisions().len(),
        2,
        "but after a minute it is news again"
    );
}

#[test]
fn switched_off_nothing_is_decided_and_the_numbers_go_on() {
    let mut passes = Passes::new(&json!({"mode": "Off"}));
    let _ = passes.pass(0, 600);
    let connector = passes.connector();
    assert_eq!((passes.replicas, connector.lag), (2, Some(600)));
    assert_eq!(connector.scaling_reason.as_deref(), Some("ScalingOff"));
    assert_eq!(passes.decisions(), []);
}

#[test]
fn a_block_that_cannot_be_used_holds_the_count_and_says_where() {
    let mut passes = Passes::new(&json!({"minReplicas": 5, "maxReplicas": 3}));
    passes.status.conditions = conditions();
    let _ = passes.pass(0, 600);
    assert_eq!((passes.replicas, passes.connector().lag), (2, Some(600)));
    let condition = &passes.status.conditions[0];
    assert_eq!(
        (condition.status.as_str(), condition.reason.as_str()),
        ("False", "InvalidSpec")
    );
    let place =
        "connector enrich: spec.connectors[enrich].autoscaling.minReplicas: minReplicas 5 exceeds";
    assert!(
        condition.message.starts_with(place),
        "{}",
        condition.message
    );
}

#[test]
fn a_metric_that_cannot_be_read_is_named_with_its_reason_and_the_rest_goes_on() {
    let mut passes = Passes::new(&json!({}));
    passes.status.conditions = conditions();
    passes.metric_gaps = vec![Unknown {
        class: crate::class::Class::Down,
        reason: Reason::MetricUnknown,
        message: "spec.connectors[enrich].autoscaling.metrics[q].prometheus: no answer".into(),
    }];
    let _ = passes.pass(0, 600);
    assert_eq!(passes.replicas, 6);
    let condition = &passes.status.conditions[0];
    assert_eq!(
        (condition.status.as_str(), condition.reason.as_str()),
        ("False", "MetricUnknown")
    );
    assert!(
        condition
            .message
            .ends_with("metrics[q].prometheus: no answer; nothing scales in by it"),
        "{}",
        condition.message
    );
}

/// The one condition that a sample changes, as it was before.
fn conditions() -> Vec<k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition> {
    let condition = json!([{"type": "ScalingActive", "status": "True", "reason": "Scaling",
        "message": "", "lastTransitionTime": "2026-01-05T09:00:00Z"}]);
    serde_json::from_value(condition).unwrap()
}

/// Zero pods: stopped by `spec.suspend`, where some are wanted, or scaled to zero, where none are.
#[test]
fn stopped_pods_wait_to_be_resumed_and_sleeping_ones_wake() {
    for (desired, replicas, reason) in [(2, 0, "Progressing"), (0, 6, "Scaling")] {
        let mut passes = Passes::new(&json!({"minReplicas": 0}));
        passes.replicas = 0;
        passes.status.connectors[0].desired_replicas = Some(desired);
        let _ = passes.pass(0, 600);
        assert_eq!(passes.replicas, replicas, "{desired} wanted");
        assert_eq!(passes.connector().scaling_reason.as_deref(), Some(reason));
    }
}

#[test]
fn idle_pods_go_to_zero_and_that_is_what_is_wanted_then() {
    let mut passes = Passes::new(&json!({"minReplicas": 0, "activation": {"idleFor": "10s"}}));
    for second in [0, 5, 10, 15] {
        let _ = passes.pass(second, 0);
    }
    assert_eq!(
        (passes.replicas, passes.connector().desired_replicas),
        (0, Some(0))
    );
    let _ = passes.pass(20, 600);
    assert_eq!(
        (passes.replicas, passes.connector().desired_replicas),
        (6, Some(6))
    );
}

/// A load that goes up and down by a fifth, looked at every five seconds for half an hour.
#[test]
fn an_active_connector_changes_the_structure_of_its_status_rarely() {
    let defaults = json!({
        "cooldown": {}, "behavior": {}, "warmup": "60s", "partitions": {"align": true},
    });
    let mut passes = Passes::new(&defaults);
    let (mut at_once, mut changes, mut seed) = (0, 0, 1_u64);
    for second in (0..1800).step_by(5) {
        let before = passes.status.clone();
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let noise = i64::try_from((seed >> 33) % 400).unwrap() - 200;
        changes += usize::from(passes.pass(second, 1000 + noise).is_some());
        at_once += usize::from(settle::structure(&before) != settle::structure(&passes.status));
    }
    assert!(
        changes > 0 && at_once <= changes + 4,
        "{at_once} writes, {changes} changes"
    );
}
