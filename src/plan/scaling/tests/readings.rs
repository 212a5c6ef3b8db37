//! How offsets become series.

use super::*;

fn spec() -> Autoscaling {
    let mut spec = neutral(&lag_policy(10.0));
    spec.interval = crate::api::common::Duration::from_secs(5);
    spec
}

fn read(history: &mut History, observation: &Observation) -> Reading {
    series::read(manner(spec().interval), history, observation)
}

/// A group that begins at the first record, with warm pods whose rate is not known.
pub fn manner(interval: Duration) -> Manner {
    Manner {
        interval,
        reset: OffsetReset::Earliest,
        is_warm: true,
        per_replica: None,
    }
}

#[test]
fn lag_is_read_from_the_real_log() {
    let sample = |start, committed, end| PartitionSample {
        topic: "t".into(),
        start,
        committed,
        end,
        ..PartitionSample::default()
    };
    let lag = |sample: &PartitionSample, reset| standing(sample, reset).map(|s| s.lag);
    for (title, sample, earliest, latest) in [
        (
            "behind",
            sample(Some(0), Some(40), Some(100)),
            Some(60),
            Some(60),
        ),
        (
            "read to the end",
            sample(Some(0), Some(100), Some(100)),
            Some(0),
            Some(0),
        ),
        (
            "never committed",
            sample(Some(30), None, Some(100)),
            Some(70),
            Some(0),
        ),
        (
            "start unknown",
            sample(None, None, Some(100)),
            None,
            Some(0),
        ),
        (
            "truncated",
            sample(Some(80), Some(40), Some(100)),
            Some(20),
            Some(20),
        ),
        (
            "created again",
            sample(Some(0), Some(300), Some(100)),
            Some(100),
            Some(0),
        ),
        (
            "start beyond the end",
            sample(Some(120), Some(40), Some(100)),
            Some(0),
            Some(0),
        ),
        ("unreadable", sample(Some(0), Some(40), None), None, None),
    ] {
        assert_eq!(
            lag(&sample, OffsetReset::Earliest),
            earliest,
            "{title}, earliest"
        );
        assert_eq!(lag(&sample, OffsetReset::Latest), latest, "{title}, latest");
    }
}

#[test]
fn rates_take_three_intervals_and_are_unknown_before() {
    let mut history = History::default();
    for (seconds, committed, end, rates) in [
        (0, 0, 0, None),
        (5, 100, 150, None),
        (10, 200, 300, None),
        (15, 300, 450, Some((30.0, 20.0))),
        (20, 400, 1050, Some((60.0, 20.0))),
    ] {
        let series = read(&mut history, &look(seconds, 1, &[(committed, end)])).series;
        assert_eq!(
            series.arrival_rate.zip(series.consume_rate),
            rates,
            "{seconds} s"
        );
    }
}

/// A hole in the samples of a partition does not look like a surge when it closes.
#[test]
fn a_partition_that_comes_back_counts_with_its_last_interval() {
    let mut history = History::default();
    for seconds in [0, 5, 10, 15] {
        read(
            &mut history,
            &look(seconds, 1, &[(10 * seconds, 10 * seconds)]),
        );
    }
    for seconds in [20, 25, 30, 35] {
        let mut blind = look(seconds, 1, &[]);
        blind
            .partitions
            .push(PartitionSample::unreadable("t", 0, "timed out"));
        assert_eq!(read(&mut history, &blind).series, Series::default());
    }
    let series = read(&mut history, &look(40, 1, &[(400, 400)])).series;
    assert!(
        series.arrival_rate.is_some_and(|rate| rate <= 10.0),
        "{series:?}"
    );
}

#[test]
fn time_lag_is_interpolated_between_the_samples() {
    let mut history = History::default();
    for (seconds, committed, end, time_lag, or_more) in [
        (0, 0, 0, 0.0, false),
        (5, 0, 0, 0.0, false),
        (10, 0, 100, 5.0, false),
        (15, 0, 100, 10.0, false),
        (20, 50, 200, 12.5, false),
        (25, 100, 200, 10.0, false),
        (30, 200, 200, 0.0, false),
    ] {
        let series = read(&mut history, &look(seconds, 1, &[(committed, end)])).series;
        let expected = (Some(time_lag), or_more);
        assert_eq!(
            (series.time_lag, series.time_lag_or_more),
            expected,
            "{seconds} s"
        );
    }
}

