//! What must survive a restart, beside the running history: the last changes, the wishes of the
//! windows, the learnt capacity. Bounded, below 8 KiB in status, and it changes only when a
//! decision, a wish or the capacity does, so that a settled pipeline writes nothing.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{
    activation::Idle,
    acts::Acts,
    capacity::Capacity,
    effect::Effect,
    gate::Gate,
    hours::Hours,
    interventions::Overridden,
    schedules::Seen,
    stuck::Stuck,
    time::{seconds_between, whole_second},
};
use crate::api::decisions::{
    IdleProof, ScalingChange, ScalingMemory, ScalingOverride, ScalingWish, UndoneScaleIn,
};

/// How many wishes are kept for one direction.
const WISHES: usize = 16;
/// How many changes are kept.
const CHANGES: usize = 18;
/// How long a change is kept, in seconds: as long as the longest cooldown.
const CHANGE_SECONDS: f64 = 24.0 * 3600.0;
/// How long, in seconds, a scale-in that had to be undone plays a part: with less, two of them in an
/// hour would be more changes of direction than a constant load with noise may cause.
const UNDONE_SECONDS: i64 = 3600;

/// A change of the count that was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// When, in whole seconds.
    pub at: Timestamp,
    /// Count before.
    pub from: i32,
    /// Count after.
    pub to: i32,
}

/// Which wish of a window is the cautious one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cautious {
    /// The highest: for scale-in.
    Highest,
    /// The lowest: for scale-out.
    Lowest,
}

/// The wishes of a window, oldest first, each more cautious than those after it: a wish that is
/// older and bolder than another can never decide, so it is not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wishes {
    cautious: Cautious,
    wishes: VecDeque<Wish>,
}

/// A count and when it was last wished for; without a time, until the first look after a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Wish {
    count: i32,
    until: Option<Timestamp>,
}

impl Wishes {
    /// No wishes yet.
    pub const fn new(cautious: Cautious) -> Self {
        Self {
            cautious,
            wishes: VecDeque::new(),
        }
    }

    /// Adds the wish of this moment and returns the most cautious one of the window: those made
    /// less than `window` seconds ago, and this one. Before the first wish the present count was
    /// wished for, as the `HorizontalPodAutoscaler` has it; for scale-in also after a restart, since
    /// what is remembered may lack the wishes of the last minutes.
    pub fn settle(&mut self, at: Timestamp, present: i32, wish: i32, window: f64) -> i32 {
        let restarted = self.wishes.back().is_some_and(|wish| wish.until.is_none());
        if self.wishes.is_empty() || (restarted && self.cautious == Cautious::Highest) {
            self.push(whole_second(at), present);
        }
        for wish in &mut self.wishes {
            wish.until.get_or_insert(whole_second(at));
        }
        // Times are rounded up, so a wish of this second may lie ahead; without a window it is over.
        while self.wishes.front().is_some_and(|wish| {
            wish.until
                .is_some_and(|until| window <= 0.0 || seconds_between(until, at) >= window)
        }) {
            self.wishes.pop_front();
        }
        self.push(whole_second(at), wish);
        self.wishes.front().map_or(wish, |wish| wish.count)
    }

    /// Whether the wish that decides leaves the window within so many seconds, for another one.
    pub fn turns_within(&self, at: Timestamp, window: f64, seconds: f64) -> bool {
        let until = self.wishes.front().and_then(|wish| wish.until);
        let left = until.map(|until| window - seconds_between(until, at));
        self.wishes.len() > 1 && left.is_some_and(|left| left <= seconds)
    }

    fn push(&mut self, until: Timestamp, count: i32) {
        while self
            .wishes
            .back()
            .is_some_and(|last| self.covers(count, last.count))
        {
            self.wishes.pop_back();
        }
        if self.wishes.len() == WISHES {
            // The oldest takes the place of the next: more cautious for longer.
            let next = self.wishes.remove(1);
            if let (Some(oldest), Some(next)) = (self.wishes.front_mut(), next) {
                oldest.until = next.until;
            }
        }
        self.wishes.push_back(Wish {
            count,
            until: Some(until),
        });
    }

    /// Whether a later wish for `count` makes an earlier one for `other` meaningless.
    const fn covers(&self, count: i32, other: i32) -> bool {
        match self.cautious {
            Cautious::Highest => count >= other,
            Cautious::Lowest => count <= other,
        }
    }

