//! A consumer group and its autoscaler in a closed loop: the model of `sim`, one second a step, with
//! arrivals that a test makes up as it goes.

use super::*;
pub use crate::sim::group::Model;
use crate::sim::group::{Arrivals, Group};

/// Pods as quick as those of the demo.
pub fn model() -> Model {
    Model {
        partitions: 12,
        rate_per_replica: 400.0,
        startup: 3.0,
        rebalance: 2.0,
        commit_interval: 1.0,
    }
}

/// A closed loop: the group, its autoscaler and what was decided.
#[derive(Clone, Debug)]
pub struct Loop {
    pub spec: Autoscaling,
    pub group: Group,
    pub scaler: Scaler,
    pub observations: Vec<Observation>,
    pub decisions: Vec<Decision>,
}

impl Loop {
    pub fn new(spec: Autoscaling, model: Model, replicas: i32) -> Self {
        Self {
            spec,
            group: Group::new(model, "t", at(0), replicas),
            scaler: Scaler::default(),
            observations: Vec::new(),
            decisions: Vec::new(),
        }
    }

    /// Runs for so many seconds, deciding once an interval.
    pub fn run(&mut self, seconds: i64, mut arrivals: impl FnMut(i64) -> f64) -> &mut Self {
        let interval = i64::try_from(self.spec.interval.as_secs()).unwrap();
        for _ in 0..seconds {
            let now = self.seconds();
            self.group.step(&Arrivals::Even(arrivals(now)));
            if (now + 1) % interval == 0 {
                self.decide();
            }
        }
        self
    }

    /// Seconds since the beginning.
    fn seconds(&self) -> i64 {
        self.group.now().as_second() - at(0).as_second()
    }

    fn decide(&mut self) {
        let observation = self.group.observe();
        let reset = OffsetReset::Earliest;
        let decision = decide(&self.spec, reset, &mut self.scaler, &observation);
        self.group.scale(decision.to);
        self.observations.push(observation);
        self.decisions.push(decision);
    }

    /// The changes so far: when, in seconds, and from which count to which.
    pub fn changes(&self) -> Vec<(i64, i32, i32)> {
        self.decisions
            .iter()
            .filter(|d| d.from != d.to)
            .map(|d| (d.at.as_second() - at(0).as_second(), d.from, d.to))
            .collect()
    }

    /// How often the direction changed.
    pub fn direction_changes(&self) -> usize {
        let directions: Vec<bool> = self.changes().iter().map(|(_, a, b)| b > a).collect();
        directions
            .windows(2)
            .filter(|pair| pair[0] != pair[1])
            .count()
    }
}
