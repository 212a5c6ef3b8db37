//! KEDA with its trigger `kafka`, written from its documentation and from the defects that its
//! issues describe: it turns lag into a metric for the HPA that it creates, caps that metric by the
//! partitions, and itself moves the count only between zero and one.

use sluice::plan::scaling::PartitionSample;

use super::hpa::{Hpa, Settings};

/// How often KEDA polls for activation, in syncs of the HPA: 30 s to 15 s.
const SYNCS_A_POLL: i64 = 2;
/// `cooldownPeriod`: seconds without lag before the last replica goes.
const COOLDOWN: i64 = 300;

/// The fields of the trigger that decide.
#[derive(Clone, Copy, Debug)]
pub struct Trigger {
    /// `lagThreshold`.
    pub lag_threshold: i64,
    /// `activationLagThreshold`.
    pub activation_lag_threshold: i64,
    /// `allowIdleConsumers`: no cap by the partitions.
    pub allow_idle_consumers: bool,
}

impl Default for Trigger {
    fn default() -> Self {
        Self {
            lag_threshold: 10,
            activation_lag_threshold: 0,
            allow_idle_consumers: false,
        }
    }
}

impl Trigger {
    /// The lag over all partitions, by `offsetResetPolicy: latest`: one without a commit counts 1,
    /// and one whose commit lies beyond its end lowers the sum.
    fn lag(partitions: &[PartitionSample]) -> i64 {
        let each = partitions
            .iter()
            .map(|p| p.committed.map_or(1, |done| p.end.unwrap_or(done) - done));
        each.sum::<i64>().max(0)
    }

    /// What the HPA is told, in records. The cap compares by a division of integers, so that a
    /// lag of less than one replica's share above the cap passes.
    pub fn metric(&self, partitions: &[PartitionSample]) -> i64 {
        let lag = Self::lag(partitions);
        let cap = i64::try_from(partitions.len()).unwrap_or(i64::MAX);
        if !self.allow_idle_consumers && lag / self.lag_threshold > cap {
            cap * self.lag_threshold
        } else {
            lag
        }
    }
}

/// A `ScaledObject` and its HPA.
#[derive(Clone, Debug)]
pub struct Keda {
    trigger: Trigger,
    min: i32,
    hpa: Hpa,
    syncs: i64,
    last_active: Option<i64>,
}

impl Keda {
    /// With the defaults of KEDA and of the HPA but for the trigger and the bounds; `min` may be 0.
    pub fn new(trigger: Trigger, min: i32, max: i32) -> Self {
        let target = trigger.lag_threshold * 1000;
        Self::with(trigger, min, Settings::defaults(min.max(1), max, target))
    }

    const fn with(trigger: Trigger, min: i32, hpa: Settings) -> Self {
        Self {
            trigger,
            min,
            hpa: Hpa::new(hpa),
            syncs: 0,
            last_active: None,
        }
    }

    /// One sync of the HPA at second `now`, and at every other one a poll of KEDA.
    pub fn sync(&mut self, now: i64, replicas: i32, partitions: &[PartitionSample]) -> i32 {
        let mut replicas = replicas;
        if self.syncs % SYNCS_A_POLL == 0 {
            replicas = self.poll(now, replicas, partitions);
        }
        self.syncs += 1;
        let metric = self.trigger.metric(partitions);
        self.hpa.sync(now, replicas, metric * 1000)
    }

    fn poll(&mut self, now: i64, replicas: i32, partitions: &[PartitionSample]) -> i32 {
        let lag = Trigger::lag(partitions);
        if lag > self.trigger.activation_lag_threshold {
            self.last_active = Some(now);
            return if replicas == 0 {
                self.min.max(1)
            } else {
                replicas
            };
        }
        let idle = self.last_active.is_none_or(|at| now > at + COOLDOWN);
        if self.min == 0 && idle { 0 } else { replicas }
    }
}

/// The vendor's cases, with the vendor's results where Sluice deliberately decides otherwise. Left
/// out are options that the comparison does not set: persistent lag, even distribution, lagging
/// partitions only, `earliest`, fallback, formulas.
#[cfg(test)]
mod tests {
    use super::{
        super::hpa::{Amount, Limit, Rules, Select},
        *,
    };

    fn partitions(offsets: &[(Option<i64>, i64)]) -> Vec<PartitionSample> {
        let sample = |&(committed, end)| PartitionSample {
            committed,
            end: Some(end),
            ..PartitionSample::default()
        };
        offsets.iter().map(sample).collect()
    }

    /// So many partitions that share a lag.
    fn lagging(count: i64, lag: i64) -> Vec<PartitionSample> {
        let each =
            (0..count).map(|i| (Some(1000), 1000 + lag / count + i64::from(i < lag % count)));
        partitions(&each.collect::<Vec<_>>())
    }

