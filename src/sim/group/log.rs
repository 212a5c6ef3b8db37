//! One partition of the model: how far its records go, how far they are read and committed, and
//! when those arrived that are not.

use std::collections::VecDeque;

/// A partition.
#[derive(Clone, Debug, Default)]
pub struct Log {
    end: f64,
    read: f64,
    committed: f64,
    /// The arrivals of what is not committed, the oldest first, without gaps.
    arrivals: VecDeque<Arrival>,
}

/// Records that arrived at one rate.
#[derive(Clone, Copy, Debug)]
struct Arrival {
    /// From when on, in seconds.
    since: f64,
    /// Until when.
    until: f64,
    /// The end of the log before.
    from: f64,
    /// The end of the log afterwards.
    to: f64,
    /// Records per second, above 0.
    rate: f64,
}

impl Log {
    /// Lets records arrive at `rate` for so many seconds.
    pub fn arrive(&mut self, now: f64, rate: f64, seconds: f64) {
        if rate <= 0.0 || seconds <= 0.0 {
            return;
        }
        let from = self.end;
        self.end += rate * seconds;
        match self.arrivals.back_mut() {
            Some(last) if last.goes_on(now, rate) => {
                (last.until, last.to) = (now + seconds, self.end);
            }
            _ => self.arrivals.push_back(Arrival {
                since: now,
                until: now + seconds,
                from,
                to: self.end,
                rate,
            }),
        }
    }

    /// The end of the log.
    pub const fn end(&self) -> f64 {
        self.end
    }

    /// How far the group has committed.
    pub const fn committed(&self) -> f64 {
        self.committed
    }

    /// Records that nobody has read.
    pub const fn unread(&self) -> f64 {
        self.end - self.read
    }

    /// Commits what was read.
    pub fn commit(&mut self) {
        self.committed = self.read;
        while self
            .arrivals
            .front()
            .is_some_and(|a| a.to <= self.committed)
        {
            self.arrivals.pop_front();
        }
    }

    /// When the oldest whole record arrived that is not committed.
    pub fn unread_since(&self) -> Option<f64> {
        let arrived = self.committed.floor() + 1.0;
        let arrival = self.arrivals.iter().find(|arrival| arrival.to >= arrived)?;
        let share = (arrived - arrival.from).max(0.0) / (arrival.to - arrival.from);
        Some(arrival.since + share * (arrival.until - arrival.since))
    }
}

impl Arrival {
    /// Whether records that arrive at `rate` from `now` on belong to these.
    fn goes_on(&self, now: f64, rate: f64) -> bool {
        (self.rate - rate).abs() < f64::EPSILON && (self.until - now).abs() < 1e-9
    }
}

/// Reads up to `room` records from the partitions of one member, the same from each as far as it
/// has them.
pub fn consume(mut logs: Vec<&mut Log>, mut room: f64) {
    while room > 0.0 && !logs.is_empty() {
        #[expect(clippy::cast_precision_loss, reason = "at most 10,000 partitions")]
        let share = room / logs.len() as f64;
        let before = logs.len();
        logs.retain_mut(|log| {
            let unread = log.unread();
            let has_more = unread > share;
            if !has_more {
                room -= unread;
                // Not `read + unread`, which need not be the end to the last digit.
                log.read = log.end;
            }
            has_more
        });
        if logs.len() == before {
            for log in logs {
                log.read += share;
            }
            return;
        }
    }
}

/// An offset as Kafka would show it.
#[expect(
    clippy::cast_possible_truncation,
    reason = "far below 2^63, and the saturated value does no harm"
)]
pub const fn floor(records: f64) -> i64 {
    records as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(unread: f64) -> Log {
        let mut log = Log::default();
        log.arrive(0.0, unread, 1.0);
        log
    }

    #[test]
    fn what_one_partition_does_not_need_goes_to_the_others() {
        let mut logs = [log(10.0), log(1000.0), log(0.0), log(90.0)];
        consume(logs.iter_mut().collect(), 300.0);
        let read: Vec<f64> = logs.iter().map(|log| log.read).collect();
        assert_eq!(read, [10.0, 200.0, 0.0, 90.0]);
        consume(logs.iter_mut().collect(), 1000.0);
        let unread: Vec<f64> = logs.iter().map(Log::unread).collect();
        assert_eq!(unread, [0.0; 4], "to the last digit");
    }

    #[test]
    fn the_oldest_record_that_is_not_committed_has_its_time() {
        let mut log = Log::default();
        log.arrive(0.0, 0.5, 10.0);
        assert_eq!(log.unread_since(), Some(2.0), "the first whole record");
        log.read = 3.2;
        assert_eq!(log.unread_since(), Some(2.0), "reading is not committing");
        log.commit();
        assert_eq!(
            log.unread_since(),
            Some(8.0),
            "record 3 is whole at 4 records"
        );
        log.arrive(100.0, 10.0, 1.0);
        log.read = 5.0;
        log.commit();
        let since = log.unread_since().unwrap();
        assert!((since - 100.1).abs() < 1e-9, "{since}");
        log.read = log.end;
        log.commit();
        assert_eq!((log.unread_since(), log.arrivals.len()), (None, 0));
    }

    #[test]
    fn arrivals_at_one_rate_are_kept_once() {
        let mut log = Log::default();
        for second in 0..100_000 {
            log.arrive(f64::from(second), 100.0 / 3.0, 1.0);
        }
        assert_eq!(log.arrivals.len(), 1);
        log.arrive(100_000.0, 1.0, 1.0);
        log.arrive(100_002.0, 1.0, 1.0);
        assert_eq!(log.arrivals.len(), 3, "another rate, and a pause");
    }
}