    /// Without the time of the newest, which would change with every look.
    fn to_status(&self) -> Vec<ScalingWish> {
        let newest = self.wishes.len().saturating_sub(1);
        let until = |i, wish: &Wish| wish.until.filter(|_| i < newest).map(Time);
        self.wishes
            .iter()
            .enumerate()
            .map(|(i, wish)| ScalingWish {
                count: wish.count,
                until: until(i, wish),
            })
            .collect()
    }

    fn from_status(cautious: Cautious, wishes: &[ScalingWish]) -> Self {
        Self {
            cautious,
            wishes: wishes
                .iter()
                .take(WISHES)
                .map(|wish| Wish {
                    count: wish.count,
                    until: wish.until.as_ref().map(|time| time.0),
                })
                .collect(),
        }
    }
}

/// What must survive a restart.
#[derive(Clone, Debug, PartialEq)]
pub struct Memory {
    /// The last scale-out.
    pub last_scale_out: Option<Change>,
    /// The last scale-in.
    pub last_scale_in: Option<Change>,
    /// The changes of the last day, oldest first.
    pub changes: VecDeque<Change>,
    /// The policies that have acted and now wait.
    pub acts: Acts,
    /// The wishes of the scale-in window.
    pub highest: Wishes,
    /// The wishes of the scale-out window.
    pub lowest: Wishes,
    /// What one pod can process.
    pub capacity: Option<Capacity>,
    /// The rebalance gate.
    pub gate: Gate,
    /// The occurrences of schedules that were dealt with.
    pub schedules: Seen,
    /// The proof that no record was unread, where the last pod may go.
    pub idle: Option<Idle>,
    /// The count that somebody else has set, while it is left alone.
    pub overridden: Option<Overridden>,
    /// The scale-in that was undone last.
    pub undone: Option<Undone>,
    /// What scale-outs brought.
    pub effect: Effect,
    /// What arrived in the hours before.
    pub hours: Hours,
    /// Partitions whose commit does not move.
    pub stuck: Stuck,
}

/// A scale-in that a scale-out has undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Undone {
    /// The count that proved too small.
    pub count: i32,
    /// Until when that plays a part, in whole seconds.
    pub until: Timestamp,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            last_scale_out: None,
            last_scale_in: None,
            changes: VecDeque::new(),
            acts: Acts::default(),
            highest: Wishes::new(Cautious::Highest),
            lowest: Wishes::new(Cautious::Lowest),
            capacity: None,
            gate: Gate::default(),
            schedules: Seen::default(),
            idle: None,
            overridden: None,
            undone: None,
            effect: Effect::default(),
            hours: Hours::default(),
            stuck: Stuck::default(),
        }
    }
}

impl Memory {
    /// Takes note of a decision that changes the count.
    pub fn note(&mut self, at: Timestamp, from: i32, to: i32) {
        let at = whole_second(at);
        let change = Change { at, from, to };
        match to.cmp(&from) {
            std::cmp::Ordering::Greater => self.last_scale_out = Some(change),
            std::cmp::Ordering::Less => self.last_scale_in = Some(change),
            std::cmp::Ordering::Equal => return,
        }
        let is_old = |c: &Change| seconds_between(c.at, at) > CHANGE_SECONDS;
        while self.changes.front().is_some_and(is_old) {
            self.changes.pop_front();
        }
        if self.changes.len() == CHANGES
            && let Some(oldest) = self.changes.pop_front()
            && let Some(next) = self.changes.front_mut()
            && oldest.to > oldest.from
            && next.to > next.from
        {
            // Two scale-outs become one: what they added counts for longer, not for shorter.
            next.from = oldest.from;
        }
        self.changes.push_back(change);
    }

    /// Takes note of a scale-out, before [`Memory::note`], that gives back what the last scale-in took,
    /// within the hour: it was a scale-in too many. One that goes beyond what was there before says
    /// nothing of the count, only of the load.
    pub fn note_undone(&mut self, at: Timestamp, from: i32, to: i32) {
        let recent = self.last_scale_in.filter(|last| {
            let since = at.duration_since(last.at);
            since < SignedDuration::from_secs(UNDONE_SECONDS) && from <= last.to && to <= last.from
        });
        if let Some(last) = recent.filter(|_| to > from) {
            let hour = SignedDuration::from_secs(UNDONE_SECONDS);
            self.undone = Some(Undone {
                count: last.to,
                until: whole_second(at)
                    .saturating_add(hour)
                    .unwrap_or(Timestamp::MAX),
            });
        }
    }

