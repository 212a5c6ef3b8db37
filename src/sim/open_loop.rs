//! The open loop: one decision for each observation of a trace. What was decided changes nothing of
//! what is seen next, except the count where the trace leaves it out.

use super::{Step, Subject, trace::Look};
use crate::plan::scaling::{self, Observation, Scaler};

/// Decides once for each look, in order.
pub fn run<'a>(subject: &'a Subject<'_>, looks: &'a [Look]) -> impl Iterator<Item = Step> {
    let mut scaler = Scaler::default();
    let mut replicas = 0;
    let step = move |look: &Look| {
        let observation = observation(subject, look, replicas);
        let decision = scaling::decide(
            subject.spec,
            subject.offset_reset,
            &mut scaler,
            &observation,
        );
        replicas = decision.to;
        Step {
            ready: observation.ready,
            arrivals: None,
            decision,
        }
    };
    looks.iter().map(step)
}

/// What the autoscaler sees; `replicas` is what the last decision made it.
fn observation(subject: &Subject<'_>, look: &Look, replicas: i32) -> Observation {
    let replicas = look.replicas.unwrap_or(replicas);
    let counts = match &look.partitions {
        Some(_) => None,
        None => Some(subject.topics.clone()),
    };
    Observation {
        at: look.at,
        replicas,
        ready: look.ready.unwrap_or(replicas),
        revision: look.revision.clone(),
        partitions: look.partitions.clone().unwrap_or_default(),
        partition_counts: counts.unwrap_or_default(),
        retention_seconds: look.retention_seconds.clone(),
        metrics: look.metrics.clone(),
        group: look.group,
        offsets_retention_seconds: look.offsets_retention_seconds,
        overridden: look.overridden.clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::{super::trace, *};
    use crate::api::{connectors::OffsetReset, scaling::Autoscaling};

    fn spec() -> Autoscaling {
        serde_json::from_value(json!({
            "maxReplicas": 12, "warmup": "0s",
            "policies": [{"name": "lag", "targetTracking": {"metric": "lag", "target": 10}}],
        }))
        .unwrap()
    }

    /// A line of one partition with so many unread records.
    fn line(second: i64, lag: i64, rest: &str) -> String {
        format!(
            r#"{{"at":"2026-01-05T10:00:{second:02}Z","partitions":[{{"topic":"t","partition":0,"start":0,"committed":0,"end":{lag}}}]{rest}}}"#
        )
    }

    #[test]
    fn a_count_that_is_left_out_is_what_was_decided() {
        let mut spec = spec();
        spec.partitions.allow_idle = true;
        let subject = Subject {
            spec: &spec,
            offset_reset: OffsetReset::Earliest,
            topics: BTreeMap::new(),
        };
        let lines = [
            line(0, 35, r#","replicas":1"#),
            line(5, 35, ""),
            line(10, 35, r#","replicas":2,"ready":1"#),
        ];
        let looks = trace::looks(&lines.join("\n")).unwrap();
        let steps = run(&subject, &looks);
        let counts: Vec<_> = steps
            .map(|s| (s.decision.from, s.decision.to, s.ready))
            .collect();
        assert_eq!(counts, [(1, 4, 1), (4, 4, 4), (2, 4, 1)]);
    }

    #[test]
    fn where_nobody_looked_at_partitions_only_their_number_is_known() {
        let spec = spec();
        let subject = Subject {
            spec: &spec,
            offset_reset: OffsetReset::Earliest,
            topics: BTreeMap::from([("t".to_owned(), 12)]),
        };
        let text = format!(
            "{}\n{}",
            r#"{"at":"2026-01-05T09:00:00Z","replicas":3}"#,
            line(0, 1, "")
        );
        let looks = trace::looks(&text).unwrap();
        let (blind, seeing) = (
            observation(&subject, &looks[0], 0),
            observation(&subject, &looks[1], 3),
        );
        assert_eq!(blind.partition_counts, subject.topics);
        assert_eq!((blind.replicas, blind.ready), (3, 3));
        assert!(seeing.partition_counts.is_empty() && seeing.partitions.len() == 1);
    }
}
