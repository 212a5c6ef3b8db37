//! When something recurs: cron expressions and IANA time zones, with their daylight saving time. A
//! moment that the clocks skip is taken at their next moment, one that they repeat counts once,
//! unless the expression names no hour. The time zones are part of the program: the operator and a
//! simulation anywhere else know the same ones.

use std::sync::LazyLock;

use croner::{
    Cron,
    parser::{CronParser, Seconds, Year},
};
use jiff::{
    Timestamp,
    civil::DateTime,
    tz::{TimeZone, TimeZoneDatabase},
};

use crate::api::{
    common::Duration,
    schedules::{Recurrence, Schedule, Weekday},
};

static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// The moments at which something occurs.
#[derive(Debug)]
pub enum Moments {
    /// Once.
    Once(Timestamp),
    /// By a cron expression, in a time zone.
    Cron(Box<Cron>, TimeZone),
}

impl Moments {
    /// When a schedule occurs, without its `start` and `end`.
    ///
    /// # Errors
    /// The field that is wrong, and what is wrong with it.
    pub fn of_schedule(schedule: &Schedule) -> Result<Self, (&'static str, String)> {
        if let Some(at) = &schedule.at {
            return Ok(Self::Once(at.0));
        }
        let text = schedule.schedule.as_deref().unwrap_or_default();
        let zone = zone(&schedule.time_zone).map_err(|message| ("timeZone", message))?;
        let cron = cron(text).map_err(|message| ("schedule", message))?;
        Ok(Self::Cron(Box::new(cron), zone))
    }

    /// When a profile begins.
    ///
    /// # Errors
    /// The field that is wrong, and what is wrong with it.
    pub fn of_recurrence(recurrence: &Recurrence) -> Result<Self, (&'static str, String)> {
        let zone = zone(&recurrence.time_zone).map_err(|message| ("timeZone", message))?;
        let text = format!(
            "{} {} * * {}",
            list(&recurrence.minutes),
            list(&recurrence.hours),
            list(
                &recurrence
                    .days
                    .iter()
                    .copied()
                    .map(number)
                    .collect::<Vec<_>>()
            )
        );
        let cron = cron(&text).map_err(|message| ("hours", message))?;
        Ok(Self::Cron(Box::new(cron), zone))
    }

    /// The last moment at or before `at`.
    pub fn last(&self, at: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Once(moment) => Some(*moment).filter(|moment| *moment <= at),
            Self::Cron(cron, zone) => cron
                .find_previous_occurrence(&at.to_zoned(zone.clone()), true)
                .ok()
                .map(|moment| moment.timestamp()),
        }
    }

    /// The first moment at or after `at`.
    pub fn next(&self, at: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Once(moment) => Some(*moment).filter(|moment| *moment >= at),
            Self::Cron(cron, zone) => cron
                .find_next_occurrence(&at.to_zoned(zone.clone()), true)
                .ok()
                .map(|moment| moment.timestamp()),
        }
    }
}

/// The moment so long after `from`.
pub fn after(from: Timestamp, duration: Duration) -> Timestamp {
    let seconds = i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
    from.saturating_add(jiff::SignedDuration::from_secs(seconds))
        .unwrap_or(Timestamp::MAX)
}

/// The time zone of this name.
///
/// # Errors
/// When there is none; the text says what to do.
pub fn zone(name: &str) -> Result<TimeZone, String> {
    ZONES.get(name).map_err(|_| {
        format!("there is no time zone {name}: use an IANA name such as Europe/Paris, or UTC")
    })
}

/// A local date and time, in a time zone.
///
/// # Errors
/// When the calendar has no such date; the text says what to do.
pub fn local(text: &str, zone: &TimeZone) -> Result<Timestamp, String> {
    let wrong = || format!("{text} is not a local date and time: write it as 2026-12-24T00:00:00");
    let local: DateTime = text.parse().map_err(|_| wrong())?;
    let moment = zone.to_ambiguous_timestamp(local).compatible();
    moment.map_err(|_| wrong())
}

/// A cron expression of five fields.
///
/// # Errors
/// When it is none, or one that no day meets; the text says what is wrong.
fn cron(text: &str) -> Result<Cron, String> {
    let wrong = |why: &str| {
        format!(
            "`{text}` is not a cron expression ({why}): write minute, hour, day of month, month \
             and day of week, such as 0 6 * * 1-5"
        )
    };
    // The parser knows more than the five fields of cron, such as L for the last day of a month.
    let is_plain = |c: char| c.is_ascii_alphanumeric() || " \t*,-/".contains(c);
    let words = text.split(|c: char| !c.is_ascii_alphabetic());
    if !text.chars().all(is_plain) || !words.into_iter().all(|word| matches!(word.len(), 0 | 3)) {
        return Err(wrong("only digits, names of days and months, * , - and /"));
    }
    CronParser::builder()
        .seconds(Seconds::Disallowed)
        .year(Year::Disallowed)
        .build()
        .parse(text)
        .map_err(|error| wrong(error.to_string().trim_end_matches('.')))
}

