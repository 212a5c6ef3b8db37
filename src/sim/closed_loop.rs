//! The closed loop: arrivals come in, a model of the group reads them, and each decision changes how
//! many replicas it has. One second a step, one decision an interval.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    Step, Subject,
    group::{Group, Model},
    summary::{Summary, Tally},
    trace::Rate,
};
use crate::plan::scaling::{self, Observation, Scaler, UnreadRecord};

/// A step of the model; decisions are never closer.
const SECOND: Duration = Duration::from_secs(1);

/// A closed loop, from the first line of the arrivals to the last; an iterator over its decisions.
#[derive(Debug)]
pub struct Run<'a> {
    subject: &'a Subject<'a>,
    rates: &'a [Rate],
    group: Group,
    scaler: Scaler,
    tally: Tally,
    next_decision: Timestamp,
    end: Timestamp,
}

impl<'a> Run<'a> {
    /// A group that begins with `minReplicas` and nothing to read. `slo` is the time lag that is
    /// allowed, in seconds. Each of `rates` holds until the next; the last says when to end.
    #[must_use]
    pub fn new(subject: &'a Subject<'a>, model: Model, rates: &'a [Rate], slo: f64) -> Self {
        let start = rates.first().map_or(Timestamp::UNIX_EPOCH, |rate| rate.at);
        let topic = subject.topics.keys().next();
        let topic = topic.map_or("topic", String::as_str);
        Self {
            subject,
            rates,
            group: Group::new(model, topic, start, subject.spec.min_replicas),
            scaler: Scaler::default(),
            tally: Tally::new(slo),
            next_decision: start,
            end: rates.last().map_or(start, |rate| rate.at),
        }
    }

    /// What it comes to so far.
    #[must_use]
    pub fn summary(&self) -> Summary {
        self.tally.summary()
    }

    /// The rate that holds now: earlier ones are forgotten.
    fn rate(&mut self) -> Option<&'a Rate> {
        while let [_, next, ..] = self.rates
            && next.at <= self.group.now()
        {
            self.rates = &self.rates[1..];
        }
        self.rates.first()
    }

    fn second(&mut self) {
        if let Some(rate) = self.rate() {
            self.group.step(&rate.arrivals);
            self.tally
                .second(self.group.replicas(), self.group.time_lag());
        }
    }

    fn decide(&mut self) -> Step {
        let observation = self.observe();
        let (spec, reset) = (self.subject.spec, self.subject.offset_reset);
        let decision = scaling::decide(spec, reset, &mut self.scaler, &observation);
        self.group.scale(decision.to);
        self.tally.decision(decision.from, decision.to);
        self.next_decision = self
            .next_decision
            .checked_add(spec.interval.as_std().max(SECOND))
            .unwrap_or(Timestamp::MAX);
        Step {
            ready: observation.ready,
            arrivals: self.rate().map(|rate| rate.arrivals.total()),
            decision,
        }
    }

    /// As the operator does: what the samples cannot tell of arrivals is looked up.
    fn observe(&self) -> Observation {
        let mut observation = self.group.observe();
        let reset = self.subject.offset_reset;
        for UnreadRecord { partition, .. } in
            scaling::unread_since_wanted(&self.scaler, reset, &observation)
        {
            let index = usize::try_from(partition).unwrap_or(usize::MAX);
            if let Some(sample) = observation.partitions.get_mut(index) {
                sample.unread_since = self.group.unread_since(partition);
            }
        }
        observation
    }
}

impl Iterator for Run<'_> {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        while self.group.now() < self.next_decision && self.group.now() < self.end {
            self.second();
        }
        (self.next_decision <= self.end).then(|| self.decide())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::trace, *};
    use crate::api::{connectors::OffsetReset, scaling::Autoscaling};

    const MODEL: Model = Model {
        partitions: 12,
        rate_per_replica: 500.0,
        startup: 20.0,
        rebalance: 5.0,
        commit_interval: 5.0,
    };

    fn rates(rates: &[(i64, f64)]) -> Vec<Rate> {
        let line = |(second, rate): &(i64, f64)| {
            let at = Timestamp::from_second(1_767_607_200 + second).unwrap();
            format!(r#"{{"at":"{at}","arrivals":{rate}}}"#)
        };
        let text: Vec<String> = rates.iter().map(line).collect();
        trace::rates(&text.join("\n"), MODEL.partitions).unwrap()
    }

    fn run(policy: &serde_json::Value, rates: &[Rate]) -> (Vec<Step>, Summary) {
        let spec: Autoscaling = serde_json::from_value(
            json!({"maxReplicas": 12, "policies": [{"name": "p", "targetTracking": policy}]}),
        )
        .unwrap();
        let subject = Subject {
            spec: &spec,
            offset_reset: OffsetReset::Earliest,
            topics: std::collections::BTreeMap::new(),
        };
        let mut run = Run::new(&subject, MODEL, rates, 30.0);
        let steps: Vec<Step> = run.by_ref().collect();
        (steps, run.summary())
    }

    #[test]
    fn there_is_a_decision_each_interval_from_the_first_line_to_the_last() {
        let lag = json!({"metric": "lag", "target": 5000});
        let (steps, summary) = run(&lag, &rates(&[(0, 100.0), (60, 300.0), (122, 0.0)]));
        assert_eq!(steps.len(), 25);
        let arrivals: Vec<_> = steps.iter().filter_map(|s| s.arrivals).collect();
        assert_eq!(
            (arrivals[11], arrivals[12], arrivals[24]),
            (100.0, 300.0, 300.0)
        );
        assert_eq!((summary.changes, summary.slo_miss_seconds), (0, 0));
        assert!((summary.replica_hours - 122.0 / 3600.0).abs() < 1e-3);
        let (steps, _) = run(&lag, &rates(&[(0, 100.0)]));
        assert_eq!(steps.len(), 1, "a single line: one look");
    }

    #[test]
    fn a_surge_is_answered_and_what_it_cost_is_counted() {
        let rates = rates(&[(0, 200.0), (600, 4000.0), (1200, 200.0), (3600, 0.0)]);
        let (steps, summary) = run(&json!({"metric": "timeLag", "target": 30}), &rates);
        let peak = steps.iter().map(|s| s.decision.to).max().unwrap();
        assert!((8..=12).contains(&peak), "{peak}");
        assert_eq!(steps.last().unwrap().decision.to, 1);
        assert_eq!(summary.direction_changes, 1, "{summary:?}");
        // What is seen of the time lag is what the model knows, within one interval.
        let seen = steps.iter().filter_map(|s| s.decision.series.time_lag);
        let seen = seen.fold(0.0, f64::max);
        assert!(
            (seen - summary.max_time_lag).abs() <= 5.0,
            "{seen} {summary:?}"
        );
        assert!(
            summary.slo_miss_seconds > 0 && summary.max_time_lag < 120.0,
            "{summary:?}"
        );
    }
}
