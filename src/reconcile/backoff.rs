//! How long to wait: after failures, doubled from failure to failure between the bounds of their
//! class; after success, an interval spread by a tenth so that pipelines do not march in step.

use std::time::Duration;

use crate::class::Class;

/// Failures in a row of one thing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// Counts one more failure and says how long to wait.
    pub fn failed(&mut self, class: Class) -> Duration {
        let (first, longest) = class.backoff();
        let factor = 2_u32.saturating_pow(self.failures.min(16));
        self.failures = self.failures.saturating_add(1);
        first.saturating_mul(factor).min(longest)
    }

    /// Forgets the failures.
    pub const fn succeeded(&mut self) {
        self.failures = 0;
    }
}

/// `interval`, shortened or lengthened by up to a tenth; the same for the same `seed`, such as a
/// UID.
#[must_use]
pub fn jittered(interval: Duration, seed: &str) -> Duration {
    let hash = seed.bytes().fold(5381_u32, |hash, byte| {
        hash.wrapping_mul(33) ^ u32::from(byte)
    });
    interval.mul_f64(0.9 + 0.2 * f64::from(hash % 1000) / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_doubles_up_to_the_longest_of_the_class() {
        let mut backoff = Backoff::default();
        let delays: Vec<u64> = (0..6)
            .map(|_| backoff.failed(Class::Down).as_secs())
            .collect();
        assert_eq!(delays, [2, 4, 8, 16, 30, 30]);
        backoff.succeeded();
        assert_eq!(backoff.failed(Class::Down).as_secs(), 2);
    }

    #[test]
    fn what_may_come_back_by_itself_is_tried_again_within_half_a_minute() {
        for class in [Class::Down, Class::Waiting, Class::Conflict] {
            assert!(class.backoff().1 <= Duration::from_secs(30));
        }
    }

    #[test]
    fn jitter_stays_within_a_tenth() {
        for seed in ["a", "b", "3f1c", ""] {
            let seconds = jittered(Duration::from_secs(60), seed).as_secs_f64();
            assert!((54.0..=66.0).contains(&seconds), "{seconds}");
        }
    }
}