    fn keda(trigger: Trigger, min: i32, tolerance: f64) -> Keda {
        let rules = Rules {
            window: 0,
            select: Select::Max,
            limits: vec![Limit {
                amount: Amount::Pods(100_000),
                period: 15,
            }],
        };
        let defaults = Settings::defaults(min.max(1), 1000, trigger.lag_threshold * 1000);
        let settings = Settings {
            tolerance_up: tolerance,
            tolerance_down: tolerance,
            up: rules.clone(),
            down: rules,
            ..defaults
        };
        Keda::with(trigger, min, settings)
    }

    /// (partitions, lagThreshold, tolerance, replicas, lag), the vendor's count.
    #[test]
    fn lag_is_divided_by_the_threshold_and_capped_by_a_division_of_integers() {
        for (count, lag_threshold, tolerance, replicas, lag, wanted) in [
            (10, 10, 0.0, 5, 92, 10),
            (10, 10, 0.0, 5, 110, 10),
            // One replica too many: 101 to 109 of 10 partitions, 26 to 29 of 5.
            (10, 10, 0.0, 9, 101, 11),
            (10, 10, 0.0, 9, 109, 11),
            (5, 5, 0.0, 3, 25, 5),
            (5, 5, 0.0, 3, 26, 6),
            (5, 5, 0.0, 4, 28, 6),
            (5, 5, 0.0, 4, 30, 5),
            (6, 4, 0.0, 4, 24, 6),
            (6, 4, 0.0, 4, 25, 7),
            (6, 4, 0.0, 5, 90, 6),
            // The cap is never reached: the tolerance holds.
            (24, 1000, 0.1, 22, 24_100, 22),
            (24, 1000, 0.1, 23, 24_100, 23),
            (64, 3000, 0.1, 59, 450_000, 59),
            (64, 3000, 0.1, 63, 450_000, 63),
        ] {
            let trigger = Trigger {
                lag_threshold,
                ..Trigger::default()
            };
            let result = keda(trigger, 1, tolerance).sync(0, replicas, &lagging(count, lag));
            assert_eq!(result, wanted, "lag {lag} of {count} partitions");
        }
    }

    /// Without a cap: (offsets, lagThreshold, replicas), the vendor's count.
    #[test]
    fn lag_is_end_less_committed() {
        for (offsets, lag_threshold, replicas, wanted) in [
            (&[(Some(100), 150)][..], 10, 1, 5),
            (&[(Some(575), 640)], 10, 3, 7),
            (
                &[(None, 150), (None, 150), (None, 150), (Some(100), 130)],
                10,
                1,
                4,
            ),
            (&[(Some(500), 400), (Some(100), 200)], 10, 4, 1),
            (&[(Some(900), 860), (Some(5), 40), (Some(10), 30)], 10, 3, 2),
            (&[(Some(40), 150)], 10, 1, 11),
        ] {
            let trigger = Trigger {
                lag_threshold,
                allow_idle_consumers: true,
                ..Trigger::default()
            };
            let result = keda(trigger, 1, 0.0).sync(0, replicas, &partitions(offsets));
            assert_eq!(result, wanted, "{offsets:?}");
        }
        let trigger = Trigger {
            allow_idle_consumers: true,
            ..Trigger::default()
        };
        assert_eq!(keda(trigger, 1, 0.0).sync(0, 5, &lagging(10, 500)), 50);
    }

    /// (activationLagThreshold, lag), the count after a poll from zero: one replica, and the rest
    /// by the HPA, whose first sync is the same moment here.
    #[test]
    fn activation_is_strictly_greater_and_comes_before_scaling() {
        for (activation_lag_threshold, lag, wanted) in [
            (50, 40, 0),
            (50, 50, 0),
            (50, 51, 6),
            (1, 1, 0),
            (1, 2, 1),
            (0, 85, 9),
        ] {
            let trigger = Trigger {
                activation_lag_threshold,
                allow_idle_consumers: true,
                ..Trigger::default()
            };
            let result = keda(trigger, 0, 0.0).sync(0, 0, &lagging(8, lag));
            assert_eq!(result, wanted, "lag {lag} at {activation_lag_threshold}");
        }
    }

    #[test]
    fn the_last_replica_goes_after_the_cooldown_and_never_below_a_minimum() {
        let idle = lagging(4, 0);
        let mut counts = Vec::new();
        let mut keda_0 = keda(Trigger::default(), 0, 0.0);
        let mut keda_1 = keda(Trigger::default(), 1, 0.0);
        keda_0.sync(0, 1, &lagging(4, 4));
        keda_1.sync(0, 1, &lagging(4, 4));
        for now in [15, 30, 285, 300, 315, 330] {
            counts.push((keda_0.sync(now, 1, &idle), keda_1.sync(now, 1, &idle)));
        }
        // Polls are at 30, 300 and 330.
        assert_eq!(counts, [(1, 1), (1, 1), (1, 1), (1, 1), (1, 1), (0, 1)]);
    }
}