fn list<T: ToString>(values: &[T]) -> String {
    let values: Vec<String> = values.iter().map(ToString::to_string).collect();
    values.join(",")
}

/// The day's number in cron.
const fn number(day: Weekday) -> i8 {
    match day {
        Weekday::Monday => 1,
        Weekday::Tuesday => 2,
        Weekday::Wednesday => 3,
        Weekday::Thursday => 4,
        Weekday::Friday => 5,
        Weekday::Saturday => 6,
        Weekday::Sunday => 7,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(text: &str, name: &str) -> Moments {
        Moments::Cron(Box::new(cron(text).unwrap()), zone(name).unwrap())
    }

    fn last(text: &str, name: &str, at: &str) -> String {
        let last = moments(text, name).last(at.parse().unwrap());
        last.map(|at| at.to_string()).unwrap_or_default()
    }

    /// Europe/Berlin goes from UTC+1 to UTC+2 on 2026-03-29 at 01:00Z, and back on 2026-10-25.
    #[test]
    fn the_local_hour_stays_when_the_clocks_change() {
        for (text, at, expected) in [
            ("0 8 * * *", "2026-03-27T12:00:00Z", "2026-03-27T07:00:00Z"),
            ("0 8 * * *", "2026-03-30T12:00:00Z", "2026-03-30T06:00:00Z"),
            ("0 8 * * *", "2026-03-30T05:59:59Z", "2026-03-29T06:00:00Z"),
            ("0 8 * * *", "2026-03-30T06:00:00Z", "2026-03-30T06:00:00Z"),
        ] {
            assert_eq!(last(text, "Europe/Berlin", at), expected, "{text} at {at}");
        }
    }

    #[test]
    fn a_moment_that_the_clocks_skip_comes_right_after_the_change() {
        let at = "2026-03-29T12:00:00Z";
        assert_eq!(
            last("30 2 * * *", "Europe/Berlin", at),
            "2026-03-29T01:00:00Z"
        );
    }

    #[test]
    fn a_moment_that_the_clocks_repeat_counts_once_unless_every_hour_is_meant() {
        // 02:40 for the second time.
        let at = "2026-10-25T01:40:00Z";
        assert_eq!(
            last("30 2 * * *", "Europe/Berlin", at),
            "2026-10-25T00:30:00Z"
        );
        assert_eq!(
            last("*/15 * * * *", "Europe/Berlin", at),
            "2026-10-25T01:30:00Z"
        );
    }

    #[test]
    fn days_are_those_of_the_week_or_of_the_month() {
        for (text, at, expected) in [
            (
                "0 8 * * 1-5",
                "2026-01-11T12:00:00Z",
                "2026-01-09T08:00:00Z",
            ),
            (
                "0 8 * * MON-FRI",
                "2026-01-11T12:00:00Z",
                "2026-01-09T08:00:00Z",
            ),
            ("0 8 * * 7", "2026-01-12T12:00:00Z", "2026-01-11T08:00:00Z"),
            ("0 0 29 2 *", "2026-01-12T12:00:00Z", "2024-02-29T00:00:00Z"),
            // Either day, as cron has it: the 1st, or a Friday.
            ("0 8 1 * 5", "2026-01-08T12:00:00Z", "2026-01-02T08:00:00Z"),
        ] {
            assert_eq!(last(text, "UTC", at), expected, "{text} at {at}");
        }
    }

    #[test]
    fn only_five_fields_are_an_expression() {
        for text in [
            "",
            "0 8 * *",
            "0 0 8 * * *",
            "60 8 * * *",
            "0 24 * * *",
            "0 8 32 * *",
            "@daily",
            "0 8 * * 5L",
            "0 8 L * *",
            "0 8 ? * 1",
            "0 8 * * MONDAY",
            "5/10 * * * *",
        ] {
            let message = cron(text).unwrap_err();
            assert!(message.contains("such as 0 6 * * 1-5"), "{message}");
        }
    }

    #[test]
    fn the_time_zones_are_part_of_the_program() {
        for name in ["UTC", "Europe/Paris", "America/New_York", "Asia/Kolkata"] {
            assert!(zone(name).is_ok(), "{name}");
        }
        for name in ["", "Mars/Olympus", "CEST+1"] {
            assert!(zone(name).unwrap_err().contains("IANA"), "{name}");
        }
    }

    #[test]
    fn local_times_are_dates_of_the_calendar() {
        let berlin = zone("Europe/Berlin").unwrap();
        let moment = |text| local(text, &berlin).map(|at| at.to_string());
        assert_eq!(
            moment("2026-07-01T08:00:00").as_deref(),
            Ok("2026-07-01T06:00:00Z")
        );
        assert_eq!(
            moment("2026-03-29T02:30:00").as_deref(),
            Ok("2026-03-29T01:30:00Z")
        );
        assert!(moment("2026-02-30T08:00:00").is_err());
        assert!(moment("tomorrow").is_err());
    }
}
