use super::*;
use crate::plan::{
    Decided, Numbers, connectors::part::ConnectorPart, tellings::tellings, topics::TopicPlan,
};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn topic(phase: TopicPhase, findings: Vec<Finding>) -> TopicPlan {
    let status = TopicStatus {
        name: "readings".into(),
        phase,
        ..TopicStatus::default()
    };
    TopicPlan {
        status,
        steps: Vec::new(),
        findings,
    }
}

fn looked(topics: Vec<TopicPlan>) -> PipelinePlan {
    let status = ConnectorStatus {
        name: "enrich".into(),
        ..ConnectorStatus::default()
    };
    let connectors = vec![ConnectorPart {
        status,
        ..ConnectorPart::default()
    }];
    let look = Look {
        topics,
        connectors,
        ..Look::default()
    };
    PipelinePlan {
        look: Some(look),
        cluster_id: Some("k".into()),
        ..PipelinePlan::default()
    }
}

fn condition<'a>(status: &'a IngestionPipelineStatus, kind: &str) -> Option<(&'a str, &'a str)> {
    let found = status.conditions.iter().find(|c| c.type_ == kind)?;
    Some((found.status.as_str(), found.reason.as_str()))
}

fn decided(from: i32, to: i32, acts: bool) -> Decided {
    Decided {
        deployment: "p-enrich".into(),
        from,
        to,
        acts,
        reclaims: false,
        reason: Reason::Scaling,
        active: "follows".into(),
        why: "lag".into(),
        decisions: Vec::new(),
        memory: crate::api::decisions::ScalingMemory::default(),
        shadow_replicas: None,
        shadow: Vec::new(),
    }
}

fn sampled(decided: Decided) -> PipelinePlan {
    let series = Numbers {
        lag: Some(12_345),
        ..Numbers::default()
    };
    let scaling = ScalingPlan {
        series,
        replicas: Some(1),
        ready: Some(1),
        decided: Some(decided),
        ..ScalingPlan::default()
    };
    PipelinePlan {
        scaling: BTreeMap::from([("enrich".to_owned(), scaling)]),
        autoscaled: BTreeMap::from([("enrich".to_owned(), (Reason::Scaling, String::new()))]),
        ..PipelinePlan::default()
    }
}

#[test]
fn all_as_declared_is_ready_and_nothing_more() {
    let plan = looked(vec![topic(TopicPhase::Ready, vec![])]);
    let next = status(&IngestionPipelineStatus::default(), &plan, &[], 3, at(10));
    assert_eq!(condition(&next, "Ready"), Some(("True", "AsDeclared")));
    assert_eq!(condition(&next, "Reconciling"), None);
    assert_eq!(condition(&next, "Stalled"), None);
    assert_eq!(
        (next.observed_generation, next.cluster_id.as_deref()),
        (3, Some("k"))
    );
    assert_eq!(next.summary.unwrap().topics, "1/1");
}

#[test]
fn what_needs_a_person_stalls_and_what_passes_reconciles() {
    let stalled = Finding::stalled(Reason::PartitionsCannotShrink, "x");
    let plan = looked(vec![topic(TopicPhase::Waiting, vec![stalled])]);
    let next = status(&IngestionPipelineStatus::default(), &plan, &[], 1, at(10));
    assert_eq!(
        condition(&next, "Ready"),
        Some(("False", "PartitionsCannotShrink"))
    );
    assert_eq!(
        condition(&next, "Stalled"),
        Some(("True", "PartitionsCannotShrink"))
    );
    let waiting = Finding::waiting(Reason::KafkaUnreachable, "x");
    let plan = looked(vec![topic(TopicPhase::Waiting, vec![waiting])]);
    let next = status(&IngestionPipelineStatus::default(), &plan, &[], 1, at(10));
    assert_eq!(
        condition(&next, "Reconciling"),
        Some(("True", "KafkaUnreachable"))
    );
}

