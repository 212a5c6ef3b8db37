//! The samples that alarms and rules look back on: of each series that a policy reads, as far back
//! as the longest window that reads it. Bounded; it dies with the process and fills again, and
//! until then a policy that looks back cannot tell.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;

use super::series::Series;
use crate::api::{
    common::Duration,
    policies::{Policy, PolicyKind, ScaleRule, TIME_LAG},
};

/// How many samples are kept of one series: twice a window of 2 h at the default interval. Of a
/// longer one neighbouring samples are taken together.
const KEPT: i64 = 2880;

/// The bounded past of the series that are looked back on, each oldest first.
#[derive(Clone, Debug, Default)]
pub struct Windows {
    samples: BTreeMap<String, VecDeque<Sample>>,
}

/// One sample, or neighbouring ones taken together; times are milliseconds since 1970.
#[derive(Clone, Copy, Debug)]
struct Sample {
    first: i64,
    last: i64,
    values: Values,
}

/// The values of some stretch of time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Values {
    /// How many there are; never 0.
    pub count: f64,
    /// Their sum.
    pub sum: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
    /// Whether a value may have been higher: an age that is only known to be no less.
    pub or_more: bool,
}

impl Values {
    const fn one(value: f64, or_more: bool) -> Self {
        Self {
            count: 1.0,
            sum: value,
            min: value,
            max: value,
            or_more,
        }
    }

    /// Their mean.
    pub fn mean(&self) -> f64 {
        self.sum / self.count
    }

    fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.sum += other.sum;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.or_more |= other.or_more;
    }
}

/// A look back: equal stretches that follow one another without a gap and end now.
#[derive(Clone, Copy, Debug)]
pub struct Look<'a> {
    /// The series.
    pub metric: &'a str,
    /// The length of one stretch; at least the time between two samples.
    pub stretch: Duration,
    /// How far back they reach in all.
    pub window: Duration,
    /// The time between two samples.
    pub interval: Duration,
}

impl<'a> Look<'a> {
    /// The last periods of an alarm. A period cannot be shorter than the time between two samples.
    pub fn periods(metric: &'a str, period: Duration, count: i32, interval: Duration) -> Self {
        let stretch = period.max(interval);
        let count = u64::try_from(count).unwrap_or(1).max(1);
        Self {
            metric,
            stretch,
            window: Duration::from_secs(stretch.as_secs().saturating_mul(count)),
            interval,
        }
    }

    /// The grains of a rule's window; a grain cannot be shorter than the time between two samples.
    pub fn grains(rule: &'a ScaleRule, interval: Duration) -> Self {
        let stretch = rule.time_grain.max(interval);
        Self {
            metric: &rule.metric,
            stretch,
            window: rule.time_window.max(stretch),
            interval,
        }
    }
}

/// What a look back found.
#[derive(Clone, Debug, PartialEq)]
pub struct Past {
    /// The values of each stretch, newest first; none where there was no sample.
    pub stretches: Vec<Option<Values>>,
    /// Whether a value may have been higher.
    pub or_more: bool,
    /// Whether there were samples already when the window began, and since then no hole as long as
    /// the window. What is seen of less would say something else after a restart than without one.
    pub is_whole: bool,
}

impl Windows {
    /// Keeps the values of this moment of every series that one of `policies` looks back on, and
    /// lets go what none of them reaches any more. A moment that is not later than the last adds
    /// nothing; one before it begins anew.
    pub fn keep<'a>(
        &mut self,
        policies: impl Iterator<Item = &'a Policy>,
        interval: Duration,
        at: Timestamp,
        series: &Series,
    ) {
        let mut spans: BTreeMap<&str, i64> = BTreeMap::new();
        for look in policies.flat_map(|policy| looks(policy, interval)) {
            let span = spans.entry(look.metric).or_default();
            *span = (*span).max(2 * milliseconds(look.window));
        }
        self.samples
            .retain(|name, _| spans.contains_key(name.as_str()));
        for (name, span) in spans {
            if !self.samples.contains_key(name) {
                self.samples.insert(name.to_owned(), VecDeque::new());
            }
            if let Some(samples) = self.samples.get_mut(name) {
                let or_more = name == TIME_LAG && series.time_lag_or_more;
                let value = series.value(name).filter(|value| value.is_finite());
                let values = value.map(|value| Values::one(value, or_more));
                keep(samples, at.as_millisecond(), values, span);
            }
        }
    }

    /// What the samples say, as seen at `at`. A stretch of length `l` that ends at `e` takes the
    /// samples of `(e - l, e]`.
    pub fn look(&self, look: Look<'_>, at: Timestamp) -> Past {
        let (stretch, window) = (milliseconds(look.stretch), milliseconds(look.window));
        let count = usize::try_from((window + stretch - 1) / stretch).unwrap_or(1);
        let mut stretches = vec![None; count];
        let Some(samples) = self.samples.get(look.metric) else {
            return Past {
                stretches,
                or_more: false,
                is_whole: false,
            };
        };
        let now = at.as_millisecond();
        let (mut oldest, mut before) = (None, None);
        let (mut index, mut end) = (0, stretch);
        for sample in samples.iter().rev() {
            let age = now - sample.last;
            if age >= window {
                before = Some(age);
                break;
            }
            oldest = Some(age);
            while age >= end {
                index += 1;
                end += stretch;
            }
            match stretches.get_mut(index) {
                Some(Some(values)) => Values::add(values, &sample.values),
                Some(none) => *none = Some(sample.values),
                None => break,
            }
        }
        let begins = window - milliseconds(look.interval);
        let is_whole = oldest.is_some_and(|oldest| {
            oldest >= begins || before.is_some_and(|before| before - oldest < window)
        });
        Past {
            or_more: stretches.iter().flatten().any(|values| values.or_more),
            stretches,
            is_whole,
        }
    }
}

