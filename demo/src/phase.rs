//! The phases of a load, as typed on the command line: `15s@100` is 100 records a second for 15 s.

use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, Error, ensure};

/// A stretch of time with one rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phase {
    /// 1 s to 1 h.
    pub duration: Duration,
    /// Records a second, up to 100,000; 0 is a pause.
    pub rate: u64,
}

impl Phase {
    /// How many records this phase sends in all.
    pub fn records(self) -> u64 {
        self.rate * self.duration.as_secs()
    }

    /// How many of them are due once `elapsed` of the phase has passed.
    pub fn due(self, elapsed: Duration) -> u64 {
        let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        (self.rate.saturating_mul(millis) / 1000).min(self.records())
    }
}

impl FromStr for Phase {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (duration, rate) = text
            .split_once('@')
            .context("expected <duration>@<records a second>, as 15s@100")?;
        let (number, unit) = match (duration.strip_suffix('s'), duration.strip_suffix('m')) {
            (Some(seconds), _) => (seconds, 1),
            (_, Some(minutes)) => (minutes, 60),
            _ => (duration, 1),
        };
        let seconds: u64 = number
            .parse()
            .context("the duration is whole seconds, as 15s, or 2m")?;
        let seconds = seconds.saturating_mul(unit);
        ensure!((1..=3600).contains(&seconds), "the duration is 1s to 60m");
        let rate = rate
            .parse()
            .context("the rate is a whole number of records a second")?;
        ensure!(
            rate <= 100_000,
            "the rate is at most 100000 records a second"
        );
        Ok(Self {
            duration: Duration::from_secs(seconds),
            rate,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_seconds_and_minutes() {
        let phase: Phase = "15s@100".parse().unwrap();
        assert_eq!(
            phase,
            Phase {
                duration: Duration::from_secs(15),
                rate: 100
            }
        );
        assert_eq!("2m@5".parse::<Phase>().unwrap().records(), 600);
    }

    #[test]
    fn refuses_what_is_not_a_phase() {
        for text in [
            "",
            "15s",
            "s@1",
            "0s@1",
            "61m@1",
            "1s@-1",
            "1s@100001",
            "1h@1",
        ] {
            assert!(text.parse::<Phase>().is_err(), "{text:?} was accepted");
        }
    }

    #[test]
    fn records_are_due_evenly_and_never_more_than_all() {
        let phase = Phase {
            duration: Duration::from_secs(2),
            rate: 10,
        };
        assert_eq!(phase.due(Duration::ZERO), 0);
        assert_eq!(phase.due(Duration::from_millis(550)), 5);
        assert_eq!(phase.due(Duration::from_mins(1)), 20);
    }
}
