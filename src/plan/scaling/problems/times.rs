//! Schedules and profiles: cron expressions and time zones that exist, lengths of time, counts, and
//! profiles of which only one can hold at a time.

use jiff::{Timestamp, civil::date};

use super::{COUNTS, Report};
use crate::{
    api::{
        scaling::Autoscaling,
        schedules::{FixedDate, Profile, Recurrence, Schedule},
    },
    plan::scaling::calendar::{self, Moments},
};

const WEEK: u64 = 7 * 24 * 3600;
/// A week in minutes.
const MINUTES: usize = 7 * 24 * 60;

/// Checks every schedule.
pub fn schedules(spec: &Autoscaling, report: &mut Report) {
    let names = spec.schedules.iter().map(|schedule| schedule.name.as_str());
    report.unique("schedules", names);
    for (index, schedule) in spec.schedules.iter().enumerate() {
        let path = format!("schedules[{index}]");
        moments(schedule, &path, report);
        counts(spec, schedule, &path, report);
        let before = spec.schedules[..index].iter().enumerate();
        for (other, _) in before.filter(|(_, twin)| is_twin(twin, schedule)) {
            report.warn(
                path.clone(),
                format!(
                    "it occurs together with schedules[{other}] and sets the same: the larger \
                     value holds; make one of them"
                ),
            );
        }
    }
}

fn moments(schedule: &Schedule, path: &str, report: &mut Report) {
    if schedule.schedule.is_some() == schedule.at.is_some() {
        let message = "a schedule has exactly one of schedule (cron) and at (one time)";
        return report.refuse(path, message);
    }
    if schedule.at.is_some() && (schedule.start.is_some() || schedule.end.is_some()) {
        let message =
            "start and end bound the life of a cron schedule; at is one time: remove them";
        report.refuse(path, message);
    }
    let (start, end) = (schedule.start.as_ref(), schedule.end.as_ref());
    if let (Some(start), Some(end)) = (start, end)
        && start >= end
    {
        report.refuse(format!("{path}.start"), "start must be before end");
    }
    match Moments::of_schedule(schedule) {
        Err((field, message)) => report.refuse(format!("{path}.{field}"), message),
        Ok(moments) => {
            let from = start.map_or(Timestamp::UNIX_EPOCH, |start| start.0);
            let next = moments.next(from);
            if next.is_none_or(|next| end.is_some_and(|end| next >= end.0)) {
                let message = "it never occurs: no day meets it between start and end";
                report.refuse(format!("{path}.schedule"), message);
            }
        }
    }
}

fn counts(spec: &Autoscaling, schedule: &Schedule, path: &str, report: &mut Report) {
    let (min, max) = (schedule.min_replicas, schedule.max_replicas);
    if min.is_none() && max.is_none() && schedule.replicas.is_none() {
        let message = "a schedule sets minReplicas, maxReplicas, replicas or several of them";
        report.refuse(path, message);
    }
    for (field, value, bounds) in [
        ("minReplicas", min, COUNTS),
        ("maxReplicas", max, 1..=1000),
        ("replicas", schedule.replicas, COUNTS),
    ] {
        if let Some(value) = value {
            report.within(format!("{path}.{field}"), value, bounds);
        }
    }
    let low = format!("{path}.minReplicas");
    if let (Some(min), Some(max)) = (min, max) {
        report.ordered((&low, min), ("maxReplicas", max));
    } else if let Some(min) = min.filter(|&min| min > spec.max_replicas) {
        let most = spec.max_replicas;
        let message = format!(
            "{min} exceeds the block's maxReplicas {most}, which holds: give the schedule a \
             maxReplicas too"
        );
        report.warn(low, message);
    } else if let Some(max) = max.filter(|&max| max < spec.min_replicas) {
        let least = spec.min_replicas;
        let message = format!(
            "{max} is below the block's minReplicas {least}: give the schedule a minReplicas too"
        );
        report.warn(format!("{path}.maxReplicas"), message);
    }
    match schedule.duration {
        Some(duration) => report.lasts(format!("{path}.duration"), duration, 1..=WEEK),
        None if min.is_some() || max.is_some() => report.refuse(
            format!("{path}.duration"),
            "bounds of a schedule need duration: how long they hold after each occurrence",
        ),
        None => {}
    }
}

/// Whether both occur at the same moments and set the same field; AWS refuses that.
fn is_twin(a: &Schedule, b: &Schedule) -> bool {
    let when = |s: &Schedule| (s.schedule.clone(), s.at.clone(), s.time_zone.clone());
    let both = |field: fn(&Schedule) -> Option<i32>| field(a).is_some() && field(b).is_some();
    when(a) == when(b)
        && (both(|s| s.min_replicas) || both(|s| s.max_replicas) || both(|s| s.replicas))
}

/// Checks every profile, and that of one kind only one can hold at a time.
pub fn profiles(spec: &Autoscaling, report: &mut Report) {
    let names = spec.profiles.iter().map(|profile| profile.name.as_str());
    report.unique("profiles", names);
    let mut dates = Vec::new();
    let mut weeks = Vec::new();
    for (index, profile) in spec.profiles.iter().enumerate() {
        let path = format!("profiles[{index}]");
        capacity(profile, &path, report);
        match (&profile.fixed_date, &profile.recurrence) {
            (Some(fixed), None) => {
                let span = span(fixed, &format!("{path}.fixedDate"), report);
                dates.extend(span.map(|span| (index, span)));
            }
            (None, Some(recurrence)) => {
                let path = format!("{path}.recurrence");
                if weekly(recurrence, &path, report) {
                    weeks.push((index, Week::of(recurrence)));
                }
            }
            _ => report.refuse(
                path,
                "a profile has exactly one of fixedDate and recurrence; what holds else is the \
                 block itself",
            ),
        }
    }
    overlaps(&dates, |a, b| a.0 < b.1 && b.0 < a.1, report);
    overlaps(&weeks, Week::overlaps, report);
}

