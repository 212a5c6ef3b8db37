//! The model of a consumer group beside a real one: the demo's load as it was recorded on a cluster,
//! and what a closed loop makes of the same arrivals.

use jiff::Timestamp;
use sluice::{
    api::IngestionPipeline,
    sim::{Subject, closed_loop::Run, group::Arrivals, group::Model, trace},
};

/// A moment, the pods asked for, the records produced by then, and those of them not read.
type Seen = (Timestamp, i32, i64, i64);

/// What was recorded, and how many pods there were when nothing had been seen yet.
fn recorded() -> Vec<Seen> {
    let text = include_str!("../../docs/simulation/demo/observations.jsonl");
    let looks = trace::looks(text).unwrap();
    let seen = looks.into_iter().map(|look| {
        let partitions = look.partitions.unwrap();
        let end: i64 = partitions.iter().map(|p| p.end.unwrap()).sum();
        let read: i64 = partitions.iter().map(|p| p.committed.unwrap_or(0)).sum();
        (look.at, look.replicas.unwrap(), end, end - read)
    });
    seen.collect()
}

/// What arrived between two looks, as records per second.
#[expect(clippy::cast_precision_loss, reason = "some thousand records")]
fn arrivals(seen: &[Seen]) -> Vec<trace::Rate> {
    let rate = |at, arrivals| trace::Rate {
        at,
        arrivals: Arrivals::Even(arrivals),
    };
    let between = seen.windows(2).map(|pair| {
        let seconds = pair[1].0.duration_since(pair[0].0).as_secs_f64();
        rate(pair[0].0, (pair[1].2 - pair[0].2) as f64 / seconds)
    });
    let end = rate(seen.last().unwrap().0, 0.0);
    between.chain([end]).collect()
}

/// Within 15 % of the recorded peak of unread records, and one level of the most pods.
#[test]
#[expect(clippy::cast_precision_loss, reason = "some thousand records")]
fn the_closed_loop_is_near_the_recorded_demo() {
    let manifest = include_str!("../../manifests/elastic-consumer.yaml");
    let pipeline: IngestionPipeline = serde_yaml::from_str(manifest).unwrap();
    let subject = Subject::of(&pipeline.spec, "enrich").unwrap();
    let model: Model =
        serde_yaml::from_str(include_str!("../../docs/simulation/demo/model.yaml")).unwrap();
    let seen = recorded();
    let rates = arrivals(&seen);
    let steps: Vec<_> = Run::new(&subject, model, &rates, 5.0).collect();

    let lag = steps.iter().filter_map(|step| step.decision.series.lag);
    let (lag, real) = (lag.max().unwrap(), seen.iter().map(|s| s.3).max().unwrap());
    let off = (lag as f64 / real as f64 - 1.0).abs();
    assert!(off <= 0.15, "at most {lag} unread, and {real} really");

    let most = steps.iter().map(|step| step.decision.to).max().unwrap();
    let really = seen.iter().map(|s| s.1).max().unwrap();
    // The levels of 12 partitions, of which neighbours may be taken for each other.
    let level = |count: i32| {
        [1, 2, 3, 4, 6, 12]
            .iter()
            .position(|l| *l >= count)
            .unwrap()
    };
    let apart = level(most).abs_diff(level(really));
    assert!(apart <= 1, "at most {most} pods, and {really} really");
}
