//! Rates over the looks of some time: what arrives, what is processed, and what pods were seen to
//! do at least. Commits come in lumps, so a rate needs more than one interval.

use super::{
    history::{History, Look},
    time::seconds_between,
};
use crate::api::common::Duration;

/// Rates are taken over at least this time, in seconds.
pub const RATE_SECONDS: f64 = 15.0;
/// Rates are taken over at least so many intervals.
const RATE_INTERVALS: f64 = 3.0;

/// Records per second over the time up to a look, in all or per pod.
#[derive(Debug)]
pub struct Rates {
    /// That arrive.
    pub arrival: f64,
    /// That arrived since the look before.
    pub newest_arrival: f64,
    /// That are processed.
    pub consume: f64,
    /// That one pod was seen to process at least, over twice the time.
    pub sustained: Option<f64>,
    /// That arrive for one ready pod, by the rate or since the last look, whichever is higher; known
    /// only when these pods run, warm, in a settled group.
    pub load: Option<f64>,
}

impl Rates {
    /// `None` until there are looks over the whole time: a rate over less would jump about, and
    /// would differ after a restart from what it was before.
    pub fn ending_with(interval: Duration, history: &History, look: Look) -> Option<Self> {
        let interval = interval.as_secs_f64();
        let length = RATE_SECONDS.max(RATE_INTERVALS * interval);
        let window = Window::over(history, look, length, interval)?;
        let double = Window::over(history, look, 2.0 * length, interval);
        let arrival = window.rate(|l| l.arrived);
        let newest_arrival = window.newest_arrival_rate();
        let load = newest_arrival.max(arrival) / f64::from(look.ready.max(1));
        Some(Self {
            arrival,
            newest_arrival,
            consume: window.rate(|l| l.consumed),
            sustained: double.map(|w| w.sustained()),
            load: look.settled.then_some(load),
        })
    }
}

/// The looks of some time, oldest first; at least two.
#[derive(Debug)]
struct Window {
    looks: Vec<Look>,
    seconds: f64,
}

impl Window {
    /// The looks of the last `length` seconds, if they reach so far back and not much farther.
    fn over(history: &History, look: Look, length: f64, interval: f64) -> Option<Self> {
        let age = |l: &Look| seconds_between(l.at, look.at);
        // Half an interval of tolerance: timers are never exact.
        let reaches = |l: &Look| age(l) >= length - interval / 2.0;
        let first = history.looks().iter().rposition(reaches)?;
        let looks: Vec<Look> = history
            .looks()
            .range(first..)
            .copied()
            .chain([look])
            .collect();
        let seconds = looks.first().map(age)?;
        (seconds <= 2.0 * length).then_some(Self { looks, seconds })
    }

    fn rate(&self, total: impl Fn(&Look) -> f64) -> f64 {
        let (first, last) = (
            self.looks.first().map(&total),
            self.looks.last().map(&total),
        );
        (last.unwrap_or(0.0) - first.unwrap_or(0.0)) / self.seconds
    }

    fn newest_arrival_rate(&self) -> f64 {
        let [.., before, last] = self.looks.as_slice() else {
            return 0.0;
        };
        let seconds = seconds_between(before.at, last.at);
        if seconds > 0.0 {
            (last.arrived - before.arrived) / seconds
        } else {
            0.0
        }
    }

    /// Records per second and pod without the largest lump, which may have waited for its commit
    /// since before the window: a bound must not be too high.
    fn sustained(&self) -> f64 {
        let lumps = self.looks.windows(2).map(|pair| match pair {
            [before, after] => after.consumed - before.consumed,
            _ => 0.0,
        });
        let largest = lumps.fold(0.0, f64::max);
        let rate = self.rate(|l| l.consumed) - largest / self.seconds;
        let pods = self.looks.iter().map(|l| l.replicas).max();
        rate.max(0.0) / f64::from(pods.unwrap_or(0).max(1))
    }
}
