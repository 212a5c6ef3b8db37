//! Lengths of time between two moments. Nothing here knows what time it is.

use jiff::Timestamp;

/// Seconds from `earlier` to `later`; negative when they are the other way round.
pub fn seconds_between(earlier: Timestamp, later: Timestamp) -> f64 {
    later.duration_since(earlier).as_secs_f64()
}

/// The moment itself, or the next whole second: what is kept in status has no fractions, and a
/// moment that is rounded up only ever makes the autoscaler wait longer.
pub fn whole_second(at: Timestamp) -> Timestamp {
    if at.subsec_nanosecond() == 0 {
        return at;
    }
    Timestamp::from_second(at.as_second() + i64::from(at.subsec_nanosecond() > 0)).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_rounded_up_to_whole_seconds() {
        for (at, whole) in [
            ("2026-01-05T10:00:00Z", "2026-01-05T10:00:00Z"),
            ("2026-01-05T10:00:00.001Z", "2026-01-05T10:00:01Z"),
            ("1969-12-31T23:59:58.5Z", "1969-12-31T23:59:59Z"),
        ] {
            assert_eq!(whole_second(at.parse().unwrap()), whole.parse().unwrap());
        }
    }
}
