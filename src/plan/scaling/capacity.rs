//! What one pod can process. Measured only while every pod has a backlog: at any other time the
//! rate says how much arrived, not how much is possible. Until then two bounds are known: what a
//! pod was seen to do, and what proved too much for it. Belongs to one revision of the pods.

use super::series::Reading;
use crate::api::decisions::{Confidence, LearntCapacity};

/// How much a new sample weighs in the running mean.
const WEIGHT: f64 = 0.3;
/// Beyond so many samples more make no difference.
const MOST_SAMPLES: i32 = 100;

/// What one pod can process, in records per second, to three significant digits: what is
/// remembered over a restart is what is used, and noise does not change it all the time.
#[derive(Clone, Debug, PartialEq)]
pub struct Capacity {
    /// The measured rate, or, without samples, what a pod was seen to do at least.
    pub per_replica: f64,
    /// Saturated samples that the rate rests on, 0 to 100.
    pub samples: i32,
    /// The running mean of how far samples lie from the rate, in whole per cent of it.
    pub spread: f64,
    /// The lowest load of a pod at which the group fell behind.
    pub too_much: Option<f64>,
    /// The revision of the pods.
    pub revision: Option<String>,
}

impl Capacity {
    /// The rate of a pod, when it was measured under saturation.
    pub fn measured(&self) -> Option<f64> {
        (self.samples > 0).then_some(self.per_replica)
    }

    /// How much the measured rate can be relied on; none without samples.
    fn confidence(&self) -> Option<Confidence> {
        match self.samples {
            0 => None,
            1..5 => Some(Confidence::Low),
            _ if self.spread > 30.0 => Some(Confidence::Low),
            20.. if self.spread <= 10.0 => Some(Confidence::High),
            _ => Some(Confidence::Medium),
        }
    }

    /// In status's words.
    pub fn to_status(&self) -> LearntCapacity {
        #[expect(clippy::cast_possible_truncation, reason = "0 to 1000 whole per cent")]
        let spread = self.spread as i32;
        LearntCapacity {
            per_replica: self.per_replica,
            samples: self.samples,
            spread_percent: self.measured().map(|_| spread),
            confidence: self.confidence(),
            too_much: self.too_much,
            revision: self.revision.clone(),
        }
    }

    /// From status. A rate that no pod can have is forgotten, not believed.
    pub fn from_status(status: &LearntCapacity) -> Option<Self> {
        let capacity = Self {
            per_replica: three_digits(status.per_replica),
            samples: status.samples.clamp(0, MOST_SAMPLES),
            spread: status.spread_percent.map_or(0.0, f64::from),
            too_much: status.too_much.map(three_digits),
            revision: status.revision.clone(),
        };
        (capacity.per_replica > 0.0).then_some(capacity)
    }
}

/// The capacity after one more reading. Another revision forgets what was learnt.
pub fn learn(
    before: Option<Capacity>,
    revision: Option<&str>,
    reading: &Reading,
) -> Option<Capacity> {
    let known = before.filter(|c| revision.is_none() || c.revision.as_deref() == revision);
    let sustained = three_digits(reading.sustained_rate.unwrap_or(0.0));
    let Some(sample) = reading.saturated_rate.filter(|&rate| rate > 0.0) else {
        return at_least(known, revision, sustained);
    };
    // The busy partitions may be the slow ones of a pod: what all were seen to do is no less.
    let sample = sample.max(sustained);
    let (mean, samples, spread) = match &known {
        Some(c) if c.samples > 0 => {
            let off = 100.0 * (sample / c.per_replica - 1.0).abs();
            let mean = c.per_replica + WEIGHT * (sample - c.per_replica);
            (mean, c.samples, c.spread + WEIGHT * (off - c.spread))
        }
        _ => (sample, 0, 0.0),
    };
    Some(Capacity {
        per_replica: three_digits(mean),
        samples: (samples + 1).min(MOST_SAMPLES),
        spread: spread.round().min(1000.0),
        too_much: None,
        revision: of(revision, known),
    })
}