#[test]
fn a_failed_step_shows_where_it_belongs_in_the_other_sides_words() {
    let failure = Failure {
        subject: Subject::Topic("readings".into()),
        class: Class::Invalid,
        reason: Reason::TopicRefused,
        message: "Replication factor: 3 larger than available brokers: 1.".into(),
    };
    let plan = looked(vec![topic(TopicPhase::Waiting, vec![])]);
    let next = status(
        &IngestionPipelineStatus::default(),
        &plan,
        &[failure],
        1,
        at(10),
    );
    assert_eq!(next.topics[0].reason.as_deref(), Some("TopicRefused"));
    assert!(next.topics[0].message.contains("available brokers"));
    assert_eq!(
        condition(&next, "TopicsReady"),
        Some(("False", "TopicRefused"))
    );
}

#[test]
fn a_sample_changes_numbers_and_leaves_the_other_conditions() {
    let ready = looked(vec![topic(TopicPhase::Ready, vec![])]);
    let first = status(&IngestionPipelineStatus::default(), &ready, &[], 1, at(10));
    let next = status(&first, &sampled(decided(1, 4, true)), &[], 2, at(20));
    assert_eq!(next.connectors[0].lag, Some(12_345));
    assert_eq!(next.connectors[0].desired_replicas, Some(4));
    assert_eq!(condition(&next, "Ready"), condition(&first, "Ready"));
    assert_eq!(condition(&next, "ScalingActive"), Some(("True", "Scaling")));
    assert_eq!(
        next.observed_generation, 1,
        "a sample has not looked at the new spec"
    );
}

#[test]
fn a_count_that_is_held_is_not_remembered_as_wanted() {
    let ready = looked(vec![topic(TopicPhase::Ready, vec![])]);
    let mut first = status(&IngestionPipelineStatus::default(), &ready, &[], 1, at(10));
    first.connectors[0].desired_replicas = Some(7);
    let next = status(&first, &sampled(decided(0, 0, false)), &[], 1, at(20));
    assert_eq!(next.connectors[0].desired_replicas, Some(7));
}

#[test]
fn a_look_keeps_what_only_samples_know() {
    let ready = looked(vec![topic(TopicPhase::Ready, vec![])]);
    let first = status(&IngestionPipelineStatus::default(), &ready, &[], 1, at(10));
    let sampled = status(&first, &sampled(decided(1, 1, true)), &[], 1, at(20));
    let again = status(&sampled, &ready, &[], 1, at(30));
    assert_eq!(again.connectors[0].lag, Some(12_345));
}

#[test]
fn suspension_keeps_the_last_truth_of_ready() {
    let ready = looked(vec![topic(TopicPhase::Ready, vec![])]);
    let first = status(&IngestionPipelineStatus::default(), &ready, &[], 1, at(10));
    let suspended = PipelinePlan {
        suspended: true,
        ..looked(vec![topic(TopicPhase::Ready, vec![])])
    };
    let next = status(&first, &suspended, &[], 2, at(20));
    assert_eq!(condition(&next, "Ready"), Some(("True", "Suspended")));
    assert_eq!(condition(&next, "Suspended"), Some(("True", "Suspended")));
    assert_eq!(
        condition(&next, "ScalingActive"),
        Some(("False", "Suspended"))
    );
}

#[test]
fn a_change_of_the_count_is_told_once_and_a_failed_one_is_not() {
    let (last, plan) = (
        IngestionPipelineStatus::default(),
        sampled(decided(1, 4, true)),
    );
    let told = tellings(&last, &last, &plan, &[]);
    assert_eq!(
        told.iter().map(|t| t.reason).collect::<Vec<_>>(),
        [Reason::ScaledOut]
    );
    let failure = Failure {
        subject: Subject::Connector("enrich".into()),
        class: Class::Down,
        reason: Reason::ApplyFailed,
        message: String::new(),
    };
    assert_eq!(tellings(&last, &last, &plan, &[failure]), []);
}

#[test]
fn transitions_are_told_and_repetitions_are_not() {
    let refused = Finding::stalled(Reason::TopicExists, "x");
    let wrong = looked(vec![topic(TopicPhase::Waiting, vec![refused])]);
    let first = IngestionPipelineStatus::default();
    let second = status(&first, &wrong, &[], 1, at(10));
    let told = tellings(&first, &second, &wrong, &[]);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].warning && told[0].reason == Reason::TopicExists);
    assert_eq!(tellings(&second, &second, &wrong, &[]), []);
}
