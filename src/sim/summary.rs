//! What a run comes to, in a few numbers: what it cost, and how often it was late.

use std::cmp::Ordering;

use serde::Serialize;

/// What a run comes to.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Replicas asked for, summed over time, in hours.
    pub replica_hours: f64,
    /// The time lag that was allowed, in seconds.
    pub slo_seconds: f64,
    /// Seconds in which the time lag was above it.
    pub slo_miss_seconds: u64,
    /// The largest time lag, in seconds.
    pub max_time_lag: f64,
    /// How often the count changed.
    pub changes: u64,
    /// How often a change went the other way than the one before.
    pub direction_changes: u64,
}

/// Counts while a run goes on.
#[derive(Clone, Copy, Debug)]
pub struct Tally {
    slo: f64,
    replica_seconds: f64,
    misses: u64,
    max_time_lag: f64,
    changes: u64,
    direction_changes: u64,
    direction: Option<Ordering>,
}

impl Tally {
    /// Nothing yet; `slo` is the time lag that is allowed, in seconds.
    #[must_use]
    pub const fn new(slo: f64) -> Self {
        Self {
            slo,
            replica_seconds: 0.0,
            misses: 0,
            max_time_lag: 0.0,
            changes: 0,
            direction_changes: 0,
            direction: None,
        }
    }

    /// A second has passed with so many replicas, and at its end the group was so late.
    pub fn second(&mut self, replicas: i32, time_lag: f64) {
        self.replica_seconds += f64::from(replicas);
        self.misses += u64::from(time_lag > self.slo);
        self.max_time_lag = self.max_time_lag.max(time_lag);
    }

    /// A decision was made; one that changes nothing counts for nothing.
    pub fn decision(&mut self, from: i32, to: i32) {
        let direction = to.cmp(&from);
        if direction == Ordering::Equal {
            return;
        }
        self.changes += 1;
        let before = self.direction.replace(direction);
        self.direction_changes += u64::from(before.is_some_and(|before| before != direction));
    }

    /// What it comes to so far, to three decimals.
    #[must_use]
    pub fn summary(&self) -> Summary {
        Summary {
            replica_hours: thousandths(self.replica_seconds / 3600.0),
            slo_seconds: self.slo,
            slo_miss_seconds: self.misses,
            max_time_lag: thousandths(self.max_time_lag),
            changes: self.changes,
            direction_changes: self.direction_changes,
        }
    }
}

fn thousandths(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_decisions_are_counted() {
        let mut tally = Tally::new(30.0);
        for (from, to) in [
            (1, 1),
            (1, 4),
            (4, 4),
            (4, 6),
            (6, 3),
            (3, 3),
            (3, 1),
            (1, 2),
        ] {
            tally.decision(from, to);
        }
        for (replicas, time_lag) in [(2, 0.0), (2, 30.0), (3, 30.5), (2, 7.0)] {
            tally.second(replicas, time_lag);
        }
        let text = serde_json::to_string(&tally.summary()).unwrap();
        assert_eq!(
            text,
            r#"{"replicaHours":0.003,"sloSeconds":30.0,"sloMissSeconds":1,"maxTimeLag":30.5,"changes":5,"directionChanges":2}"#
        );
    }
}
