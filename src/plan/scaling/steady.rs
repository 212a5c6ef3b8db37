//! What keeps the count steady: the tolerance around a target, and the cooldowns and the warm-up
//! after a change. Each rule says in words why it held.

use jiff::Timestamp;

use super::{memory::Change, time::seconds_between};
use crate::api::{scaling::Autoscaling, steadiness::Behavior};

/// Binary fractions are not exact: 10 x 0.27 / 0.3 is a little above 9. Differences below this
/// fraction are none.
const EXACT: f64 = 1e-9;
/// How long, in seconds, a trial waits after a scale-in.
const AFTER_SCALE_IN: f64 = 60.0;
/// How long, in seconds, a trial waits after a scale-out.
const AFTER_SCALE_OUT: f64 = 3600.0;

/// The smallest whole count that covers `need`, 1 to 1,000,000: 1.5 more makes 2 more, 1.5 fewer
/// makes 1 fewer, as AWS rounds.
pub fn whole_count(need: f64) -> i32 {
    let count = (need * (1.0 - EXACT)).ceil();
    #[expect(
        clippy::cast_possible_truncation,
        reason = "clamped to the range of i32"
    )]
    if count.is_nan() {
        1
    } else {
        count.clamp(1.0, 1_000_000.0) as i32
    }
}

/// Whether a need is so near to the present count that nothing changes. The ratio is the
/// `HorizontalPodAutoscaler`'s, metric over target, and its edges hold: exactly 1.1 at 10 %.
pub fn is_tolerated(need: f64, replicas: i32, behavior: &Behavior) -> bool {
    let ratio = need / f64::from(replicas.max(1));
    let highest = 1.0 + behavior.scale_out_tolerance();
    let lowest = 1.0 - behavior.scale_in_tolerance();
    ratio <= highest * (1.0 + EXACT) && ratio >= lowest * (1.0 - EXACT)
}

/// Why a scale-out must wait: the same step was taken less than the cooldown ago. Only a step
/// relative to the present count can be the same again; a count that the metric itself calls for
/// is above the last one, hence larger, and passes (AWS Application Auto Scaling).
pub fn scale_out_wait(
    spec: &Autoscaling,
    last: Option<Change>,
    at: Timestamp,
    is_relative: bool,
) -> Option<String> {
    let cooldown = spec.cooldown.scale_out;
    let last = last.filter(|_| is_relative)?;
    (seconds_between(last.at, at) < cooldown.as_secs_f64())
        .then(|| format!("the same scale-out waits for cooldown.scaleOut ({cooldown})"))
}

/// Why a scale-in must wait for the cooldown of the one before; a scale-out since then ends it.
pub fn scale_in_wait(
    spec: &Autoscaling,
    last_in: Option<Change>,
    last_out: Option<Change>,
    at: Timestamp,
) -> Option<String> {
    let cooldown = spec.cooldown.scale_in;
    let last = last_in.filter(|change| last_out.is_none_or(|out| out.at <= change.at))?;
    (seconds_between(last.at, at) < cooldown.as_secs_f64())
        .then(|| format!("the last scale-in is less than cooldown.scaleIn ({cooldown}) ago"))
}

/// Why a trial must wait. After a scale-in, a minute: too short a time tells nothing of the present
/// count. After a scale-out, an hour: the group has just shown that it needs more, and a trial that
/// fails costs its records a delay.
pub fn trial_wait(
    last_in: Option<Change>,
    last_out: Option<Change>,
    at: Timestamp,
) -> Option<String> {
    let within = |last: Option<Change>, wait: f64| {
        last.is_some_and(|change| seconds_between(change.at, at) < wait)
    };
    if within(last_out, AFTER_SCALE_OUT) {
        Some("a trial waits until 1h after a scale-out".to_owned())
    } else if within(last_in, AFTER_SCALE_IN) {
        Some("a trial waits until 1m after a scale-in".to_owned())
    } else {
        None
    }
}

