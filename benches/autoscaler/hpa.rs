//! The `HorizontalPodAutoscaler` on one external metric of the type `AverageValue`, written from the
//! Kubernetes documentation and from what its controller is known to do (v2, `behavior` given).
//! One instance follows one Deployment.

use std::collections::VecDeque;

/// What a sync of the controller goes by.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Fewest replicas, at least 1.
    pub min: i32,
    /// Most replicas.
    pub max: i32,
    /// The metric a replica, in thousandths.
    pub target: i64,
    /// How far the ratio may lie above 1 without an effect.
    pub tolerance_up: f64,
    /// How far it may lie below.
    pub tolerance_down: f64,
    /// `behavior.scaleUp`.
    pub up: Rules,
    /// `behavior.scaleDown`.
    pub down: Rules,
}

/// One direction of `behavior`.
#[derive(Clone, Debug)]
pub struct Rules {
    /// `stabilizationWindowSeconds`.
    pub window: i64,
    /// `selectPolicy`.
    pub select: Select,
    /// `policies`.
    pub limits: Vec<Limit>,
}

/// Which of several limits holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Select {
    /// The one that allows more.
    Max,
    /// The one that allows less.
    Min,
    /// No change in this direction.
    Disabled,
}

/// How much the count may change within `period` seconds.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// Replicas, or per cent.
    pub amount: Amount,
    /// Seconds.
    pub period: i64,
}

/// The size of a change.
#[derive(Clone, Copy, Debug)]
pub enum Amount {
    /// `type: Pods`.
    Pods(i32),
    /// `type: Percent`.
    Percent(i32),
}

impl Settings {
    /// The documented defaults, for a metric of `target` thousandths a replica.
    pub fn defaults(min: i32, max: i32, target: i64) -> Self {
        let limit = |amount| Limit { amount, period: 15 };
        Self {
            min,
            max,
            target,
            tolerance_up: 0.1,
            tolerance_down: 0.1,
            up: Rules {
                window: 0,
                select: Select::Max,
                limits: vec![limit(Amount::Percent(100)), limit(Amount::Pods(4))],
            },
            down: Rules {
                window: 300,
                select: Select::Max,
                limits: vec![limit(Amount::Percent(100))],
            },
        }
    }
}

/// The controller's view of one Deployment.
#[derive(Clone, Debug)]
pub struct Hpa {
    settings: Settings,
    /// What was wanted, and when.
    wishes: VecDeque<(i64, i32)>,
    /// Replicas added, and when.
    added: VecDeque<(i64, i32)>,
    removed: VecDeque<(i64, i32)>,
}

impl Hpa {
    pub const fn new(settings: Settings) -> Self {
        Self {
            settings,
            wishes: VecDeque::new(),
            added: VecDeque::new(),
            removed: VecDeque::new(),
        }
    }

    /// One sync at second `now`: the count for `metric` thousandths over all replicas. Without
    /// replicas the HPA is switched off.
    pub fn sync(&mut self, now: i64, replicas: i32, metric: i64) -> i32 {
        let Settings { min, max, .. } = self.settings;
        if replicas == 0 {
            return 0;
        }
        if self.wishes.is_empty() {
            self.wishes.push_back((now, replicas));
        }
        let wanted = if replicas > max {
            max
        } else if replicas < min {
            min
        } else {
            let wanted = self.stabilized(now, replicas, self.wanted(replicas, metric));
            self.limited(now, replicas, wanted).clamp(min, max)
        };
        self.note(now, wanted - replicas);
        wanted
    }

