//! Comparing measured values. Binary fractions are not exact, 0.7 - 0.6 is a little
//! below 0.1, so values that differ by less than a billionth are the same.

/// Differences below this fraction are none.
const EXACT: f64 = 1e-9;

/// Whether two values are the same.
pub fn is_equal(a: f64, b: f64) -> bool {
    (a - b).abs() <= EXACT * a.abs().max(b.abs())
}

/// Whether `a` is above `b`, and not the same.
pub fn is_above(a: f64, b: f64) -> bool {
    a > b && !is_equal(a, b)
}

/// Whether `a` is above `b`, or the same.
pub fn is_at_least(a: f64, b: f64) -> bool {
    a > b || is_equal(a, b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binary_fractions_count_as_what_they_stand_for() {
        assert!(is_equal(0.1 + 0.2, 0.3) && !is_above(0.1 + 0.2, 0.3));
        assert!(is_at_least(0.7 - 0.6, 0.1) && is_at_least(0.0, 0.0));
        assert!(is_above(0.300_001, 0.3) && !is_above(0.3, 0.300_001));
        assert!(!is_above(f64::NAN, 0.0) && !is_at_least(f64::NAN, 0.0));
    }
}
