//! What was written of one pipeline's status: when the next write is worth it, and for which
//! version of the object it is meant.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};

use crate::{
    api::{IngestionPipelineStatus, decisions::ScalingMemory},
    plan::settle,
};

/// How often memory is written that has changed in nothing but what a restart may lose: the wishes
/// of the windows and the last samples of what a pod can process.
const MEMORY_EVERY: SignedDuration = SignedDuration::from_mins(3);
/// How many versions are remembered that our own writes replaced. The cache is rarely more than one
/// behind.
const REPLACED: usize = 8;

/// What was written of one pipeline's status.
#[derive(Clone, Debug, Default)]
pub struct Written {
    /// The last status that was written, and when.
    last: Option<(Timestamp, IngestionPipelineStatus)>,
    versions: Versions,
}

impl Written {
    /// Whether `next` should be written: a change of structure at once, one of numbers (after
    /// rounding) at most every `interval`, one of mere memory every three minutes. `stored` is the
    /// status of the object as it was read.
    #[must_use]
    pub fn is_due(
        &self,
        stored: Option<&IngestionPipelineStatus>,
        next: &IngestionPipelineStatus,
        now: Timestamp,
        interval: std::time::Duration,
    ) -> bool {
        let own = self.last.as_ref().map(|(_, status)| status);
        let Some(before) = own.or(stored) else {
            return true;
        };
        let age = self.last.as_ref().map(|(at, _)| now.duration_since(*at));
        let interval = SignedDuration::try_from(interval).unwrap_or(SignedDuration::MAX);
        let older_than = |time: SignedDuration| age.is_none_or(|age| age >= time);
        settle::structure(before) != settle::structure(next)
            || older_than(interval) && settle::numbers(before) != settle::numbers(next)
            || older_than(MEMORY_EVERY) && memories(before).ne(memories(next))
    }

    /// The version of the object that a write is meant for: the one that was read, or, where a
    /// write of our own replaced that one, what it made of it.
    #[must_use]
    pub fn version<'a>(&'a self, read: &'a str) -> &'a str {
        self.versions.newest_of(read)
    }

    /// Notes a write that was meant for the version `before` and made the version `after`.
    pub fn wrote(
        &mut self,
        at: Timestamp,
        status: IngestionPipelineStatus,
        before: &str,
        after: Option<String>,
    ) {
        self.last = Some((at, status));
        if let Some(after) = after {
            self.versions.replaced(before, after);
        }
    }
}

fn memories(status: &IngestionPipelineStatus) -> impl Iterator<Item = Option<&ScalingMemory>> {
    status.connectors.iter().map(|c| c.memory.as_ref())
}

/// Versions of an object, which are opaque words: they can be told apart, not compared.
#[derive(Clone, Debug, Default)]
struct Versions {
    newest: String,
    replaced: VecDeque<String>,
}

impl Versions {
    fn newest_of<'a>(&'a self, read: &'a str) -> &'a str {
        if self.replaced.iter().any(|version| version == read) {
            &self.newest
        } else {
            read
        }
    }

    fn replaced(&mut self, before: &str, after: String) {
        if after == before {
            return;
        }
        if self.replaced.len() == REPLACED {
            self.replaced.pop_front();
        }
        self.replaced.push_back(before.to_owned());
        self.newest = after;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::api::{
        connectors::ConnectorStatus,
        decisions::{LearntCapacity, ScalingChange, ScalingWish},
    };
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    fn status(lag: i64, replicas: i32) -> IngestionPipelineStatus {
        let connector = ConnectorStatus {
            name: "enrich".into(),
            lag: Some(lag),
            replicas: Some(replicas),
            ..ConnectorStatus::default()
        };
        IngestionPipelineStatus {
            connectors: vec![connector],
            ..Default::default()
        }
    }

    fn remembering(memory: ScalingMemory) -> IngestionPipelineStatus {
        let mut status = status(0, 1);
        status.connectors[0].memory = Some(memory);
        status
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1000 + seconds).unwrap()
    }

    /// Whether `next` is due so many seconds after `before` was written.
    fn due(before: &IngestionPipelineStatus, next: &IngestionPipelineStatus, age: i64) -> bool {
        let mut written = Written::default();
        written.wrote(at(0), before.clone(), "1", Some("2".into()));
        written.is_due(None, next, at(age), Duration::from_secs(30))
    }

    #[test]
    fn numbers_are_written_at_most_every_interval() {
        assert!(!due(&status(100, 1), &status(900, 1), 29));
        assert!(due(&status(100, 1), &status(900, 1), 30));
    }

    #[test]
    fn a_difference_below_the_rounding_is_not_written() {
        assert!(!due(&status(10_001, 1), &status(10_002, 1), 60));
    }

    #[test]
    fn a_change_of_structure_is_written_at_once() {
        assert!(due(&status(100, 1), &status(100, 2), 0));
    }

    #[test]
    fn nothing_is_written_twice() {
        assert!(!due(&status(100, 1), &status(100, 1), 3600));
    }

    #[test]
    fn memory_is_written_at_once_where_a_restart_would_act_on_it() {
        let none = remembering(ScalingMemory::default());
        let wish = |count| ScalingMemory {
            highest_wishes: vec![ScalingWish { count, until: None }],
            ..ScalingMemory::default()
        };
        let capacity = |per_replica, samples| ScalingMemory {
            capacity: Some(LearntCapacity {
                per_replica,
                samples,
                spread_percent: None,
                confidence: None,
                too_much: None,
                revision: None,
            }),
            ..ScalingMemory::default()
        };
        let change = ScalingMemory {
            last_scale_in: Some(ScalingChange {
                at: Time(at(0)),
                from: 2,
                to: 1,
            }),
            ..ScalingMemory::default()
        };
        for (before, next, at_once) in [
            (none.clone(), remembering(change), true),
            (none.clone(), remembering(capacity(10.0, 0)), true),
            (
                remembering(capacity(10.0, 0)),
                remembering(capacity(10.0, 1)),
                true,
            ),
            (
                remembering(capacity(10.0, 1)),
                remembering(capacity(12.0, 2)),
                false,
            ),
            (remembering(wish(2)), remembering(wish(3)), false),
        ] {
            assert_eq!(due(&before, &next, 0), at_once, "{before:?} {next:?}");
            assert_eq!(due(&before, &next, 60), at_once, "{before:?} {next:?}");
            assert!(due(&before, &next, 180), "{before:?} {next:?}");
        }
    }

    #[test]
    fn a_write_is_meant_for_what_was_read_or_for_what_our_own_writes_made_of_it() {
        let mut written = Written::default();
        assert_eq!(written.version("5"), "5");
        written.wrote(at(0), status(0, 1), "5", Some("8".into()));
        assert_eq!(
            written.version("5"),
            "8",
            "the cache does not show our write yet"
        );
        written.wrote(at(1), status(1, 1), "8", Some("9".into()));
        for stale in ["5", "8", "9"] {
            assert_eq!(written.version(stale), "9");
        }
        assert_eq!(written.version("11"), "11", "somebody else has written");
    }
}