/// Pods that process more than was thought possible, backlog or not, are that fast at least.
/// Without this a mean learnt during a slow hour would hold a group too large for ever.
fn at_least(known: Option<Capacity>, revision: Option<&str>, seen: f64) -> Option<Capacity> {
    match known {
        Some(capacity) if seen <= capacity.per_replica => Some(capacity),
        _ if seen <= 0.0 => known,
        known => Some(Capacity {
            per_replica: seen,
            samples: known.as_ref().map_or(0, |c| c.samples),
            spread: known.as_ref().map_or(0.0, |c| c.spread),
            too_much: known
                .as_ref()
                .and_then(|c| c.too_much)
                .filter(|&load| load > seen),
            revision: of(revision, known),
        }),
    }
}

fn of(revision: Option<&str>, known: Option<Capacity>) -> Option<String> {
    revision
        .map(Into::into)
        .or_else(|| known.and_then(|c| c.revision))
}

/// Takes note that `load` records a second were too much for a pod: the group fell behind. Says
/// nothing new once the rate is measured, nor when pods were seen to do more.
pub fn note_overload(capacity: &mut Option<Capacity>, load: f64) {
    let load = three_digits(load);
    if let Some(capacity) = capacity
        && capacity.samples == 0
        && load > capacity.per_replica
    {
        let lowest = capacity.too_much.map_or(load, |before| before.min(load));
        capacity.too_much = Some(lowest);
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
    use super::*;

    fn saturated(rate: f64) -> Reading {
        Reading {
            saturated_rate: Some(rate),
            ..Reading::default()
        }
    }

    fn sustained(rate: f64) -> Reading {
        Reading {
            sustained_rate: Some(rate),
            ..Reading::default()
        }
    }

    #[test]
    fn the_first_saturated_sample_counts_at_once_and_later_ones_smooth_it() {
        let seen = learn(None, Some("a"), &sustained(20.0));
        let first = learn(seen, Some("a"), &saturated(100.0)).unwrap();
        assert_eq!(first.measured(), Some(100.0));
        let second = learn(Some(first), Some("a"), &saturated(200.0)).unwrap();
        assert_eq!((second.per_replica, second.samples), (130.0, 2));
    }

    #[test]
    fn without_a_backlog_only_a_lower_bound_is_learnt() {
        let seen = learn(None, Some("a"), &sustained(20.0)).unwrap();
        assert_eq!((seen.measured(), seen.per_replica), (None, 20.0));
        assert_eq!(learn(None, Some("a"), &sustained(0.0)), None);
    }

    #[test]
    fn a_pod_that_does_more_raises_what_was_learnt_and_less_never_lowers_it() {
        let learnt = learn(None, Some("a"), &saturated(100.0));
        let raised = learn(learnt.clone(), Some("a"), &sustained(150.0)).unwrap();
        assert_eq!((raised.per_replica, raised.samples), (150.0, 1));
        assert_eq!(learn(learnt.clone(), Some("a"), &sustained(20.0)), learnt);
    }

    #[test]
    fn another_revision_starts_anew_and_an_unknown_one_is_the_same() {
        let learnt = learn(None, Some("a"), &saturated(100.0));
        assert_eq!(learn(learnt.clone(), Some("b"), &Reading::default()), None);
        assert_eq!(learn(learnt.clone(), None, &Reading::default()), learnt);
    }

    #[test]
    fn the_lowest_load_that_was_too_much_stands_until_it_is_disproved() {
        let mut capacity = learn(None, None, &sustained(20.0));
        for (load, too_much) in [
            (350.0, 350.0),
            (700.0, 350.0),
            (300.0, 300.0),
            (10.0, 300.0),
        ] {
            note_overload(&mut capacity, load);
            assert_eq!(capacity.as_ref().unwrap().too_much, Some(too_much));
        }
        let faster = learn(capacity, None, &sustained(310.0)).unwrap();
        assert_eq!(faster.too_much, None);
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
