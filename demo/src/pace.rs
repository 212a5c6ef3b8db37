//! Keeps a loop at a number of steps a second. It only says how long to wait; the caller sleeps.

use std::time::{Duration, Instant};

/// How far behind its schedule a loop may catch up: short, so that a stall is not followed by a
/// burst above the rate.
const CATCH_UP: Duration = Duration::from_millis(100);

/// A schedule of evenly spaced steps.
pub struct Pace {
    step: Duration,
    next: Instant,
}

impl Pace {
    /// At most `per_second` steps a second (1 or more), the first of them at `now`.
    pub fn new(per_second: u32, now: Instant) -> Self {
        Self {
            step: Duration::from_secs(1) / per_second.max(1),
            next: now,
        }
    }

    /// How long until the next step is due; zero when it is.
    pub fn wait(&self, now: Instant) -> Duration {
        self.next.saturating_duration_since(now)
    }

    /// One step was taken at `now`.
    pub fn step(&mut self, now: Instant) {
        let earliest = now.checked_sub(CATCH_UP).unwrap_or(now);
        self.next = self.next.max(earliest) + self.step;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_loop_takes_its_rate_and_no_more() {
        let start = Instant::now();
        let mut pace = Pace::new(50, start);
        let mut steps = 0;
        for millis in 0..2000 {
            let now = start + Duration::from_millis(millis);
            while pace.wait(now).is_zero() {
                pace.step(now);
                steps += 1;
            }
        }
        assert_eq!(steps, 100);
    }

    #[test]
    fn a_stall_is_not_followed_by_a_burst() {
        let start = Instant::now();
        let mut pace = Pace::new(50, start);
        let later = start + Duration::from_mins(1);
        let mut steps = 0;
        while pace.wait(later).is_zero() {
            pace.step(later);
            steps += 1;
        }
        assert_eq!(steps, 6, "100 ms of catching up and the step that is due");
    }
}
