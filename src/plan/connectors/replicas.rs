//! How many pods of a container connector there should be, when it is not the autoscaler that
//! says so, and what is remembered while they are stopped. Counts are absolute. Nothing here makes
//! a running connector dip: whoever takes over begins with the count that is there, and the bounds
//! of an autoscaler, which change over time, are its own.

use crate::api::connectors::Connector;

/// What the count of one connector follows from.
#[derive(Clone, Copy, Debug)]
pub struct Replicas<'a> {
    /// The connector.
    pub connector: &'a Connector,
    /// Whether `spec.suspend` is set.
    pub suspended: bool,
    /// What the autoscaler wants now; `None` while it has nothing to say.
    pub wanted: Option<i32>,
    /// The count that was wanted before, from status.
    pub remembered: Option<i32>,
    /// Whether somebody else has set the live count.
    pub overridden: bool,
}

impl Replicas<'_> {
    /// The count to create a Deployment with: 0 when suspended, the fixed count, or the larger of
    /// `minReplicas` and the last wanted count.
    #[must_use]
    pub fn initial(&self) -> i32 {
        self.target(0)
    }

    /// The count that a Deployment with `live` pods should have.
    ///
    /// An autoscaled connector that was stopped goes straight to the largest of what is remembered,
    /// what is wanted and `minReplicas`. One that was scaled to zero remembers 0. Without a wish of
    /// the autoscaler any other count stays.
    #[must_use]
    pub fn target(&self, live: i32) -> i32 {
        if self.suspended {
            return 0;
        }
        let Some(scaling) = &self.connector.autoscaling else {
            return self.connector.replicas.unwrap_or(1);
        };
        let count = match (live, self.wanted) {
            (0, wanted) if !self.overridden => wanted.max(self.remembered).unwrap_or(0),
            (_, Some(wanted)) => wanted,
            (live, None) => return live,
        };
        count.min(scaling.max_replicas).max(scaling.min_replicas)
    }

    /// What status should remember as the wanted count: while suspended the count before.
    #[must_use]
    pub fn to_remember(&self, live: i32) -> Option<i32> {
        if !self.suspended {
            return Some(self.target(live));
        }
        self.remembered.or((live > 0).then_some(live))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::scaling::Autoscaling;

    fn fixed(replicas: Option<i32>) -> Connector {
        Connector {
            replicas,
            ..Connector::default()
        }
    }

    fn autoscaled(min: i32, max: i32) -> Connector {
        let block = serde_json::json!({
            "minReplicas": min, "maxReplicas": max,
            "policies": [{"name": "p", "targetTracking": {"metric": "lag", "target": 1.0}}],
        });
        Connector {
            autoscaling: Some(serde_json::from_value::<Autoscaling>(block).unwrap()),
            ..Connector::default()
        }
    }

    fn replicas(connector: &Connector) -> Replicas<'_> {
        Replicas {
            connector,
            suspended: false,
            wanted: None,
            remembered: None,
            overridden: false,
        }
    }

    #[test]
    fn a_fixed_count_is_taken_as_it_is_and_defaults_to_one() {
        assert_eq!(replicas(&fixed(None)).target(7), 1);
        assert_eq!(replicas(&fixed(Some(0))).target(7), 0);
        assert_eq!(replicas(&fixed(Some(5))).initial(), 5);
    }

    #[test]
    fn the_autoscaler_begins_with_the_count_that_is_there() {
        let connector = autoscaled(1, 12);
        assert_eq!(replicas(&connector).target(10), 10);
        let wants = Replicas {
            wanted: Some(4),
            ..replicas(&connector)
        };
        assert_eq!(wants.target(10), 4);
    }

    #[test]
    fn a_running_count_is_the_autoscalers_with_its_bounds() {
        assert_eq!(replicas(&autoscaled(3, 8)).target(10), 10);
        assert_eq!(replicas(&autoscaled(3, 8)).target(1), 1);
    }

    #[test]
    fn zero_is_left_to_whoever_scaled_to_it_or_set_it() {
        let connector = autoscaled(0, 8);
        let scaled = Replicas {
            remembered: Some(0),
            ..replicas(&connector)
        };
        assert_eq!((scaled.target(0), scaled.to_remember(0)), (0, Some(0)));
        let set = Replicas {
            remembered: Some(5),
            overridden: true,
            ..replicas(&connector)
        };
        assert_eq!(set.target(0), 0);
        let stopped = Replicas {
            overridden: false,
            ..set
        };
        assert_eq!(stopped.target(0), 5);
    }

    #[test]
    fn creation_takes_the_larger_of_the_minimum_and_the_last_count() {
        let connector = autoscaled(2, 12);
        assert_eq!(replicas(&connector).initial(), 2);
        let remembered = Replicas {
            remembered: Some(9),
            ..replicas(&connector)
        };
        assert_eq!(remembered.initial(), 9);
    }

    #[test]
    fn suspension_goes_to_zero_and_back_to_the_count_before() {
        let connector = autoscaled(1, 12);
        let suspended = Replicas {
            suspended: true,
            remembered: Some(7),
            wanted: Some(1),
            ..replicas(&connector)
        };
        assert_eq!(
            (suspended.target(7), suspended.to_remember(7)),
            (0, Some(7))
        );
        assert_eq!(suspended.to_remember(0), Some(7));
        let resumed = Replicas {
            suspended: false,
            wanted: Some(1),
            ..suspended
        };
        assert_eq!(resumed.target(0), 7);
    }
}
