use super::*;
use crate::{api::topics::DeletionPolicy, class::Class, plan::Unknown};

fn declared() -> Topic {
    Topic {
        name: "readings".into(),
        partitions: Some(12),
        replication_factor: Some(3),
        min_in_sync_replicas: Some(2),
        config: BTreeMap::from([("retention.ms".into(), "86400000".into())]),
        ..Topic::default()
    }
}

fn set(value: &str) -> ConfigSeen {
    ConfigSeen {
        value: Some(value.into()),
        default: false,
    }
}

/// The topic as a broker shows it once it is exactly as declared.
fn live() -> TopicSeen {
    TopicSeen {
        id: "abc".into(),
        partitions: 12,
        replication_factor: Some(3),
        under_replicated: 0,
        config: BTreeMap::from([
            ("retention.ms".into(), set("86400000")),
            (MIN_IN_SYNC.into(), set("2")),
            (
                "cleanup.policy".into(),
                ConfigSeen {
                    value: Some("delete".into()),
                    default: true,
                },
            ),
        ]),
    }
}

fn view(topic: Option<TopicSeen>, claim: ClaimSeen) -> TopicView {
    TopicView {
        topic: Known::Value(topic),
        claim: Known::Value(claim),
    }
}

fn reasons(plan: &TopicPlan) -> Vec<Reason> {
    plan.findings.iter().map(|f| f.reason).collect()
}

/// What Kafka and the claims look like after the steps.
fn applied(spec: &Topic, view: &TopicView, steps: &[TopicStep]) -> TopicView {
    let mut topic = view.topic.value().cloned().flatten();
    let mut claim = view.claim.value().cloned().unwrap_or(ClaimSeen::Free);
    for step in steps {
        match (step, &mut topic) {
            (TopicStep::Claim, _) => claim = ClaimSeen::Ours,
            (TopicStep::Create(created), _) => {
                assert_eq!(**created, *spec);
                let config = declared_config(spec).into_iter();
                topic = Some(TopicSeen {
                    id: "new".into(),
                    partitions: spec.partitions.unwrap_or(1),
                    replication_factor: Some(spec.replication_factor.unwrap_or(1)),
                    under_replicated: 0,
                    config: config.map(|(key, value)| (key, set(&value))).collect(),
                });
            }
            (TopicStep::Grow(to), Some(topic)) => topic.partitions = *to,
            (TopicStep::Configure(changes), Some(topic)) => {
                for (key, change) in changes {
                    let seen = change.as_deref().map_or(
                        ConfigSeen {
                            value: None,
                            default: true,
                        },
                        set,
                    );
                    topic.config.insert(key.clone(), seen);
                }
            }
            (TopicStep::Delete { .. }, _) => topic = None,
            (TopicStep::Release, _) => claim = ClaimSeen::Free,
            (step, None) => panic!("{step:?} without a topic"),
        }
    }
    TopicView {
        topic: Known::Value(topic),
        claim: Known::Value(claim),
    }
}

#[test]
fn a_missing_topic_is_claimed_then_created() {
    let plan = topic(&declared(), &view(None, ClaimSeen::Free), None);
    assert_eq!(
        plan.steps,
        [TopicStep::Claim, TopicStep::Create(Box::new(declared()))]
    );
    assert_eq!(plan.status.phase, TopicPhase::Waiting);
}

#[test]
fn a_crash_between_claim_and_creation_is_made_up_for() {
    let plan = topic(&declared(), &view(None, ClaimSeen::Ours), None);
    assert_eq!(plan.steps, [TopicStep::Create(Box::new(declared()))]);
}

#[test]
fn a_topic_as_declared_is_ready_and_shown_as_observed() {
    let plan = topic(&declared(), &view(Some(live()), ClaimSeen::Ours), None);
    assert_eq!((plan.steps.len(), plan.findings.len()), (0, 0));
    assert_eq!(plan.status.phase, TopicPhase::Ready);
    assert_eq!(plan.status.min_in_sync_replicas, Some(2));
    assert_eq!(plan.status.deletion_policy, DeletionPolicy::Retain);
}

#[test]
fn growth_and_configuration_are_absolute() {
    let spec = Topic {
        partitions: Some(24),
        ..declared()
    };
    let mut seen = live();
    seen.config.insert("retention.ms".into(), set("1"));
    seen.config.insert("segment.ms".into(), set("7"));
    let plan = topic(&spec, &view(Some(seen), ClaimSeen::Ours), None);
    let changes = BTreeMap::from([("retention.ms".to_owned(), Some("86400000".to_owned()))]);
    assert_eq!(
        plan.steps,
        [TopicStep::Grow(24), TopicStep::Configure(changes)]
    );
}

