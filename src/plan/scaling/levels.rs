//! How the number of partitions bounds the count. A group member beyond the partitions stays idle,
//! and a count between two levels only moves work without lowering the largest share:
//! `E(P) = { r : ceil(P / r) < ceil(P / (r - 1)) }`. The count is bounded here, never the metric.

use std::collections::BTreeMap;

use super::observation::PartitionSample;
use crate::api::steadiness::PartitionLevels;

/// The partition counts of a group's topics, and what the spec makes of them.
#[derive(Clone, Debug)]
pub struct Levels {
    counts: Vec<i32>,
    rule: PartitionLevels,
}

impl Levels {
    /// The levels of the partitions that were seen, readable or not: an unreadable partition is
    /// there all the same. Of a topic without any, `known` has the number.
    pub fn of(
        partitions: &[PartitionSample],
        known: &BTreeMap<String, i32>,
        rule: PartitionLevels,
    ) -> Self {
        let mut counts: BTreeMap<&str, i32> = BTreeMap::new();
        for partition in partitions {
            *counts.entry(&partition.topic).or_default() += 1;
        }
        for (topic, &count) in known {
            counts.entry(topic).or_insert(count);
        }
        Self {
            counts: counts.into_values().collect(),
            rule,
        }
    }

    /// The number of partitions of each topic, by the topic's name.
    pub fn counts(&self) -> &[i32] {
        &self.counts
    }

    /// The largest useful count: the partitions of the widest topic; `None` where idle pods are
    /// allowed or no partition is known.
    pub fn cap(&self) -> Option<i32> {
        if self.rule.allow_idle {
            return None;
        }
        self.counts.iter().copied().max()
    }

    /// The smallest level at or above `need`, or `need` itself where counts are not aligned or
    /// no level is that high. At least 1.
    pub fn at_or_above(&self, need: i32) -> i32 {
        let need = need.max(1);
        let widest = self.counts.iter().copied().max().unwrap_or(0);
        if !self.rule.align || need >= widest {
            return need;
        }
        (need..=widest).find(|&r| self.is_level(r)).unwrap_or(need)
    }

    /// The next level below `count`; at least 1.
    pub fn below(&self, count: i32) -> i32 {
        let next = (count - 1).max(1);
        if !self.rule.align {
            return next;
        }
        let widest = self.counts.iter().copied().max().unwrap_or(next);
        let from = if count > widest { widest } else { next };
        (1..=from).rev().find(|&r| self.is_level(r)).unwrap_or(next)
    }

    /// Whether one replica fewer would have to take more partitions, of any topic.
    fn is_level(&self, replicas: i32) -> bool {
        let share = |partitions: i32, replicas: i32| (partitions + replicas - 1) / replicas;
        replicas == 1
            || self
                .counts
                .iter()
                .any(|&p| share(p, replicas) < share(p, replicas - 1))
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub fn topic(name: &str, partitions: i32) -> Vec<PartitionSample> {
        (0..partitions)
            .map(|partition| PartitionSample {
                topic: name.into(),
                partition,
                start: Some(0),
                committed: Some(0),
                end: Some(0),
                ..PartitionSample::default()
            })
            .collect()
    }

    const ALIGNED: PartitionLevels = PartitionLevels {
        align: true,
        allow_idle: false,
    };

    #[test]
    fn the_levels_lower_the_largest_share() {
        for (partitions, expected) in [
            (1, vec![1]),
            (7, vec![1, 2, 3, 4, 7]),
            (10, vec![1, 2, 3, 4, 5, 10]),
            (12, vec![1, 2, 3, 4, 6, 12]),
            (16, vec![1, 2, 3, 4, 6, 8, 16]),
        ] {
            let levels = Levels::of(&topic("t", partitions), &BTreeMap::new(), ALIGNED);
            let found: Vec<i32> = (1..=partitions).filter(|&r| levels.is_level(r)).collect();
            assert_eq!(found, expected, "{partitions} partitions");
        }
    }

    /// The cases F20a to F20f and U1a, U1b of the conformance vectors.
    #[test]
    fn a_need_goes_to_the_next_level_also_on_the_way_in() {
        for (partitions, need, level) in [
            (12, 5, 6),
            (24, 7, 8),
            (7, 4, 4),
            (10, 7, 10),
            (10, 6, 10),
            (100, 30, 34),
            (7, 5, 7),
            (16, 5, 6),
            (16, 7, 8),
            (16, 9, 16),
            (126, 20, 21),
            (126, 22, 26),
            (12, 13, 13),
            (12, 0, 1),
        ] {
            let levels = Levels::of(&topic("t", partitions), &BTreeMap::new(), ALIGNED);
            assert_eq!(levels.at_or_above(need), level, "{need} of {partitions}");
        }
    }

    #[test]
    fn the_level_below_is_the_next_trial() {
        let levels = Levels::of(&topic("t", 12), &BTreeMap::new(), ALIGNED);
        for (count, below) in [(20, 12), (12, 6), (6, 4), (5, 4), (2, 1), (1, 1)] {
            assert_eq!(levels.below(count), below, "{count}");
        }
    }

    #[test]
    fn several_topics_share_their_levels_and_the_widest_caps() {
        let both = [topic("a", 4), topic("b", 6)].concat();
        let levels = Levels::of(&both, &BTreeMap::new(), ALIGNED);
        assert_eq!(levels.cap(), Some(6));
        let found: Vec<i32> = (1..=6).filter(|&r| levels.is_level(r)).collect();
        assert_eq!(found, [1, 2, 3, 4, 6]);
    }

    #[test]
    fn idle_pods_are_capped_unless_allowed() {
        let idle = PartitionLevels {
            align: false,
            allow_idle: true,
        };
        assert_eq!(
            Levels::of(&topic("t", 12), &BTreeMap::new(), ALIGNED).cap(),
            Some(12)
        );
        assert_eq!(
            Levels::of(&topic("t", 12), &BTreeMap::new(), idle).cap(),
            None
        );
        assert_eq!(Levels::of(&[], &BTreeMap::new(), ALIGNED).cap(), None);
    }
}
