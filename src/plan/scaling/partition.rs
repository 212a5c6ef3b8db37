//! The past of one partition: when which end offset was there, when commits moved, and whether they
//! stopped moving. Bounded; it judges only this partition.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};

use super::{observation::PartitionSample, time::seconds_between};
use crate::api::connectors::OffsetReset;

/// How many end offsets are kept: 20 minutes at the default interval.
const ENDS: usize = 240;
/// How many moves of the commit are kept: a rate needs those of a few intervals.
const MOVES: usize = 8;
/// Looks without progress before a partition may count as stuck.
const STUCK_LOOKS: u32 = 3;
/// Commit intervals without progress before a partition counts as stuck.
const STUCK_COMMITS: f64 = 2.0;

/// One partition as it stands now.
#[derive(Clone, Copy, Debug)]
pub struct Standing {
    /// The offset that the group reads next, within the log.
    pub position: i64,
    /// Unread records, never below 0.
    pub lag: i64,
}

/// Where the group stands in a partition: `max(committed, start)`; without a commit, or with one
/// beyond the end (the topic was created again), where `offset_reset` begins. `None` when it
/// cannot be told; the whole end offset is never taken for lag.
pub fn standing(sample: &PartitionSample, reset: OffsetReset) -> Option<Standing> {
    let end = sample.end.filter(|_| sample.error.is_none())?;
    let position = match (sample.committed.filter(|&c| c <= end), reset) {
        (Some(committed), _) => committed.max(sample.start.unwrap_or(committed)),
        (None, OffsetReset::Earliest) => sample.start?,
        (None, OffsetReset::Latest) => end,
    };
    let position = position.min(end);
    Some(Standing {
        position,
        lag: end.saturating_sub(position),
    })
}

/// When an unread record arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Age {
    /// The moment.
    pub since: Timestamp,
    /// Whether it may have been earlier.
    pub or_earlier: bool,
}

/// What happened in a partition since the look before.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Flow {
    /// Records that arrived.
    pub arrived: f64,
    /// Records that were processed.
    pub consumed: f64,
}

/// The past of one partition.
#[derive(Clone, Debug, Default)]
pub struct Partition {
    ends: VecDeque<End>,
    moves: VecDeque<Move>,
    committed: Option<i64>,
    position: i64,
    seen: Option<Timestamp>,
    /// The oldest unread record that somebody looked up; holds until the position moves.
    looked_up: Option<(i64, Age)>,
    start: Option<Start>,
    still: Option<Still>,
    /// Seconds from being behind to the next commit, when last seen.
    commit_seconds: Option<f64>,
    is_stuck: bool,
    flow: Flow,
}

/// An end offset, and the first and the last time that it was seen.
#[derive(Clone, Copy, Debug)]
struct End {
    offset: i64,
    first: Timestamp,
    last: Timestamp,
}

/// A commit that was seen to have moved.
#[derive(Clone, Copy, Debug)]
struct Move {
    at: Timestamp,
    position: i64,
    /// Whether the first record that it left unread had arrived by the move before: then there was
    /// something to read all the time between the two.
    was_busy: bool,
}

/// The log's first offset, since when, and how many records it lost over how many seconds before.
#[derive(Clone, Copy, Debug)]
struct Start {
    offset: i64,
    since: Timestamp,
    lost: Option<(f64, f64)>,
}

/// Unread records while the commit stands still and the group runs.
#[derive(Clone, Copy, Debug)]
struct Still {
    since: Timestamp,
    looks: u32,
}

/// One look at a partition.
#[derive(Clone, Copy, Debug)]
pub struct Sighting<'a> {
    /// When.
    pub at: Timestamp,
    /// The look before, at any partition.
    pub last: Option<Timestamp>,
    /// Whether the group has pods and is not rebalancing: only then does a commit that stands still
    /// say anything.
    pub is_running: bool,
    /// What was seen.
    pub sample: &'a PartitionSample,
    /// Where the group stands.
    pub standing: Standing,
    /// Whether it was stuck at this very commit before a restart.
    pub stuck_before: bool,
}