#[test]
fn a_record_older_than_the_samples_is_looked_up_once() {
    let mut scaler = Scaler::default();
    let earliest = OffsetReset::Earliest;
    let mut first = look(0, 1, &[(40, 100)]);
    let wanted = unread_since_wanted(&scaler, earliest, &first);
    assert_eq!(wanted.len(), 1);
    assert_eq!((wanted[0].partition, wanted[0].offset), (0, 40));
    let decision = decide(&spec(), earliest, &mut scaler.clone(), &first);
    assert_eq!(decision.series.time_lag, Some(0.0));
    assert!(decision.series.time_lag_or_more);

    first.partitions[0].unread_since = Some(at(-600));
    let decision = decide(&spec(), earliest, &mut scaler, &first);
    assert_eq!(decision.series.time_lag, Some(600.0));
    let second = look(5, 1, &[(40, 120)]);
    assert!(unread_since_wanted(&scaler, earliest, &second).is_empty());
    let decision = decide(&spec(), earliest, &mut scaler, &second);
    assert_eq!(decision.series.time_lag, Some(605.0));
    let moved = look(10, 1, &[(50, 120)]);
    assert_eq!(unread_since_wanted(&scaler, earliest, &moved).len(), 1);
    let caught_up = look(10, 1, &[(110, 120)]);
    assert!(unread_since_wanted(&scaler, earliest, &caught_up).is_empty());
}

#[test]
fn a_lower_bound_forbids_scale_in_and_proves_being_behind() {
    let spec = neutral(&time_lag_policy(30.0));
    let mut observation = look(0, 4, &[(40, 100)]);
    observation.partitions[0].unread_since_or_earlier = true;
    for (since, expected) in [(-20, 4), (-31, 8)] {
        observation.partitions[0].unread_since = Some(at(since));
        let mut scaler = Scaler::default();
        let decision = decide(&spec, OffsetReset::Earliest, &mut scaler, &observation);
        assert_eq!(decision.to, expected, "{}", decision.why);
    }
}

/// What one pod can do is learnt only while all partitions wait, the pods are all there (but for
/// those that were just asked for) and commits move.
#[test]
fn capacity_is_learnt_only_while_saturated() {
    let learnt = |change: fn(&mut Observation, i64)| {
        let mut scaler = Scaler::default();
        for i in 0..12 {
            let mut observation = look(5 * i, 2, &[(250 * i, 5000 * i); 4]);
            change(&mut observation, i);
            let _ = decide(&spec(), OffsetReset::Earliest, &mut scaler, &observation);
        }
        let capacity = scaler.memory().capacity.filter(|c| c.samples > 0);
        capacity.map(|c| c.per_replica)
    };
    assert_eq!(learnt(|_, _| ()), Some(100.0));
    // Less than half of them wait: no pod need have been busy all the time.
    assert_eq!(
        learnt(|o, i| for p in &mut o.partitions[..3] {
            p.committed = Some(5000 * i);
        }),
        None
    );
    // Half of them wait, and some pod with them; it does no less than all pods were seen to do.
    assert_eq!(
        learnt(|o, i| for p in &mut o.partitions[..2] {
            (p.committed, p.end) = (Some(300 * i), Some(300 * i));
        }),
        Some(100.0)
    );
    assert_eq!(learnt(|o, _| o.ready = 1), None);
    assert_eq!(learnt(|o, _| o.group = GroupState::Reconciling), None);
    assert_eq!(learnt(|o, i| o.replicas = 2 + i32::from(i % 2 == 0)), None);
    assert_eq!(
        learnt(|o, _| o.partitions.push(PartitionSample::unreadable("t", 9, "no"))),
        None
    );
    assert_eq!(
        learnt(|o, i| for p in &mut o.partitions {
            p.committed = Some(5000 * i - 100);
        }),
        None
    );
    // All commits move at once, every 30 s: the backlog is what waits for them.
    assert_eq!(
        learnt(|o, i| for p in &mut o.partitions {
            (p.committed, p.end) = (Some(i / 6 * 300), Some(i * 50));
        }),
        None
    );
}

#[test]
fn an_observation_is_a_line_of_a_trace() {
    let line = r#"{"at":"2026-01-05T10:00:00Z","replicas":10,"ready":9,"partitions":[
        {"topic":"t","partition":0,"start":0,"committed":100,"end":150,"unreadSince":"2026-01-05T09:59:50Z"},
        {"topic":"t","partition":1,"committed":null,"end":7},
        {"topic":"t","partition":2,"error":"request timed out"}],"group":"Stable"}"#;
    let observation: Observation = serde_json::from_str(line).unwrap();
    assert_eq!(observation.partitions[0].unread_since, Some(at(-10)));
    assert_eq!(observation.partitions[1].committed, None);
    assert_eq!(observation.partitions[2].end, None);
    let unknown = line.replace("\"ready\"", "\"reddy\"");
    assert!(serde_json::from_str::<Observation>(&unknown).is_err());
}