    /// The metric over the target, unless its ratio to what the present count covers lies within
    /// the tolerance.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "as the controller computes it"
    )]
    fn wanted(&self, replicas: i32, metric: i64) -> i32 {
        let settings = &self.settings;
        let (metric, target) = (metric as f64, settings.target as f64);
        let ratio = metric / (target * f64::from(replicas));
        if (1.0 - settings.tolerance_down..=1.0 + settings.tolerance_up).contains(&ratio) {
            return replicas;
        }
        (metric / target).ceil() as i32
    }

    /// Not more than the lowest wish of the window upwards, not less than the highest one of the
    /// window downwards.
    fn stabilized(&mut self, now: i64, replicas: i32, wanted: i32) -> i32 {
        let Settings { up, down, .. } = &self.settings;
        let within = |window| {
            let wishes = self.wishes.iter();
            wishes
                .filter(move |&&(at, _)| at > now - window)
                .map(|&(_, count)| count)
        };
        let lowest = within(up.window).fold(wanted, i32::min);
        let highest = within(down.window).fold(wanted, i32::max);
        let kept = up.window.max(down.window);
        self.wishes.retain(|&(at, _)| at > now - kept);
        self.wishes.push_back((now, wanted));
        replicas.max(lowest).min(highest)
    }

    fn limited(&self, now: i64, replicas: i32, wanted: i32) -> i32 {
        if wanted > replicas {
            wanted.min(self.highest(now, replicas).max(replicas))
        } else {
            wanted.max(self.lowest(now, replicas).min(replicas))
        }
    }

    /// The count when the period of a limit began.
    fn at_start(&self, now: i64, replicas: i32, period: i64) -> i32 {
        let sum = |changes: &VecDeque<(i64, i32)>| -> i32 {
            let recent = changes.iter().filter(|&&(at, _)| at > now - period);
            recent.map(|&(_, count)| count).sum()
        };
        replicas - sum(&self.added) + sum(&self.removed)
    }

    fn highest(&self, now: i64, replicas: i32) -> i32 {
        let rules = &self.settings.up;
        let allowed = rules.limits.iter().map(|limit| {
            let start = self.at_start(now, replicas, limit.period);
            match limit.amount {
                Amount::Pods(pods) => start + pods,
                // Rounded up.
                Amount::Percent(percent) => (start * (100 + percent) + 99) / 100,
            }
        });
        match rules.select {
            Select::Max => allowed.max().unwrap_or(replicas),
            Select::Min => allowed.min().unwrap_or(replicas),
            Select::Disabled => replicas,
        }
    }

    fn lowest(&self, now: i64, replicas: i32) -> i32 {
        let rules = &self.settings.down;
        let allowed = rules.limits.iter().map(|limit| {
            let start = self.at_start(now, replicas, limit.period);
            match limit.amount {
                Amount::Pods(pods) => start - pods,
                // Truncated.
                Amount::Percent(percent) => start * (100 - percent) / 100,
            }
        });
        match rules.select {
            Select::Max => allowed.min().unwrap_or(replicas),
            Select::Min => allowed.max().unwrap_or(replicas),
            Select::Disabled => replicas,
        }
    }

    fn note(&mut self, now: i64, change: i32) {
        let (up, down) = (&self.settings.up, &self.settings.down);
        let periods = up.limits.iter().chain(&down.limits).map(|l| l.period);
        let kept = periods.max().unwrap_or(0);
        let changes = if change > 0 {
            &mut self.added
        } else {
            &mut self.removed
        };
        if change != 0 {
            changes.push_back((now, change.abs()));
        }
        for changes in [&mut self.added, &mut self.removed] {
            changes.retain(|&(at, _)| at > now - kept);
        }
    }
}

/// The vendor's cases. Those of several metrics and of pods that are not ready are left out: this
/// model has one metric, and an external one, which knows of no pods.
#[cfg(test)]
mod tests {
    use super::*;

    const FREE: Limit = Limit {
        amount: Amount::Pods(100_000),
        period: 15,
    };

    /// Bounds far away, no tolerance, no window, no limit worth the name.
    fn neutral(target: i64) -> Settings {
        let rules = Rules {
            window: 0,
            select: Select::Max,
            limits: vec![FREE],
        };
        Settings {
            tolerance_up: 0.0,
            tolerance_down: 0.0,
            up: rules.clone(),
            down: rules,
            ..Settings::defaults(1, 1000, target)
        }
    }

    fn limits(limits: &[(Amount, i64)]) -> Vec<Limit> {
        limits
            .iter()
            .map(|&(amount, period)| Limit { amount, period })
            .collect()
    }

    /// Lets the count follow for a metric that stays, one sync every `seconds`.
    fn course(settings: Settings, mut count: i32, metric: i64, seconds: i64, n: i64) -> Vec<i32> {
        let mut hpa = Hpa::new(settings);
        let counts = (0..n).map(|i| {
            count = hpa.sync(i * seconds, count, metric);
            count
        });
        counts.collect()
    }

    /// (target, replicas, metric a replica) in thousandths, and the count. An average over the
    /// replicas is a sum divided by them, so the vendor's cases of averages are cases of sums.
    #[test]
    fn the_count_follows_the_ratio_of_metric_and_target() {
        for (target, replicas, each, count) in [
            (100, 4, 200, 8),
            (100, 4, 50, 2),
            (40_000, 7, 120_000, 21),
            (40_000, 12, 20_000, 6),
            (40_000, 30, 52_000, 39),
            (300, 10, 270, 9),
            (5000, 3, 20_000, 12),
            (7000, 4, 18_000, 11),
        ] {
            let wanted = Hpa::new(neutral(target)).sync(0, replicas, each * i64::from(replicas));
            assert_eq!(wanted, count, "{replicas} at {each} against {target}");
        }
    }