impl Partition {
    /// Takes in a look.
    pub fn record(&mut self, sighting: Sighting<'_>) {
        let Sighting {
            at,
            sample,
            standing,
            ..
        } = sighting;
        let end = standing.position.saturating_add(standing.lag);
        let moved = self.seen.is_some() && sample.committed != self.committed;
        self.flow = self.flow_to(sighting, end, moved);
        self.see_end(at, end);
        let given = sample.unread_since.map(|since| Age {
            since,
            or_earlier: sample.unread_since_or_earlier,
        });
        let kept = self.looked_up.filter(|(p, _)| *p == standing.position);
        self.looked_up = given.map(|age| (standing.position, age)).or(kept);
        self.see_commit(sighting, moved);
        self.see_start(at, sample);
        self.committed = sample.committed;
        self.position = standing.position;
        self.seen = Some(at);
    }

    /// What happened since the look before.
    pub const fn flow(&self) -> Flow {
        self.flow
    }

    /// A partition that was unreadable for some looks has many records to tell of at once; only
    /// the last look's share counts, so that a gap does not look like a surge.
    fn flow_to(&self, sighting: Sighting<'_>, end: i64, moved: bool) -> Flow {
        let before = self.ends.back().map(|e| e.offset);
        let (Some(seen), Some(last), Some(before)) = (self.seen, sighting.last, before) else {
            return Flow::default();
        };
        let gap = seconds_between(seen, sighting.at);
        let share = if gap > 0.0 {
            (seconds_between(last, sighting.at) / gap).min(1.0)
        } else {
            0.0
        };
        let consumed = if moved {
            records(sighting.standing.position.saturating_sub(self.position))
        } else {
            0.0
        };
        Flow {
            arrived: records(end.saturating_sub(before)) * share,
            consumed: consumed * share,
        }
    }

    fn see_end(&mut self, at: Timestamp, offset: i64) {
        match self.ends.back_mut() {
            Some(end) if end.offset == offset => {
                end.last = at;
                return;
            }
            Some(end) if end.offset > offset => self.ends.clear(),
            _ => {}
        }
        if self.ends.len() == ENDS {
            self.ends.pop_front();
        }
        self.ends.push_back(End {
            offset,
            first: at,
            last: at,
        });
    }

    /// A commit that moves ends a standstill; unread records whose commit does not move begin one.
    fn see_commit(&mut self, sighting: Sighting<'_>, moved: bool) {
        let Sighting { at, standing, .. } = sighting;
        if moved {
            if let Some(still) = self.still.take() {
                self.commit_seconds = Some(seconds_between(still.since, at));
            }
            self.is_stuck = false;
            if self
                .moves
                .back()
                .is_some_and(|m| m.position > standing.position)
            {
                self.moves.clear();
            }
            if self.moves.len() == MOVES {
                self.moves.pop_front();
            }
            let position = standing.position;
            let was_busy = standing.lag > 0
                && self.moves.back().is_some_and(|before| {
                    let age = self.age(position);
                    age.is_some_and(|age| age.since < before.at)
                });
            self.moves.push_back(Move {
                at,
                position,
                was_busy,
            });
        }
        self.is_stuck |= sighting.stuck_before;
        if standing.lag == 0 {
            self.still = None;
            self.is_stuck = false;
        } else if !sighting.is_running {
            self.still = None;
        } else {
            let first = Still {
                since: at,
                looks: 0,
            };
            let next = |still: Still| Still {
                looks: still.looks.saturating_add(1),
                ..still
            };
            self.still = Some(self.still.map_or(first, next));
        }
    }

    fn see_start(&mut self, at: Timestamp, sample: &PartitionSample) {
        let Some(offset) = sample.start else { return };
        let first = Start {
            offset,
            since: at,
            lost: None,
        };
        self.start = Some(match self.start {
            Some(start) if start.offset == offset => start,
            Some(start) if start.offset < offset => {
                let seconds = seconds_between(start.since, at);
                let lost = records(offset.saturating_sub(start.offset));
                Start {
                    lost: Some((lost, seconds)),
                    ..first
                }
            }
            _ => first,
        });
    }

    /// Judges whether the partition counts as stuck now: no commit progress over at least three looks
    /// and two commit intervals, while behind. `typical` is the group's commit interval in seconds.
    pub fn judge(&mut self, at: Timestamp, typical: f64) {
        let commits = self.commit_seconds.unwrap_or(0.0).max(typical);
        let is_still = self.still.is_some_and(|still| {
            still.looks >= STUCK_LOOKS
                && seconds_between(still.since, at) >= STUCK_COMMITS * commits
        });
        self.is_stuck |= is_still;
    }

