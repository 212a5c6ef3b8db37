//! What more pods cannot help, and what cannot wait: partitions that are stuck or hot, scale-outs
//! without effect, records about to expire, advice on partitions, the cost of a rebalance.

use super::*;
use crate::api::common::Reason;

/// A group as it looks every ten seconds: each partition's end and commit move by these rates, in
/// records per second.
struct Moving {
    offsets: Vec<(i64, i64)>,
    seconds: i64,
    scaler: Scaler,
    spec: Autoscaling,
}

impl Moving {
    fn new(spec: &Autoscaling, partitions: usize) -> Self {
        Self {
            offsets: vec![(0, 0); partitions],
            seconds: 0,
            scaler: Scaler::default(),
            spec: spec.clone(),
        }
    }

    /// Ten seconds later: by these rates of what arrives and what is committed.
    fn look(&mut self, replicas: i32, rates: &[(i64, i64)]) -> Observation {
        self.seconds += 10;
        for ((committed, end), (arrive, commit)) in self.offsets.iter_mut().zip(rates) {
            *end += 10 * arrive;
            *committed = (*committed + 10 * commit).min(*end);
        }
        look(self.seconds, replicas, &self.offsets)
    }

    fn decide(&mut self, observation: &Observation) -> Decision {
        decide(
            &self.spec,
            OffsetReset::Earliest,
            &mut self.scaler,
            observation,
        )
    }

    /// So many looks with the same count and rates; the last decision.
    fn run(&mut self, looks: usize, replicas: i32, rates: &[(i64, i64)]) -> Decision {
        let decisions: Vec<_> = (0..looks)
            .map(|_| {
                let observation = self.look(replicas, rates);
                self.decide(&observation)
            })
            .collect();
        decisions.into_iter().next_back().unwrap()
    }
}

fn keep_up() -> Autoscaling {
    with(
        &neutral(&time_lag_policy(30.0)),
        &json!({"partitions": {"align": true, "allowIdle": false}}),
    )
}

#[test]
fn a_stuck_partition_is_named_and_not_scaled_for() {
    let mut group = Moving::new(&neutral(&lag_policy(100.0)), 4);
    let rates = [(10, 10), (10, 10), (10, 0), (10, 10)];
    // How often the group commits is not known yet: five minutes without progress are needed.
    let decision = group.run(32, 1, &rates);
    assert_eq!(decision.active.reason, Reason::StuckPartitions);
    let message = &decision.active.message;
    assert!(message.contains("partition 2 of topic t"), "{message}");
    // 3,200 records wait in it, and it is still shown.
    assert_eq!((decision.to, decision.series.lag), (1, Some(3200)));
    // One commit, and it counts again.
    let decision = group.run(1, 1, &[(10, 10), (10, 10), (10, 20), (10, 10)]);
    assert_ne!(decision.active.reason, Reason::StuckPartitions);
    assert_eq!(decision.to, 31);
}

#[test]
fn two_looks_without_progress_are_not_stuck_yet() {
    let mut group = Moving::new(&neutral(&lag_policy(100.0)), 1);
    group.run(6, 1, &[(10, 10)]);
    let decision = group.run(2, 1, &[(10, 0)]);
    assert_ne!(decision.active.reason, Reason::StuckPartitions);
    assert_eq!(decision.to, 2);
}

#[test]
fn a_hot_partition_is_named_and_not_scaled_for() {
    let mut group = Moving::new(&keep_up(), 4);
    // A pod does 100 a second: all four are busy until that is known.
    group.run(12, 4, &[(150, 100); 4]);
    // Three are caught up at once; one gets twice what a pod can do.
    group.offsets[1..]
        .iter_mut()
        .for_each(|(commit, end)| *commit = *end);
    let decision = group.run(20, 4, &[(200, 100), (10, 10), (10, 10), (10, 10)]);
    assert_eq!(
        decision.active.reason,
        Reason::HotPartition,
        "{}",
        decision.why
    );
    let message = &decision.active.message;
    assert!(message.contains("partition 0 of topic t"), "{message}");
    assert!(decision.to <= 4);
}

#[test]
fn even_load_beyond_all_partitions_is_no_hot_partition_and_gets_advice() {
    let mut group = Moving::new(&keep_up(), 4);
    let decision = group.run(20, 4, &[(150, 100); 4]);
    assert_eq!(decision.active.reason, Reason::PartitionLimited);
    // 600 a second at 85 % of 100 a pod need 8, twice the 4 that there are.
    let message = &decision.active.message;
    assert!(message.contains("needs 8 partitions"), "{message}");
    assert!(message.contains("order"), "{message}");
}

#[test]
fn a_scale_out_without_effect_is_noticed_and_held_for_half_an_hour() {
    let mut group = Moving::new(&keep_up(), 12);
    // Twelve partitions, 20 a second committed from each, whatever the count: a lock, or a sink.
    let rates = [(100, 20); 12];
    let first = group.run(12, 2, &rates);
    assert!(first.to > 2, "{}", first.why);
    let second = group.run(12, first.to, &rates);
    assert_eq!(second.to, first.to, "{}", second.why);
    assert_eq!(
        second.active.reason,
        Reason::ScaleOutIneffective,
        "{}",
        second.why
    );
    // A restart does not forget it; new pods do.
    let mut restored = Moving::new(&group.spec, 12);
    (restored.offsets, restored.seconds) = (group.offsets.clone(), group.seconds);
    restored.scaler = Scaler::restore(Some(&group.scaler.memory()));
    let held = restored.run(6, first.to, &rates);
    assert_eq!(
        (held.to, held.active.reason),
        (first.to, Reason::ScaleOutIneffective)
    );
    let mut observation = group.look(first.to, &rates);
    observation.revision = Some("new".to_owned());
    assert_ne!(
        group.decide(&observation).active.reason,
        Reason::ScaleOutIneffective
    );
    // And so does half an hour.
    let later = restored.run(181, first.to, &rates);
    assert_ne!(later.active.reason, Reason::ScaleOutIneffective);
}