/// Why a scale-in must wait: the pods of the last scale-out are still warming up.
pub fn warming_up(spec: &Autoscaling, last_out: Option<Change>, at: Timestamp) -> Option<String> {
    let warmup = spec.warmup;
    (seconds_between(last_out?.at, at) < warmup.as_secs_f64())
        .then(|| format!("the last scale-out is less than warmup ({warmup}) ago"))
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan;

    use super::*;
    use crate::api::steadiness::DirectionBehavior;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + seconds.seconds()
    }

    fn change(seconds: i64, from: i32, to: i32) -> Change {
        Change {
            at: at(seconds),
            from,
            to,
        }
    }

    fn spec() -> Autoscaling {
        serde_json::from_value(serde_json::json!({
            "maxReplicas": 100, "policies": [], "warmup": "300s",
            "cooldown": {"scaleOut": "300s", "scaleIn": "300s"},
        }))
        .unwrap()
    }

    #[test]
    fn counts_are_rounded_as_aws_rounds() {
        for (need, count) in [
            (11.5, 12),
            (8.5, 9),
            (6.5, 7),
            (3.5, 4),
            (905.0 / 60.0, 16),
            (10.0 * 0.27 / 0.3, 9),
            (0.0, 1),
            (-4.0, 1),
            (f64::NAN, 1),
            (f64::INFINITY, 1_000_000),
        ] {
            assert_eq!(whole_count(need), count, "{need}");
        }
    }

    /// Cases H5, H6, H7, H7b and H19 of the conformance vectors.
    #[test]
    fn the_edges_of_the_tolerance_hold() {
        let behavior = |scale_out, scale_in| Behavior {
            scale_out: DirectionBehavior {
                tolerance: Some(scale_out),
                ..DirectionBehavior::default()
            },
            scale_in: DirectionBehavior {
                tolerance: Some(scale_in),
                ..DirectionBehavior::default()
            },
        };
        for (need, scale_out, scale_in, holds) in [
            (11.0, 0.1, 0.1, true),
            (10.9, 0.1, 0.1, true),
            (11.01, 0.1, 0.1, false),
            (9.0, 0.0, 0.1, true),
            (8.9, 0.0, 0.1, false),
            (10.1, 0.0, 0.1, false),
            (11.9, 0.2, 0.0, true),
            (12.2, 0.2, 0.0, false),
            (10.5, 0.1, 0.1, true),
            (11.2, 0.1, 0.1, false),
            (0.0, 1.0, 1.0, true),
        ] {
            let behavior = behavior(scale_out, scale_in);
            assert_eq!(is_tolerated(need, 10, &behavior), holds, "{need} of 10");
        }
    }

    #[test]
    fn the_default_tolerance_is_ten_per_cent() {
        assert!(is_tolerated(11.0, 10, &Behavior::default()));
        assert!(!is_tolerated(11.1, 10, &Behavior::default()));
    }

    #[test]
    fn the_same_step_waits_and_a_larger_count_passes() {
        let last = Some(change(0, 10, 12));
        assert!(scale_out_wait(&spec(), last, at(120), true).is_some());
        assert!(scale_out_wait(&spec(), last, at(120), false).is_none());
        assert!(scale_out_wait(&spec(), last, at(300), true).is_none());
    }

    #[test]
    fn a_scale_in_waits_for_the_one_before_unless_a_scale_out_came_between() {
        let last = Some(change(0, 10, 9));
        assert!(scale_in_wait(&spec(), last, None, at(299)).is_some());
        assert!(scale_in_wait(&spec(), last, None, at(300)).is_none());
        assert!(scale_in_wait(&spec(), last, Some(change(60, 9, 11)), at(120)).is_none());
        assert!(scale_in_wait(&spec(), None, Some(change(60, 9, 11)), at(120)).is_none());
    }

    #[test]
    fn a_trial_waits_longer_after_a_scale_out() {
        let change = Some(change(0, 2, 1));
        assert!(trial_wait(change, None, at(59)).is_some());
        assert!(trial_wait(change, None, at(60)).is_none());
        assert!(trial_wait(None, change, at(3599)).is_some());
        assert!(trial_wait(None, change, at(3600)).is_none());
        assert!(trial_wait(None, None, at(0)).is_none());
    }

    #[test]
    fn no_scale_in_while_new_pods_warm_up() {
        assert!(warming_up(&spec(), Some(change(0, 6, 8)), at(120)).is_some());
        assert!(warming_up(&spec(), Some(change(0, 6, 8)), at(300)).is_none());
        assert!(warming_up(&spec(), None, at(0)).is_none());
    }
}
