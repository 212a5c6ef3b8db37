//! What arrived in the hours before, up to a week back: what a forecast rests on. Kept in status, so
//! that a week is not lost with a restart, and therefore small: of an hour its mean and its peak,
//! three digits each.

use std::collections::VecDeque;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::api::decisions::HourlyArrivals;

/// How many hours are kept: a week.
pub const HOURS: usize = 7 * DAY;
/// Hours of a day.
const DAY: usize = 24;
/// Characters of one hour in status.
const CHARACTERS: usize = 3;
/// How an unknown hour is written.
const UNKNOWN: &str = "---";
/// The base of the numbers in status.
const BASE: u16 = 32;
/// One step of how much higher the peak was than the mean.
const STEP: f64 = 1.1;

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

/// An hour as it is kept: 100 x log10(1 + mean), which is a little more than 1 % exact, and by how
/// many steps the peak was higher, rounded up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Code {
    mean: u16,
    steps: u16,
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
        let hour = number_of(at);
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
            let ago = i64::try_from(hours).ok()? + self.current - number_of(at);
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
        let until = Timestamp::from_second(self.current.saturating_mul(SECONDS)).ok()?;
        let text = |code: &Option<Code>| match code {
            Some(code) => [code.mean / BASE, code.mean % BASE, code.steps]
                .map(digit)
                .iter()
                .collect(),
            None => UNKNOWN.to_owned(),
        };
        (!self.known.is_empty()).then(|| HourlyArrivals {
            until: Time(until),
            rates: self.known.iter().map(text).collect(),
        })
    }

    /// From status; what does not read as an hour is unknown.
    pub fn from_status(status: &HourlyArrivals) -> Self {
        let characters: Vec<char> = status.rates.chars().collect();
        let number = |character: char| {
            let digit = character.to_digit(BASE.into())?;
            u16::try_from(digit).ok()
        };
        let code = |hour: &[char]| match *hour {
            [high, low, steps] => Some(Code {
                mean: number(high)? * BASE + number(low)?,
                steps: number(steps)?,
            }),
            _ => None,
        };
        let hours = characters.chunks(CHARACTERS).take(HOURS);
        Self {
            current: number_of(status.until.0),
            known: hours.map(code).collect(),
            running: Running::default(),
        }
    }
}

impl Running {
    fn code(&self) -> Option<Code> {
        let mean = self.sum / self.looks;
        (self.looks > 0.0).then(|| {
            let higher = ((1.0 + self.peak) / (1.0 + mean)).log10() / STEP.log10();
            Code {
                mean: whole(100.0 * (1.0 + mean.max(0.0)).log10(), BASE * BASE - 1),
                steps: whole(higher.ceil(), BASE - 1),
            }
        })
    }
}

impl Code {
    fn hour(self) -> Hour {
        let mean = 10_f64.powf(f64::from(self.mean) / 100.0);
        Hour {
            mean: mean - 1.0,
            peak: mean * STEP.powi(self.steps.into()) - 1.0,
        }
    }
}

/// A digit to the base 32.
fn digit(number: u16) -> char {
    char::from_digit(number.into(), BASE.into()).unwrap_or('-')
}

/// Seconds of an hour.
const SECONDS: i64 = 3600;

/// The number of the hour, counted from 1970.
fn number_of(at: Timestamp) -> i64 {
    at.as_second().div_euclid(SECONDS)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to what a u16 holds"
)]
fn whole(value: f64, most: u16) -> u16 {
    value.round().clamp(0.0, most.into()) as u16
}