    /// The count before the scale-outs of the last `seconds`, those that no scale-in has followed:
    /// what they added is still on its way. None without one.
    pub fn before_scale_outs(&self, at: Timestamp, seconds: f64) -> Option<i32> {
        let newest_first = self.changes.iter().rev();
        let recent =
            newest_first.take_while(|c| c.to > c.from && seconds_between(c.at, at) < seconds);
        recent.last().map(|change| change.from)
    }

    /// What belongs into status.
    pub fn to_status(&self) -> ScalingMemory {
        let mut status = ScalingMemory {
            last_scale_out: self.last_scale_out.map(change_to_status),
            last_scale_in: self.last_scale_in.map(change_to_status),
            changes: self.changes.iter().copied().map(change_to_status).collect(),
            acts: self.acts.to_status(),
            highest_wishes: self.highest.to_status(),
            lowest_wishes: self.lowest.to_status(),
            capacity: self.capacity.as_ref().map(Capacity::to_status),
            #[expect(clippy::cast_possible_truncation, reason = "0 to 180 whole seconds")]
            rebalance_seconds: self.gate.rebalance_seconds.map(|s| s as i32),
            schedules_set: self.schedules.set.map(Time),
            schedules_skipped: self.schedules.skipped.map(Time),
            idle: self.idle.map(|idle| IdleProof {
                since: Time(idle.since),
                ends: idle.ends,
            }),
            overridden: self.overridden.as_ref().map(|held| ScalingOverride {
                at: Time(held.at),
                by: held.by.clone(),
                count: held.count,
            }),
            undone: self.undone.map(|undone| UndoneScaleIn {
                count: undone.count,
                until: Time(undone.until),
            }),
            stuck: self.stuck.to_status(),
            hours: self.hours.to_status(),
            ..ScalingMemory::default()
        };
        self.effect.put_into(&mut status);
        status
    }

    /// From status.
    pub fn from_status(status: &ScalingMemory) -> Self {
        let changes = status.changes.iter().map(change_from_status);
        Self {
            last_scale_out: status.last_scale_out.as_ref().map(change_from_status),
            last_scale_in: status.last_scale_in.as_ref().map(change_from_status),
            changes: changes.rev().take(CHANGES).rev().collect(),
            acts: Acts::from_status(&status.acts),
            highest: Wishes::from_status(Cautious::Highest, &status.highest_wishes),
            lowest: Wishes::from_status(Cautious::Lowest, &status.lowest_wishes),
            capacity: status.capacity.as_ref().and_then(Capacity::from_status),
            gate: Gate::remembering(status.rebalance_seconds.map(f64::from)),
            schedules: Seen {
                set: status.schedules_set.as_ref().map(|time| time.0),
                skipped: status.schedules_skipped.as_ref().map(|time| time.0),
            },
            idle: status.idle.as_ref().map(|idle| Idle {
                since: idle.since.0,
                ends: idle.ends,
            }),
            overridden: status.overridden.as_ref().map(|held| Overridden {
                at: held.at.0,
                by: held.by.clone(),
                count: held.count,
            }),
            undone: status.undone.as_ref().map(|undone| Undone {
                count: undone.count,
                until: undone.until.0,
            }),
            effect: Effect::from_status(status),
            hours: status
                .hours
                .as_ref()
                .map(Hours::from_status)
                .unwrap_or_default(),
            stuck: status
                .stuck
                .as_deref()
                .map(Stuck::from_status)
                .unwrap_or_default(),
        }
    }
}

const fn change_to_status(change: Change) -> ScalingChange {
    ScalingChange {
        at: Time(change.at),
        from: change.from,
        to: change.to,
    }
}