    #[test]
    fn an_average_value_does_not_depend_on_the_present_count() {
        for (target, metric, replicas, count) in [
            (5000, 20_000, 3, 4),
            (5000, 20_000, 9, 4),
            (8000, 50_000, 2, 7),
            (8000, 50_000, 15, 7),
        ] {
            assert_eq!(Hpa::new(neutral(target)).sync(0, replicas, metric), count);
        }
    }

    /// (tolerance up, tolerance down, target, replicas, metric over all of them), the count.
    #[test]
    fn the_tolerance_holds_up_to_its_edge() {
        for (up, down, target, replicas, metric, count) in [
            (0.1, 0.1, 10_000, 10, 110_000, 10),
            (0.1, 0.1, 10_000, 10, 109_000, 10),
            (0.2, 0.0, 50_000, 10, 595_000, 10),
            (0.2, 0.0, 50_000, 10, 610_000, 13),
            (0.0, 0.1, 10_000, 10, 90_000, 10),
            (0.0, 0.1, 10_000, 10, 89_000, 9),
            (0.0, 0.1, 10_000, 10, 101_000, 11),
            (0.1, 0.1, 10_000, 10, 105_000, 10),
            (0.1, 0.1, 10_000, 10, 112_000, 12),
        ] {
            let settings = Settings {
                tolerance_up: up,
                tolerance_down: down,
                ..neutral(target)
            };
            let wanted = Hpa::new(settings).sync(0, replicas, metric);
            assert_eq!(wanted, count, "{metric} against {replicas} x {target}");
        }
    }

    #[test]
    fn of_two_limits_on_the_way_down_the_one_that_allows_more_holds() {
        let mut settings = neutral(10_000);
        settings.down.limits = limits(&[(Amount::Pods(4), 60), (Amount::Percent(10), 60)]);
        let minutes = course(settings.clone(), 80, 100_000, 120, 14);
        let expected = [72, 64, 57, 51, 45, 40, 36, 32, 28, 24, 20, 16, 12, 10];
        assert_eq!(minutes, expected);
        let mut hpa = Hpa::new(settings);
        let mut sync = |now, count| hpa.sync(now, count, 100_000);
        assert_eq!((sync(0, 80), sync(30, 72), sync(90, 72)), (72, 72, 64));
    }

    #[test]
    fn the_default_limits_double_or_add_four() {
        let mut settings = neutral(10_000);
        settings.up = Settings::defaults(1, 1000, 0).up;
        let course = |from, n| course(settings.clone(), from, 400_000, 20, n);
        assert_eq!(course(1, 5), [5, 10, 20, 40, 40]);
        assert_eq!(course(3, 4), [7, 14, 28, 40]);
    }

    #[test]
    fn select_policy_chooses_or_forbids() {
        let mut settings = neutral(10_000);
        settings.up.limits = limits(&[(Amount::Pods(4), 60), (Amount::Percent(100), 60)]);
        settings.up.select = Select::Min;
        assert_eq!(Hpa::new(settings).sync(0, 10, 400_000), 14);
        let mut settings = neutral(10_000);
        settings.down.select = Select::Disabled;
        assert_eq!(Hpa::new(settings.clone()).sync(0, 10, 50_000), 10);
        assert_eq!(Hpa::new(settings).sync(0, 10, 120_000), 12);
    }

    #[test]
    fn windows_take_the_cautious_wish() {
        let times = [0, 60, 120, 180, 330];
        for (is_down, wishes, count, last) in [
            (true, &[10, 8, 9, 5, 5][..], 10, 9),
            (false, &[4, 6, 8, 8], 4, 6),
        ] {
            let mut settings = neutral(10_000);
            let rules = if is_down {
                &mut settings.down
            } else {
                &mut settings.up
            };
            rules.window = 300;
            let mut hpa = Hpa::new(settings);
            let times = times[..wishes.len() - 1].iter().chain(&times[4..]);
            let wanted: Vec<_> = times
                .zip(wishes)
                .map(|(&now, &wish)| hpa.sync(now, count, i64::from(wish) * 10_000))
                .collect();
            let mut expected = vec![count; wishes.len()];
            *expected.last_mut().unwrap() = last;
            assert_eq!(wanted, expected);
        }
    }

    #[test]
    fn bounds_hold_and_zero_switches_off() {
        let settings = Settings::defaults(2, 10, 10_000);
        for (replicas, metric, count) in [(12, 0, 10), (1, 0, 2), (4, 90_000_000, 8), (0, 9, 0)] {
            let wanted = Hpa::new(settings.clone()).sync(0, replicas, metric);
            assert_eq!(wanted, count, "{replicas} at {metric}");
        }
    }
}