#[test]
fn only_an_exclusive_topic_gives_foreign_keys_back() {
    let mut seen = live();
    seen.config.insert("segment.ms".into(), set("7"));
    let spec = Topic {
        config_policy: ConfigPolicy::Exclusive,
        ..declared()
    };
    let plan = topic(&spec, &view(Some(seen), ClaimSeen::Ours), None);
    let changes = BTreeMap::from([("segment.ms".to_owned(), None)]);
    assert_eq!(plan.steps, [TopicStep::Configure(changes)]);
}

#[test]
fn another_spelling_of_a_value_is_not_drift() {
    for (live, declared) in [
        ("true", "TRUE"),
        ("a,b", "a, b"),
        ("0.5", "0.50"),
        ("1000", " 1000"),
    ] {
        assert!(same_value(live, declared), "{live} and {declared}");
    }
    for (live, declared) in [("delete", "compact"), ("1", "2"), ("a,b", "b,a")] {
        assert!(!same_value(live, declared), "{live} and {declared}");
    }
}

#[test]
fn what_kafka_cannot_do_is_refused_as_a_whole() {
    let cases = [
        (
            Topic {
                partitions: Some(6),
                ..declared()
            },
            Reason::PartitionsCannotShrink,
        ),
        (
            Topic {
                replication_factor: Some(2),
                ..declared()
            },
            Reason::ReplicationFactorDiffers,
        ),
    ];
    for (mut spec, reason) in cases {
        spec.config.insert("retention.ms".into(), "5".into());
        let plan = topic(&spec, &view(Some(live()), ClaimSeen::Ours), None);
        assert_eq!((plan.steps.len(), reasons(&plan)), (0, vec![reason]));
        assert_eq!(plan.status.reason.as_deref(), Some(reason.as_str()));
    }
}

#[test]
fn an_existing_topic_is_taken_over_by_its_adoption_rule() {
    let other = TopicSeen {
        partitions: 6,
        ..live()
    };
    let cases = [
        (Adopt::Never, live(), None),
        (Adopt::IfEqual, live(), Some(1)),
        (Adopt::IfEqual, other.clone(), None),
        (Adopt::Always, other, Some(2)),
    ];
    for (adopt, seen, steps) in cases {
        let spec = Topic {
            adopt,
            ..declared()
        };
        let plan = topic(&spec, &view(Some(seen), ClaimSeen::Free), None);
        match steps {
            Some(count) => assert_eq!((plan.steps.len(), reasons(&plan)), (count, vec![])),
            None => assert_eq!(
                (plan.steps.len(), reasons(&plan)),
                (0, vec![Reason::TopicExists])
            ),
        }
    }
}

#[test]
fn an_adoption_that_cannot_succeed_does_not_claim() {
    let spec = Topic {
        adopt: Adopt::Always,
        partitions: Some(6),
        ..declared()
    };
    let plan = topic(&spec, &view(Some(live()), ClaimSeen::Free), None);
    assert_eq!(
        (plan.steps.len(), reasons(&plan)),
        (0, vec![Reason::PartitionsCannotShrink])
    );
}

#[test]
fn a_topic_of_another_pipeline_is_left_alone() {
    let holder = Holder {
        namespace: "a".into(),
        name: "p".into(),
    };
    let plan = topic(
        &declared(),
        &view(Some(live()), ClaimSeen::HeldBy(holder)),
        None,
    );
    assert_eq!(
        (plan.steps.len(), reasons(&plan)),
        (0, vec![Reason::Claimed])
    );
    assert!(plan.status.message.contains("a/p"));
}

#[test]
fn an_observed_topic_is_only_read() {
    let spec = Topic {
        name: "theirs".into(),
        management: Management::Observed,
        ..Topic::default()
    };
    let missing = topic(&spec, &view(None, ClaimSeen::Free), None);
    assert_eq!(
        (missing.steps.len(), reasons(&missing)),
        (0, vec![Reason::TopicMissing])
    );
    let there = topic(&spec, &view(Some(live()), ClaimSeen::Free), None);
    assert_eq!(
        (there.steps.len(), there.status.phase),
        (0, TopicPhase::Ready)
    );
}

#[test]
fn an_unreadable_topic_keeps_its_last_observation() {
    let unknown = Unknown {
        class: Class::Down,
        reason: Reason::KafkaUnreachable,
        message: "no broker".into(),
    };
    let view = TopicView {
        topic: Known::Unknown(unknown),
        claim: Known::Value(ClaimSeen::Ours),
    };
    let last = TopicStatus {
        partitions: Some(12),
        id: Some("abc".into()),
        ..TopicStatus::default()
    };
    let plan = topic(&declared(), &view, Some(&last));
    assert_eq!((plan.steps.len(), plan.status.partitions), (0, Some(12)));
    assert_eq!(plan.status.reason.as_deref(), Some("KafkaUnreachable"));
}