const fn change_from_status(change: &ScalingChange) -> Change {
    Change {
        at: change.at.0,
        from: change.from,
        to: change.to,
    }
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan;

    use super::*;
    use crate::{api::common::Duration, plan::scaling::acts::Wait};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + seconds.seconds()
    }

    /// The `HorizontalPodAutoscaler`'s window: cases H9a and H9b of the conformance vectors.
    #[test]
    fn the_most_cautious_wish_of_the_window_counts() {
        let run = |cautious, present, wishes: &[(i64, i32, i32)]| {
            let mut window = Wishes::new(cautious);
            for &(seconds, wish, expected) in wishes {
                let settled = window.settle(at(seconds), present, wish, 300.0);
                assert_eq!(settled, expected, "{wish} at {seconds} s");
            }
        };
        let falling = [
            (0, 10, 10),
            (60, 8, 10),
            (120, 9, 10),
            (180, 5, 10),
            (330, 5, 9),
        ];
        run(Cautious::Highest, 10, &falling);
        let rising = [(0, 4, 4), (60, 6, 4), (120, 8, 4), (330, 8, 6)];
        run(Cautious::Lowest, 4, &rising);
    }

    #[test]
    fn without_a_window_only_the_present_wish_counts() {
        let within_a_second = at(0) + jiff::SignedDuration::from_millis(500);
        let mut lowest = Wishes::new(Cautious::Lowest);
        assert_eq!(lowest.settle(within_a_second, 1, 6, 0.0), 6);
        let mut window = Wishes::new(Cautious::Highest);
        assert_eq!(window.settle(at(0), 10, 3, 0.0), 3);
    }

    #[test]
    fn an_hour_of_wishes_stays_small_and_is_forgotten_late_rather_than_early() {
        let mut memory = Memory::default();
        for seconds in 0..3600 {
            let wish = 1000 - i32::try_from(seconds / 4).unwrap();
            memory.highest.settle(at(seconds), 1000, wish, 3600.0);
            memory.lowest.settle(at(seconds), 1, 1000 - wish, 3600.0);
        }
        assert_eq!(memory.highest.settle(at(3600), 1000, 1, 3600.0), 1000);
        for i in 0..40 {
            memory.note(at(60 * i), 1000, 999);
            let wait = Wait::PodsAndCooldown(Duration::from_secs(3600));
            let policy = format!("a-policy-with-a-rather-long-name-{i}");
            memory.acts.note(at(60 * i), &policy, true, wait);
        }
        let text = serde_json::to_string(&memory.to_status()).unwrap();
        assert!(text.len() < 8 * 1024, "{} bytes", text.len());
    }

    #[test]
    fn what_is_written_is_what_is_read() {
        let mut memory = Memory {
            capacity: Some(Capacity {
                per_replica: 412.0,
                samples: 7,
                spread: 4.0,
                too_much: Some(500.0),
                revision: Some("abc".into()),
            }),
            ..Memory::default()
        };
        memory.gate.rebalance_seconds = Some(12.0);
        memory.note(at(10), 1, 6);
        memory.note(at(90), 6, 3);
        for (seconds, wish) in [(0, 6), (20, 4), (30, 2)] {
            memory.highest.settle(at(seconds), 6, wish, 300.0);
        }
        let status = memory.to_status();
        let text = serde_json::to_string(&status).unwrap();
        let mut back = Memory::from_status(&serde_json::from_str(&text).unwrap());
        assert_eq!(back.to_status(), status);
        // Status may lack the wishes of the last minutes: a window begins with the restart.
        assert_eq!(back.highest.settle(at(40), 6, 2, 300.0), 6);
        assert_eq!(back.highest.settle(at(339), 6, 2, 300.0), 6);
        assert_eq!(back.highest.settle(at(340), 6, 2, 300.0), 2);
    }

    /// Only what was added since the last scale-in, and not long ago, is on its way; when there are
    /// too many changes the oldest become one, and count for longer.
    #[test]
    fn what_is_on_its_way_is_told_by_the_changes() {
        let mut memory = Memory::default();
        assert_eq!(memory.before_scale_outs(at(0), 300.0), None);
        for (seconds, from, to) in [(0, 4, 9), (10, 9, 6), (20, 6, 8), (100, 8, 12)] {
            memory.note(at(seconds), from, to);
        }
        for (seconds, before) in [(100, Some(6)), (319, Some(6)), (320, Some(8)), (400, None)] {
            assert_eq!(
                memory.before_scale_outs(at(seconds), 300.0),
                before,
                "{seconds} s"
            );
        }
        for i in 0..30 {
            memory.note(at(200 + i), 12, 13);
        }
        let back = Memory::from_status(&memory.to_status());
        assert_eq!(back.before_scale_outs(at(229), 300.0), Some(6));
        assert_eq!(back.changes.len(), CHANGES);
    }

    #[test]
    fn a_constant_wish_writes_nothing_new() {
        let mut memory = Memory::default();
        memory.highest.settle(at(0), 3, 3, 300.0);
        let before = memory.to_status();
        memory.highest.settle(at(5), 3, 3, 300.0);
        assert_eq!(memory.to_status(), before);
    }
}