fn overlaps<T>(all: &[(usize, T)], overlap: impl Fn(&T, &T) -> bool, report: &mut Report) {
    for (position, (index, one)) in all.iter().enumerate() {
        for (other, two) in &all[..position] {
            if overlap(one, two) {
                report.refuse(
                    format!("profiles[{index}]"),
                    format!(
                        "it holds at the same time as profiles[{other}], and only one profile can: \
                         shorten one of them"
                    ),
                );
            }
        }
    }
}

fn capacity(profile: &Profile, path: &str, report: &mut Report) {
    let path = format!("{path}.capacity");
    let (min, max) = (profile.capacity.minimum, profile.capacity.maximum);
    report.within(format!("{path}.minimum"), min, COUNTS);
    report.within(format!("{path}.maximum"), max, 1..=1000);
    report.ordered((&format!("{path}.minimum"), min), ("maximum", max));
    if let Some(default) = profile.capacity.default
        && !(min..=max).contains(&default)
    {
        report.refuse(
            format!("{path}.default"),
            format!("{default} does not lie between minimum {min} and maximum {max}"),
        );
    }
}

/// From when to when a fixed date holds.
fn span(fixed: &FixedDate, path: &str, report: &mut Report) -> Option<(Timestamp, Timestamp)> {
    let zone = match calendar::zone(&fixed.time_zone) {
        Ok(zone) => zone,
        Err(message) => {
            report.refuse(format!("{path}.timeZone"), message);
            return None;
        }
    };
    let [start, end] = [("start", &fixed.start), ("end", &fixed.end)].map(|(field, text)| {
        let moment = calendar::local(text, &zone);
        moment.map_err(|message| report.refuse(format!("{path}.{field}"), message))
    });
    let (start, end) = (start.ok()?, end.ok()?);
    if start >= end {
        report.refuse(format!("{path}.start"), "start must be before end");
        return None;
    }
    Some((start, end))
}

/// Whether the recurrence is one.
fn weekly(recurrence: &Recurrence, path: &str, report: &mut Report) -> bool {
    let problems = report.0.len();
    if recurrence.days.is_empty() {
        report.refuse(
            format!("{path}.days"),
            "there is no day: for example [Monday]",
        );
    }
    for (field, values, most) in [
        ("hours", &recurrence.hours, 23),
        ("minutes", &recurrence.minutes, 59),
    ] {
        let field = format!("{path}.{field}");
        if values.is_empty() {
            report.refuse(field, "the list is empty: for example [0]");
            continue;
        }
        for &value in values {
            report.within(field.clone(), value, 0..=most);
        }
    }
    report.lasts(format!("{path}.duration"), recurrence.duration, 1..=WEEK);
    if let Err(message) = calendar::zone(&recurrence.time_zone) {
        report.refuse(format!("{path}.timeZone"), message);
    }
    report.0.len() == problems
}

/// The minutes of a week, in UTC, at which a recurrence holds: in winter and in summer.
struct Week([Vec<bool>; 2]);

impl Week {
    fn of(recurrence: &Recurrence) -> Self {
        let zone = calendar::zone(&recurrence.time_zone).unwrap_or(jiff::tz::TimeZone::UTC);
        let minutes = |month| {
            let noon = date(2026, month, 15).at(12, 0, 0, 0);
            let offset = zone
                .to_ambiguous_timestamp(noon)
                .compatible()
                .map_or(0, |moment| zone.to_offset(moment).seconds() / 60);
            held(recurrence, offset)
        };
        Self([minutes(1), minutes(7)])
    }

    fn overlaps(&self, other: &Self) -> bool {
        let at_once = |a: &[bool], b: &[bool]| a.iter().zip(b).any(|(a, b)| *a && *b);
        let pairs = self.0.iter().zip(&other.0);
        pairs.into_iter().any(|(a, b)| at_once(a, b))
    }
}

/// `offset`: what the local time is ahead of UTC, in minutes.
fn held(recurrence: &Recurrence, offset: i32) -> Vec<bool> {
    let length = usize::try_from(recurrence.duration.as_secs().div_ceil(60)).unwrap_or(MINUTES);
    let length = length.min(MINUTES);
    // How many occurrences begin in each minute, less those that end there.
    let mut change = vec![0_i32; 2 * MINUTES + 1];
    for day in &recurrence.days {
        for hour in &recurrence.hours {
            for minute in &recurrence.minutes {
                let day = *day as i32;
                let local = (day * 24 + i32::from(*hour)) * 60 + i32::from(*minute);
                let week = i32::try_from(MINUTES).unwrap_or(i32::MAX);
                let begin = usize::try_from((local - offset).rem_euclid(week)).unwrap_or(0);
                change[begin] += 1;
                change[begin + length] -= 1;
            }
        }
    }
    let mut running = 0;
    let mut holds = vec![false; MINUTES];
    for (minute, change) in change.iter().enumerate() {
        running += change;
        if running > 0 {
            holds[minute % MINUTES] = true;
        }
    }
    holds
}
