use super::*;
use crate::{
    api::{
        IngestionPipelineSpec, IngestionPipelineStatus,
        connectors::ConnectWorkers,
        topics::{Topic, TopicStatus},
    },
    class::Class,
    plan::{Identity, Settings, connectors::connect::restarts::Restarts},
};

struct Fixture {
    spec: IngestionPipelineSpec,
    last: IngestionPipelineStatus,
    annotations: BTreeMap<String, String>,
    settings: Settings,
    restarts: BTreeMap<String, Restarts>,
}

/// One topic to delete, one to keep, and Connect workers whose topics stay.
fn fixture() -> Fixture {
    let topic = |name: &str, deletion_policy| Topic {
        name: name.into(),
        deletion_policy,
        ..Topic::default()
    };
    let recorded = TopicStatus {
        name: "gone".into(),
        id: Some("a".into()),
        ..TopicStatus::default()
    };
    Fixture {
        spec: IngestionPipelineSpec {
            topics: vec![
                topic("gone", DeletionPolicy::Delete),
                topic("kept", DeletionPolicy::Retain),
            ],
            connect: Some(ConnectWorkers::default()),
            ..IngestionPipelineSpec::default()
        },
        last: IngestionPipelineStatus {
            topics: vec![recorded],
            ..Default::default()
        },
        annotations: BTreeMap::new(),
        settings: Settings {
            connect_image: "kafka".into(),
            cluster_name: None,
            operator_namespace: "sluice".into(),
            deletion_deadline: Duration::from_secs(300),
            status_interval: Duration::from_secs(30),
            prometheus_servers: Vec::new(),
        },
        restarts: BTreeMap::new(),
    }
}

impl Fixture {
    fn subject(&self) -> Subject<'_> {
        Subject {
            pipeline: Identity {
                namespace: "plant",
                name: "p",
                uid: "u",
            },
            spec: &self.spec,
            last: &self.last,
            annotations: &self.annotations,
            settings: &self.settings,
            restarts: &self.restarts,
            now: Timestamp::UNIX_EPOCH,
        }
    }

    fn plan(&self, seen: &DeletionSeen, after: i64) -> DeletionPlan {
        let at = |second| Timestamp::from_second(second).unwrap();
        deletion(self.subject(), seen, at(1000), at(1000 + after))
    }
}

fn seen(name: &str, id: Option<&str>, claim: ClaimSeen) -> DeletionSeen {
    let topic = id.map(|id| TopicSeen {
        id: id.into(),
        ..TopicSeen::default()
    });
    let view = TopicView {
        topic: Known::Value(topic),
        claim: Known::Value(claim),
    };
    DeletionSeen {
        topics: BTreeMap::from([(name.into(), view)]),
        workers: Known::Value(false),
    }
}

fn unreachable() -> DeletionSeen {
    let unknown = Unknown {
        class: Class::Down,
        reason: Reason::KafkaUnreachable,
        message: "no broker".into(),
    };
    let view = TopicView {
        topic: Known::Unknown(unknown),
        claim: Known::Value(ClaimSeen::Ours),
    };
    DeletionSeen {
        topics: BTreeMap::from([("gone".into(), view)]),
        workers: Known::Value(false),
    }
}

#[test]
fn only_what_asks_for_it_is_deleted() {
    let fixture = fixture();
    assert_eq!(
        topics(fixture.subject()).into_keys().collect::<Vec<_>>(),
        ["gone"]
    );
    let plan = fixture.plan(&seen("gone", Some("a"), ClaimSeen::Ours), 0);
    assert_eq!(
        (plan.topics.as_slice(), plan.done),
        (&["gone".to_owned()][..], false)
    );
}

#[test]
fn it_is_over_once_kafka_no_longer_has_the_topic() {
    let plan = fixture().plan(&seen("gone", None, ClaimSeen::Ours), 0);
    assert!(plan.done && plan.left_behind.is_empty());
}

#[test]
fn a_topic_of_another_id_or_holder_is_left_behind_and_said() {
    for seen in [
        seen("gone", Some("b"), ClaimSeen::Ours),
        seen("gone", Some("a"), ClaimSeen::Free),
    ] {
        let plan = fixture().plan(&seen, 0);
        assert!(plan.done && plan.topics.is_empty());
        assert_eq!(plan.left_behind, ["gone"]);
    }
}

#[test]
fn an_unreachable_kafka_holds_the_deletion_only_until_the_deadline() {
    let waiting = fixture().plan(&unreachable(), 299);
    assert!(!waiting.done);
    assert_eq!(
        waiting.waiting.map(|f| f.reason),
        Some(Reason::KafkaUnreachable)
    );
    let over = fixture().plan(&unreachable(), 300);
    assert!(over.done);
    assert_eq!(over.left_behind, ["gone"]);
}

#[test]
fn internal_topics_go_only_after_the_workers_that_would_make_them_again() {
    let mut fixture = fixture();
    fixture.spec.topics.clear();
    fixture.spec.connect = Some(ConnectWorkers {
        deletion_policy: DeletionPolicy::Delete,
        ..Default::default()
    });
    let name = topics(fixture.subject()).into_keys().next().unwrap();
    let mut seen = seen(&name, Some("x"), ClaimSeen::Ours);
    for other in topics(fixture.subject()).into_keys().skip(1) {
        let view = TopicView {
            topic: Known::Value(None),
            claim: Known::Value(ClaimSeen::Ours),
        };
        seen.topics.insert(other, view);
    }
    seen.workers = Known::Value(true);
    let first = fixture.plan(&seen, 0);
    assert!(first.stop_workers && first.topics.is_empty() && !first.done);
    seen.workers = Known::Value(false);
    assert_eq!(fixture.plan(&seen, 0).topics, [name]);
}
