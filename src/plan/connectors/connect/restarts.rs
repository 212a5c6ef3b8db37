//! When failed tasks are restarted: at once the first time, then after delays that double. It never
//! gives up, for what failed may be mended outside at any time, but it soon says that a person
//! should look. The memory is small and may be lost: the next failure then counts as the first.

use jiff::{SignedDuration, Timestamp};

/// The shortest time between two restarts of a connector's failed tasks.
const SHORTEST: SignedDuration = SignedDuration::from_mins(1);
/// The longest.
const LONGEST: SignedDuration = SignedDuration::from_mins(30);
/// After this many restarts in a row it is a person's turn.
const HOPEFUL: u32 = 4;

/// The restarts of one connector's failed tasks; kept in memory by the caller from pass to pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Restarts {
    count: u32,
    last: Option<Timestamp>,
}

impl Restarts {
    /// Whether what failed is restarted now.
    #[must_use]
    pub fn due(self, now: Timestamp) -> bool {
        self.last
            .is_none_or(|last| now.duration_since(last) >= self.delay())
    }

    /// When the next restart would be due; `None` when it is due at any time.
    #[must_use]
    pub fn next(self) -> Option<Timestamp> {
        self.last
            .and_then(|last| last.checked_add(self.delay()).ok())
    }

    /// The memory after a restart.
    #[must_use]
    pub const fn restarted(self, now: Timestamp) -> Self {
        Self {
            count: self.count.saturating_add(1),
            last: Some(now),
        }
    }

    /// The memory while nothing is failed: forgotten once it has held for as long as the next
    /// delay, so that tasks that fail again and again do not start from the beginning.
    #[must_use]
    pub fn healthy(self, now: Timestamp) -> Self {
        if self.due(now) { Self::default() } else { self }
    }

    /// Whether restarts alone seem to help no more.
    #[must_use]
    pub const fn exhausted(self) -> bool {
        self.count > HOPEFUL
    }

    /// The time from the last restart to the next one.
    fn delay(self) -> SignedDuration {
        let doublings = self.count.saturating_sub(1).min(5);
        (SHORTEST * 2_i32.pow(doublings)).min(LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_half_an_hour_and_never_end() {
        let mut restarts = Restarts::default();
        let mut now = Timestamp::UNIX_EPOCH;
        let mut delays = Vec::new();
        for _ in 0..8 {
            assert!(restarts.due(now));
            restarts = restarts.restarted(now);
            let next = restarts.next().unwrap();
            assert!(!restarts.due(next - SignedDuration::from_secs(1)));
            delays.push(next.duration_since(now).as_mins());
            now = next;
        }
        assert_eq!(delays, [1, 2, 4, 8, 16, 30, 30, 30]);
        assert!(restarts.exhausted());
    }

    #[test]
    fn only_lasting_health_is_forgotten() {
        let start = Timestamp::UNIX_EPOCH;
        let after = |seconds| start + SignedDuration::from_secs(seconds);
        let restarts = Restarts::default().restarted(start);
        assert_eq!(restarts.healthy(after(59)), restarts);
        assert_eq!(restarts.healthy(after(60)), Restarts::default());
    }
}