/// Adds a sample, if there is a value, and lets go those that are older than `span`.
fn keep(samples: &mut VecDeque<Sample>, at: i64, values: Option<Values>, span: i64) {
    if samples.back().is_some_and(|newest| newest.last > at) {
        samples.clear();
    }
    while samples.front().is_some_and(|s| s.last <= at - span) {
        samples.pop_front();
    }
    let Some(values) = values else {
        return;
    };
    match samples.back_mut() {
        Some(newest) if newest.last == at => {}
        Some(newest) if at - newest.first < span / KEPT => {
            newest.last = at;
            newest.values.add(&values);
        }
        _ => samples.push_back(Sample {
            first: at,
            last: at,
            values,
        }),
    }
}

/// How far back the longest look of `policies` reaches; nothing where none looks back.
pub fn longest<'a>(policies: impl Iterator<Item = &'a Policy>, interval: Duration) -> Duration {
    let looks = policies.flat_map(|policy| looks(policy, interval));
    let longest = looks.map(|look| look.window).max();
    longest.unwrap_or(Duration::from_secs(0))
}

/// What a policy looks back on.
fn looks(policy: &Policy, interval: Duration) -> Vec<Look<'_>> {
    match policy.kind() {
        Some(PolicyKind::Step(step)) => vec![Look::periods(
            &step.metric,
            step.period,
            step.evaluation_periods,
            interval,
        )],
        Some(PolicyKind::Simple(simple)) => vec![Look::periods(
            &simple.metric,
            simple.period,
            simple.evaluation_periods,
            interval,
        )],
        Some(PolicyKind::Rules(rules)) => rules
            .iter()
            .map(|rule| Look::grains(rule, interval))
            .collect(),
        _ => Vec::new(),
    }
}

