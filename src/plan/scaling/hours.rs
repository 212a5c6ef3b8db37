//! What arrived in the hours before, up to a week back: what a forecast rests on. Kept in status, so
//! that a week is not lost with a restart, and therefore small: of an hour its mean and its peak,
//! three digits each.

use std::{collections::VecDeque, fmt::Write};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::api::decisions::HourlyArrivals;

/// How many hours are kept: a week.
pub const HOURS: usize = 7 * DAY;
/// Hours of a day.
const DAY: usize = 24;
/// Digits of one number in status.
const DIGITS: usize = 3;
/// How an hour without a number is written.
const UNKNOWN: &str = "---";

/// Arrival rates of one hour, in records per second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hour {
    /// Their mean.
    pub mean: f64,
    /// The highest, over the time that rates are taken over.
    pub peak: f64,
}

/// The arrival rates of the hours before, and of the one that runs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hours {
    /// The number of the hour that runs, counted from 1970.
    current: i64,
    /// Those before it, oldest first; the last one is the hour before.
    known: VecDeque<Option<Code>>,
    running: Running,
}

/// An hour as it is kept: 100 x log10(1 + rate), which is a little more than 2 % exact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Code {
    mean: u16,
    peak: u16,
}

/// The hour that runs; a restart loses it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Running {
    sum: f64,
    looks: f64,
    peak: f64,
}

impl Hours {
    /// Takes in the arrival rate of a look, where it is known.
    pub fn keep(&mut self, at: Timestamp, rate: Option<f64>) {
        let hour = number(at);
        if hour != self.current {
            self.turn_to(hour);
        }
        if let Some(rate) = rate.filter(|rate| rate.is_finite()) {
            self.running.sum += rate;
            self.running.looks += 1.0;
            self.running.peak = self.running.peak.max(rate);
        }
    }

    /// Ends the hour that ran. Hours that nobody looked at are unknown; time that goes back, or a
    /// week without a look, leaves nothing.
    fn turn_to(&mut self, hour: i64) {
        let running = std::mem::take(&mut self.running);
        let passed = usize::try_from(hour - self.current).unwrap_or(usize::MAX);
        self.current = hour;
        if passed > HOURS {
            self.known.clear();
            return;
        }
        self.known.push_back(running.code());
        self.known.extend(std::iter::repeat_n(None, passed - 1));
        // What is unknown before the first hour that is known says nothing.
        while self.known.len() > HOURS || self.known.front().is_some_and(Option::is_none) {
            self.known.pop_front();
        }
    }

    /// What is to be expected in the hour of `at`, which runs or is the next one, by the last
    /// `history` hours: what was in the same hour of the same day a week ago, or, where that is not
    /// known, the mean of the same hour on the days since. None until a day is known.
    pub fn forecast(&self, at: Timestamp, history: usize) -> Option<Hour> {
        let back = |hours: usize| {
            let ago = i64::try_from(hours).ok()? + self.current - number(at);
            let index = self.known.len().checked_sub(usize::try_from(ago).ok()?)?;
            self.known.get(index).copied().flatten()
        };
        let is_within = |hours: &usize| *hours <= history.min(HOURS);
        if let Some(week) = Some(HOURS).filter(is_within).and_then(back) {
            return Some(week.hour());
        }
        let days = (1..HOURS / DAY).map(|days| days * DAY);
        let hours: Vec<Hour> = days
            .filter(is_within)
            .filter_map(back)
            .map(Code::hour)
            .collect();
        let count = f64::from(u32::try_from(hours.len()).ok().filter(|&count| count > 0)?);
        Some(Hour {
            mean: hours.iter().map(|hour| hour.mean).sum::<f64>() / count,
            peak: hours.iter().map(|hour| hour.peak).sum::<f64>() / count,
        })
    }

    /// What belongs into status; nothing until an hour is over. It changes once an hour.
    pub fn to_status(&self) -> Option<HourlyArrivals> {
        if self.known.is_empty() {
            return None;
        }
        let until = self.current.saturating_mul(SECONDS);
        let text = |number: fn(&Code) -> u16| {
            self.known.iter().fold(String::new(), |mut text, code| {
                match code {
                    Some(code) => _ = write!(text, "{:03}", number(code)),
                    None => text.push_str(UNKNOWN),
                }
                text
            })
        };
        Some(HourlyArrivals {
            until: Time(Timestamp::from_second(until).ok()?),
            means: text(|code| code.mean),
            peaks: text(|code| code.peak),
        })
    }

    /// From status; what is not three digits is unknown.
    pub fn from_status(status: &HourlyArrivals) -> Self {
        let digits = |text: &str, i: usize| {
            let number = text.get(i * DIGITS..(i + 1) * DIGITS)?;
            number.parse::<u16>().ok()
        };
        let count = (status.means.len() / DIGITS).min(HOURS);
        let code = |i| {
            Some(Code {
                mean: digits(&status.means, i)?,
                peak: digits(&status.peaks, i)?,
            })
        };
        Self {
            current: number(status.until.0),
            known: (0..count).map(code).collect(),
            running: Running::default(),
        }
    }
}

impl Running {
    fn code(&self) -> Option<Code> {
        (self.looks > 0.0).then(|| Code {
            mean: encode(self.sum / self.looks),
            peak: encode(self.peak),
        })
    }
}

impl Code {
    fn hour(self) -> Hour {
        let rate = |code: u16| 10_f64.powf(f64::from(code) / 100.0) - 1.0;
        Hour {
            mean: rate(self.mean),
            peak: rate(self.peak),
        }
    }
}

/// Seconds of an hour.
const SECONDS: i64 = 3600;

/// The number of the hour, counted from 1970.
fn number(at: Timestamp) -> i64 {
    at.as_second().div_euclid(SECONDS)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to three digits"
)]
fn encode(rate: f64) -> u16 {
    let code = (100.0 * (1.0 + rate.max(0.0)).log10()).round();
    code.clamp(0.0, 999.0) as u16
}
