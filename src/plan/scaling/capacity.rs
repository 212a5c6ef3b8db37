//! What one pod can process, learnt only while every pod has a backlog: at any other time the
//! rate says how much arrived, not how much is possible. Belongs to one revision of the pods.

use super::series::Reading;

/// How much a new sample weighs in the running mean.
const WEIGHT: f64 = 0.3;
/// Beyond so many samples more make no difference.
const MOST_SAMPLES: i32 = 100;

/// What one pod can process.
#[derive(Clone, Debug, PartialEq)]
pub struct Capacity {
    /// Records per second, above 0, to three significant digits: what is remembered over a
    /// restart is what is used, and noise does not change it all the time.
    pub per_replica: f64,
    /// Saturated samples that it rests on, 1 to 100.
    pub samples: i32,
    /// The revision of the pods.
    pub revision: Option<String>,
}

/// The capacity after one more reading. Another revision forgets what was learnt.
pub fn learn(
    before: Option<Capacity>,
    revision: Option<&str>,
    reading: &Reading,
    replicas: i32,
) -> Option<Capacity> {
    let known = before.filter(|c| revision.is_none() || c.revision.as_deref() == revision);
    let Some(sample) = reading.saturated_rate else {
        return known.map(|capacity| at_least(capacity, reading, replicas));
    };
    let (mean, samples) = known.as_ref().map_or((sample, 0), |c| {
        (c.per_replica + WEIGHT * (sample - c.per_replica), c.samples)
    });
    Some(Capacity {
        per_replica: three_digits(mean),
        samples: (samples + 1).min(MOST_SAMPLES),
        revision: revision
            .map(Into::into)
            .or_else(|| known.and_then(|c| c.revision)),
    })
}

/// Pods that process more than was thought possible, backlog or not, are that fast at least.
/// Without this a mean learnt during a slow hour would hold a group too large for ever.
fn at_least(capacity: Capacity, reading: &Reading, replicas: i32) -> Capacity {
    let per_replica = reading
        .series
        .consume_rate
        .map_or(0.0, |rate| rate / f64::from(replicas.max(1)));
    Capacity {
        per_replica: capacity.per_replica.max(three_digits(per_replica)),
        ..capacity
    }
}

/// The value to three significant digits; 0 for what is not a positive number.
pub fn three_digits(value: f64) -> f64 {
    if !value.is_finite() || value <= 0.0 {
        return 0.0;
    }
    let exponent = value.log10().floor() - 2.0;
    if exponent >= 0.0 {
        let unit = 10_f64.powf(exponent);
        (value / unit).round() * unit
    } else {
        let unit = 10_f64.powf(-exponent);
        (value * unit).round() / unit
    }
}

#[cfg(test)]
mod tests {
    use super::{super::series::Series, *};

    fn saturated(rate: f64) -> Reading {
        Reading {
            saturated_rate: Some(rate),
            ..Reading::default()
        }
    }

    fn idle(consume_rate: f64) -> Reading {
        Reading {
            series: Series {
                consume_rate: Some(consume_rate),
                ..Series::default()
            },
            ..Reading::default()
        }
    }

    #[test]
    fn the_first_saturated_sample_counts_at_once_and_later_ones_smooth_it() {
        let first = learn(None, Some("a"), &saturated(100.0), 1);
        assert_eq!(first.as_ref().map(|c| c.per_replica), Some(100.0));
        let second = learn(first, Some("a"), &saturated(200.0), 1).unwrap();
        assert_eq!((second.per_replica, second.samples), (130.0, 2));
    }

    #[test]
    fn without_a_backlog_nothing_is_learnt() {
        assert_eq!(learn(None, Some("a"), &idle(500.0), 1), None);
    }

    #[test]
    fn an_unsaturated_pod_that_does_more_raises_what_was_learnt_and_never_lowers_it() {
        let learnt = learn(None, Some("a"), &saturated(100.0), 2);
        let raised = learn(learnt.clone(), Some("a"), &idle(300.0), 2).unwrap();
        assert_eq!((raised.per_replica, raised.samples), (150.0, 1));
        assert_eq!(learn(learnt.clone(), Some("a"), &idle(20.0), 2), learnt);
    }

    #[test]
    fn another_revision_starts_anew_and_an_unknown_one_is_the_same() {
        let learnt = learn(None, Some("a"), &saturated(100.0), 1);
        assert_eq!(learn(learnt.clone(), Some("b"), &idle(1.0), 1), None);
        assert_eq!(learn(learnt.clone(), None, &idle(1.0), 1), learnt);
    }

    #[test]
    fn three_digits_are_kept() {
        for (value, rounded) in [
            (1234.0, 1230.0),
            (0.012_345, 0.0123),
            (99.95, 100.0),
            (7.0, 7.0),
        ] {
            assert!((three_digits(value) - rounded).abs() < 1e-9, "{value}");
        }
        assert!(three_digits(f64::NAN) <= 0.0);
    }
}