/// The length in whole milliseconds; at least one.
fn milliseconds(length: Duration) -> i64 {
    i64::try_from(length.as_std().as_millis())
        .unwrap_or(i64::MAX)
        .max(1)
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan;
    use serde_json::json;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + seconds.seconds()
    }

    fn alarm(period: &str, periods: i32) -> Policy {
        serde_json::from_value(json!({"name": "a", "step": {
            "metric": "cpu", "threshold": 50, "period": period, "evaluationPeriods": periods,
            "steps": [{"lowerBound": 0, "adjustment": 1}]}}))
        .unwrap()
    }

    fn cpu(value: Option<f64>) -> Series {
        Series {
            others: [("cpu".to_owned(), value)].into(),
            ..Series::default()
        }
    }

    /// The windows after samples at these seconds.
    fn filled(policy: &Policy, interval: u64, samples: &[(i64, Option<f64>)]) -> Windows {
        let mut windows = Windows::default();
        for &(seconds, value) in samples {
            let interval = Duration::from_secs(interval);
            let policies = std::iter::once(policy);
            windows.keep(policies, interval, at(seconds), &cpu(value));
        }
        windows
    }

    fn past(windows: &Windows, stretch: u64, window: u64, seconds: i64) -> Past {
        let interval = Duration::from_secs(60);
        let look = Look {
            metric: "cpu",
            stretch: Duration::from_secs(stretch),
            window: Duration::from_secs(window),
            interval,
        };
        windows.look(look, at(seconds))
    }

    #[test]
    fn a_stretch_takes_its_end_and_not_its_start() {
        let samples = [(0, 1.0), (30, 2.0), (60, 4.0), (90, 8.0), (120, 16.0)];
        let samples = samples.map(|(seconds, value)| (seconds, Some(value)));
        let windows = filled(&alarm("60s", 3), 30, &samples);
        let means = |past: Past| -> Vec<f64> {
            let stretches = past.stretches.iter().flatten();
            stretches.map(Values::mean).collect()
        };
        assert_eq!(means(past(&windows, 60, 120, 120)), [12.0, 3.0]);
        let newest = past(&windows, 60, 60, 120).stretches[0].unwrap();
        assert_eq!((newest.count, newest.sum), (2.0, 24.0));
        assert_eq!((newest.min, newest.max), (8.0, 16.0));
        // The last stretch of a window that is not a multiple is shorter.
        assert_eq!(means(past(&windows, 60, 90, 120)), [12.0, 4.0]);
    }

    #[test]
    fn a_hole_is_none_and_a_look_that_reaches_beyond_the_first_sample_is_not_whole() {
        let samples = [(60, Some(1.0)), (120, None), (180, Some(4.0))];
        let windows = filled(&alarm("60s", 5), 60, &samples);
        let three = past(&windows, 60, 180, 180);
        let has_values: Vec<bool> = three.stretches.iter().map(Option::is_some).collect();
        assert_eq!(
            (has_values, three.is_whole),
            (vec![true, false, true], true)
        );
        assert!(!past(&windows, 60, 240, 180).is_whole);
        assert!(!past(&Windows::default(), 60, 60, 0).is_whole);
    }

    #[test]
    fn after_a_hole_as_long_as_the_window_it_begins_anew() {
        for (second, is_whole) in [(299, true), (300, false)] {
            let samples = [(60, Some(1.0)), (120, Some(1.0)), (second, Some(2.0))];
            // However much is kept for the sake of another policy.
            for periods in [3, 9] {
                let windows = filled(&alarm("60s", periods), 60, &samples);
                assert_eq!(past(&windows, 60, 180, second).is_whole, is_whole);
            }
        }
    }

    #[test]
    fn what_no_policy_reads_any_more_is_let_go() {
        let mut windows = filled(&alarm("60s", 1), 60, &[(0, Some(1.0))]);
        windows.keep(
            std::iter::empty(),
            Duration::from_secs(60),
            at(60),
            &cpu(None),
        );
        assert!(windows.samples.is_empty());
    }

    #[test]
    fn a_moment_that_is_not_later_adds_nothing_and_an_earlier_one_begins_anew() {
        let windows = filled(&alarm("60s", 2), 60, &[(60, Some(1.0)), (60, Some(9.0))]);
        let newest = past(&windows, 60, 60, 60).stretches[0];
        assert_eq!(newest, Some(Values::one(1.0, false)));
        let windows = filled(&alarm("60s", 2), 60, &[(60, Some(1.0)), (0, Some(9.0))]);
        assert_eq!(past(&windows, 60, 120, 60).stretches.len(), 2);
        assert_eq!(past(&windows, 60, 120, 60).stretches[0], None);
    }

    /// 12 h at one sample a second: the memory is bounded, and the mean is still that of all.
    #[test]
    fn a_long_window_takes_neighbours_together() {
        let policy = alarm("1h", 12);
        let mut windows = Windows::default();
        for seconds in 0..50_000 {
            let value = if seconds % 2 == 0 { 10.0 } else { 30.0 };
            windows.keep(
                std::iter::once(&policy),
                Duration::from_secs(1),
                at(seconds),
                &cpu(Some(value)),
            );
        }
        let kept = windows.samples["cpu"].len();
        assert!(kept <= 2 + usize::try_from(KEPT).unwrap(), "{kept}");
        let hours = past(&windows, 3600, 12 * 3600, 49_999);
        assert!(hours.is_whole);
        for hour in hours.stretches.iter().flatten() {
            assert!((hour.mean() - 20.0).abs() < 0.1, "{hour:?}");
            assert!((hour.count - 3600.0).abs() <= 30.0, "{hour:?}");
        }
    }

    #[test]
    fn a_period_is_at_least_as_long_as_the_time_between_samples() {
        let minute = Duration::from_secs(60);
        let look = Look::periods("cpu", minute, 3, Duration::from_secs(300));
        assert_eq!((look.stretch.as_secs(), look.window.as_secs()), (300, 900));
    }
}