    /// Whether the partition counts as stuck.
    pub const fn is_stuck(&self) -> bool {
        self.is_stuck
    }

    /// Where the commit stands; none: there is none.
    pub const fn committed(&self) -> Option<i64> {
        self.committed
    }

    /// Seconds from being behind to the next commit, when last seen.
    pub const fn commit_seconds(&self) -> Option<f64> {
        self.commit_seconds
    }

    /// When the oldest unread record arrived, as far as the samples tell: looked up, interpolated
    /// between two samples (the error is at most one interval), or, when it is older than the
    /// samples, not later than the first of them.
    pub fn age(&self, position: i64) -> Option<Age> {
        match self.looked_up {
            Some((offset, age)) if offset == position => Some(age),
            _ => self.interpolated(position),
        }
    }

    /// Whether the record at `position` was looked up.
    pub fn was_looked_up(&self, position: i64) -> bool {
        self.looked_up.is_some_and(|(offset, _)| offset == position)
    }

    fn interpolated(&self, position: i64) -> Option<Age> {
        let after = self.ends.partition_point(|end| end.offset <= position);
        let next = self.ends.get(after);
        let Some(before) = after.checked_sub(1).and_then(|i| self.ends.get(i)) else {
            return next.map(|end| Age {
                since: end.first,
                or_earlier: true,
            });
        };
        let next = next?;
        let share = records(position.saturating_sub(before.offset))
            / records(next.offset.saturating_sub(before.offset));
        let span = next.first.duration_since(before.last);
        Some(Age {
            since: before
                .last
                .checked_add(scaled(span, share))
                .unwrap_or(before.last),
            or_earlier: false,
        })
    }

    /// Records a second that arrived over the last `seconds`, and not much longer; `None` while the
    /// samples do not reach back so far.
    pub fn arrival_rate(&self, at: Timestamp, seconds: f64) -> Option<f64> {
        let age = |end: &End| seconds_between(end.last, at);
        let after = self.ends.partition_point(|end| age(end) >= seconds);
        let first = after.checked_sub(1).and_then(|i| self.ends.get(i))?;
        let newest = self.ends.back()?;
        let length = age(first);
        let arrived = records(newest.offset.saturating_sub(first.offset));
        (length <= 2.0 * seconds).then(|| arrived / length)
    }

    /// Records a second that were processed from one commit to another, over at least two commits
    /// after `since` and at least `shortest` seconds, while there was always something to read.
    pub fn busy_rate(&self, since: Timestamp, shortest: f64) -> Option<f64> {
        let settled = self.moves.partition_point(|m| m.at <= since);
        let idle = self.moves.iter().rposition(|m| !m.was_busy).unwrap_or(0);
        let from = settled.max(idle);
        let (first, last) = (self.moves.get(from)?, self.moves.back()?);
        let seconds = seconds_between(first.at, last.at);
        let enough = self.moves.len() - from >= 3 && seconds >= shortest;
        enough.then(|| records(last.position.saturating_sub(first.position)) / seconds)
    }

    /// Seconds until the log's start reaches `position`, at the rate at which it moved last, or
    /// more slowly where it has stood still for longer since.
    pub fn seconds_to_expiry(&self, at: Timestamp, position: i64) -> Option<f64> {
        let start = self.start?;
        let (lost, seconds) = start.lost.filter(|&(lost, _)| lost > 0.0)?;
        let seconds = seconds.max(seconds_between(start.since, at));
        Some(records(position.saturating_sub(start.offset)) * seconds / lost)
    }
}

fn scaled(span: SignedDuration, share: f64) -> SignedDuration {
    SignedDuration::try_from_secs_f64(span.as_secs_f64() * share).unwrap_or(SignedDuration::ZERO)
}

/// A number of records; never below 0, since offsets that fall belong to another log.
#[expect(
    clippy::cast_precision_loss,
    reason = "2^53 records are enough for a rate"
)]
pub fn records(count: i64) -> f64 {
    count.max(0) as f64
}