#[test]
fn a_topic_made_again_by_somebody_is_said_and_kept() {
    let last = TopicStatus {
        id: Some("old".into()),
        ..TopicStatus::default()
    };
    let plan = topic(
        &declared(),
        &view(Some(live()), ClaimSeen::Ours),
        Some(&last),
    );
    assert_eq!(
        (plan.status.phase, reasons(&plan)),
        (TopicPhase::Ready, vec![Reason::TopicRecreated])
    );
}

#[test]
fn a_removed_topic_is_released_once_and_never_deleted() {
    let last = TopicStatus {
        name: "old".into(),
        ..TopicStatus::default()
    };
    let plan = released(&last, &Known::Value(ClaimSeen::Ours)).unwrap();
    assert_eq!(plan.steps, [TopicStep::Release]);
    assert_eq!(plan.status.phase, TopicPhase::Releasing);
    assert_eq!(released(&last, &Known::Value(ClaimSeen::Free)), None);
}

#[test]
fn a_requested_deletion_needs_the_very_id_and_no_other_holder() {
    let holder = ClaimSeen::HeldBy(Holder {
        namespace: "a".into(),
        name: "p".into(),
    });
    let delete = |id, claim| deleted_by_request(id, &view(Some(live()), claim)).len();
    assert_eq!(delete("abc", ClaimSeen::Free), 1);
    assert_eq!(delete("other", ClaimSeen::Free), 0);
    assert_eq!(delete("abc", holder), 0);
    assert_eq!(delete_request("readings@abc"), Some(("readings", "abc")));
    assert_eq!(delete_request("readings"), None);
}

mod properties {
    use proptest::prelude::*;

    use super::*;

    fn any_spec() -> impl Strategy<Value = Topic> {
        let adopt = prop_oneof![
            Just(Adopt::Never),
            Just(Adopt::IfEqual),
            Just(Adopt::Always)
        ];
        let policy = prop_oneof![Just(ConfigPolicy::Declared), Just(ConfigPolicy::Exclusive)];
        let config = proptest::collection::btree_map("[a-c]", "[0-3]", 0..3);
        (1..5i32, 1..4i16, adopt, policy, config).prop_map(
            |(partitions, factor, adopt, config_policy, config)| Topic {
                partitions: Some(partitions),
                replication_factor: Some(factor),
                min_in_sync_replicas: Some(1),
                adopt,
                config_policy,
                config,
                ..declared()
            },
        )
    }

    fn any_view() -> impl Strategy<Value = TopicView> {
        let holder = Holder {
            namespace: "a".into(),
            name: "p".into(),
        };
        let claim = prop_oneof![
            Just(ClaimSeen::Free),
            Just(ClaimSeen::Ours),
            Just(ClaimSeen::HeldBy(holder))
        ];
        let config = proptest::collection::btree_map("[a-c]", "[0-3]".prop_map(|v| set(&v)), 0..3);
        let topic = (1..5i32, 1..4i16, config).prop_map(|(partitions, factor, config)| TopicSeen {
            partitions,
            replication_factor: Some(factor),
            config,
            ..live()
        });
        (proptest::option::of(topic), claim).prop_map(|(topic, claim)| view(topic, claim))
    }

    proptest! {
        /// Whatever is planned, carrying it out leaves nothing more to do.
        #[test]
        fn converges(spec in any_spec(), seen in any_view()) {
            let first = topic(&spec, &seen, None);
            let second = topic(&spec, &applied(&spec, &seen, &first.steps), None);
            prop_assert_eq!(&second.steps, &[]);
            let refused = first.findings.iter().any(|f| f.severity == Severity::Stalled);
            prop_assert_eq!(second.status.phase == TopicPhase::Ready, !refused);
        }

        /// A crash after any step is made up for by planning again.
        #[test]
        fn survives_a_crash_after_any_step(spec in any_spec(), seen in any_view(), cut in 0..4usize) {
            let first = topic(&spec, &seen, None);
            let kept = &first.steps[..cut.min(first.steps.len())];
            let half = applied(&spec, &seen, kept);
            let again = topic(&spec, &half, None);
            let whole = applied(&spec, &half, &again.steps);
            prop_assert_eq!(&topic(&spec, &whole, None).steps, &[]);
        }

        /// A refused topic is not touched.
        #[test]
        fn a_refusal_has_no_steps(spec in any_spec(), seen in any_view()) {
            let plan = topic(&spec, &seen, None);
            let refused = plan.findings.iter().any(|f| f.severity == Severity::Stalled);
            prop_assert!(!refused || plan.steps.is_empty());
        }
    }
}
