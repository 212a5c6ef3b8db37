//! The partitions that are stuck, as they are remembered over a restart: each with its commit, since
//! one that has moved is no longer stuck. Without it a restart would count their records again, and
//! add pods for them, until they have stood still for long enough once more.

use std::{collections::BTreeMap, fmt::Write};

use super::observation::PartitionSample;

/// How long the text in status may be, in bytes.
const BYTES: usize = 256;

/// Stuck partitions, each with its commit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stuck(BTreeMap<(String, i32), Option<i64>>);

impl Stuck {
    /// Adds a partition.
    pub fn add(&mut self, topic: &str, partition: i32, committed: Option<i64>) {
        self.0.insert((topic.to_owned(), partition), committed);
    }

    /// Takes a partition out, and says whether it is still at the commit where it was stuck.
    pub fn take(&mut self, sample: &PartitionSample) -> bool {
        // The usual case, which is not to cost a copy of each name.
        if self.0.is_empty() {
            return false;
        }
        let name = (sample.topic.clone(), sample.partition);
        self.0.remove(&name) == Some(sample.committed)
    }

    /// What belongs into status: as many as there is room for, in order.
    pub fn to_status(&self) -> Option<String> {
        let mut text = String::new();
        for ((topic, partition), committed) in &self.0 {
            let mut entry = format!("{topic}/{partition}");
            if let Some(committed) = committed {
                let _ = write!(entry, "@{committed}");
            }
            if text.len() + 1 + entry.len() > BYTES {
                break;
            }
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(&entry);
        }
        (!text.is_empty()).then_some(text)
    }

    /// From status; what cannot be read is left out.
    pub fn from_status(text: &str) -> Self {
        let entry = |entry: &str| {
            let (topic, rest) = entry.rsplit_once('/')?;
            let (partition, committed) = match rest.split_once('@') {
                Some((partition, committed)) => (partition, Some(committed.parse().ok()?)),
                None => (rest, None),
            };
            Some(((topic.to_owned(), partition.parse().ok()?), committed))
        };
        Self(text.split(' ').filter_map(entry).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(partition: i32, committed: Option<i64>) -> PartitionSample {
        PartitionSample {
            topic: "t.a_b-c".into(),
            partition,
            committed,
            ..PartitionSample::default()
        }
    }

    #[test]
    fn it_survives_status_and_holds_for_the_same_commit_only() {
        let mut stuck = Stuck::default();
        stuck.add("t.a_b-c", 3, Some(1200));
        stuck.add("t.a_b-c", 11, None);
        let text = stuck.to_status().unwrap();
        assert_eq!(text, "t.a_b-c/3@1200 t.a_b-c/11");
        let mut back = Stuck::from_status(&text);
        assert_eq!(back, stuck);
        assert!(back.take(&sample(3, Some(1200))) && !back.take(&sample(3, Some(1200))));
        assert!(!back.take(&sample(11, Some(0))));
        assert_eq!(back.to_status(), None);
        assert_eq!(Stuck::from_status("t/x t/1@y / "), Stuck::default());
    }

    #[test]
    fn what_there_is_no_room_for_is_left_out() {
        let mut stuck = Stuck::default();
        for partition in 0..1000 {
            stuck.add("t", partition, Some(i64::MAX));
        }
        let text = stuck.to_status().unwrap();
        assert!((200..=BYTES).contains(&text.len()), "{}", text.len());
        assert!(text.starts_with("t/0@9223372036854775807 t/1@"));
    }
}