#[test]
fn records_about_to_expire_pass_every_window_and_cooldown_and_stop_at_the_maximum() {
    let spec = with(
        &keep_up(),
        &json!({
            "maxReplicas": 6, "cooldown": {"scaleOut": "1h"}, "warmup": "1h",
            "behavior": {"scaleOut": {"stabilizationWindow": "1h"}},
        }),
    );
    let mut group = Moving::new(&spec, 12);
    let rates = [(100, 20); 12];
    let expiring = |group: &mut Moving, retention: i64| {
        let mut observation = group.look(2, &rates);
        observation.retention_seconds = BTreeMap::from([("t".to_owned(), retention)]);
        group.decide(&observation)
    };
    for _ in 0..20 {
        assert_eq!(expiring(&mut group, 86_400).to, 2);
    }
    let decision = expiring(&mut group, 400);
    assert_eq!(decision.to, 6, "{}", decision.why);
    assert_eq!(decision.active.reason, Reason::RetentionAtRisk);
    assert!(
        decision.why.contains("loses unread records"),
        "{}",
        decision.why
    );
}

#[test]
fn a_change_that_gains_less_than_its_standstill_is_not_made() {
    let mut group = Moving::new(&keep_up(), 12);
    // A pod does 100 a second; rebalances take two and a half minutes.
    group.run(12, 6, &[(100, 50); 12]);
    group
        .offsets
        .iter_mut()
        .for_each(|(commit, end)| *commit = *end);
    let rates = [(25, 25); 12];
    let mut rebalancing = group.look(6, &rates);
    rebalancing.group = GroupState::PreparingRebalance;
    group.decide(&rebalancing);
    group.seconds += 150;
    let spared = group.run(40, 6, &rates);
    // 300 a second need 4 pods: 2 saved for ten minutes are more than 6 idle for 160 s.
    assert_eq!(spared.to, 4, "{}", spared.why);
    let mut dear = group.scaler.clone();
    dear.memory.gate.rebalance_seconds = Some(250.0);
    let observation = group.look(6, &rates);
    let held = decide(&group.spec, OffsetReset::Earliest, &mut dear, &observation);
    assert_eq!(
        (held.to, held.by.as_str()),
        (6, "rebalance gate"),
        "{}",
        held.why
    );
}

#[test]
fn a_forecast_lifts_the_count_a_day_later_and_never_beyond_the_maximum() {
    let policies = json!([
        {"name": "behind", "targetTracking": {"metric": "timeLag", "target": 30}},
        {"name": "daily", "predictive": {"mode": "ForecastAndScale", "lookAhead": "10m"}},
    ]);
    let spec = with(
        &neutral(&policies),
        &json!({"interval": "60s", "maxReplicas": 5}),
    );
    let mut scaler = Scaler::default();
    // 100 a second by night, 500 from 8:00 to 10:00 UTC; the pods do 100 each.
    let rate = |hour: i64| {
        if (8..10).contains(&hour) {
            500.0
        } else {
            100.0
        }
    };
    let mut decide_at = |minute: i64| {
        let hour = (10 + minute / 60) % 24;
        let observation = Observation {
            metrics: BTreeMap::from([
                ("lag".to_owned(), Some(200.0)),
                ("timeLag".to_owned(), Some(2.0)),
                ("arrivalRate".to_owned(), Some(rate(hour))),
                ("consumeRate".to_owned(), Some(100.0 * 2.0)),
            ]),
            partitions: Vec::new(),
            partition_counts: BTreeMap::from([("t".to_owned(), 12)]),
            ..look(60 * minute, 2, &[])
        };
        decide(&spec, OffsetReset::Earliest, &mut scaler, &observation)
    };
    let wish = |decision: &Decision| {
        let stage = decision.stages.iter().find(|s| s.name == "policy/daily");
        stage.map(|s| (s.output, s.reason.clone())).unwrap()
    };
    // From 10:00 to 10:00: nothing is known of any hour, then all of them.
    for minute in 0..24 * 60 {
        let (count, reason) = wish(&decide_at(minute));
        assert_eq!(count, 2, "{reason}");
    }
    // 7:45 of the next day: the hour of 8:00 is more than ten minutes away.
    let quiet = (24 - 3) * 60 + 45;
    let decisions: Vec<_> = (24 * 60..24 * 60 + quiet + 10)
        .map(&mut decide_at)
        .collect();
    let at = |minute: i64| &decisions[usize::try_from(minute).unwrap()];
    assert_eq!(wish(at(quiet)).0, 2, "{}", wish(at(quiet)).1);
    // 7:51: it is less, and 500 a second at 85 % of 100 a pod need 6, of which 5 are allowed.
    assert_eq!(wish(at(quiet + 6)).0, 6, "{}", wish(at(quiet + 6)).1);
    assert_eq!(at(quiet + 6).to, 5, "{}", at(quiet + 6).why);
}
