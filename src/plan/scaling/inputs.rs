//! What a decision rests on beside its series, and both of them in one line.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::{decision::amount, observation::GroupState, series::Series};
use crate::api::{decisions::LearntCapacity, policies::LAG};

/// What a decision rests on beside its series.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Inputs {
    /// Pods ready.
    pub ready: i32,
    /// The state of the group.
    pub group: GroupState,
    /// What one pod can process, as far as it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<LearntCapacity>,
    /// Partitions of each topic that the group reads, by the topic's name.
    pub partitions: Vec<i32>,
    /// The fewest pods, by what is in force at this moment.
    pub min_replicas: i32,
    /// The most pods.
    pub max_replicas: i32,
}

impl Inputs {
    /// In one line, after the values of the series.
    pub fn describe(&self, series: &Series) -> String {
        let known = |value: Option<f64>| value.map_or_else(|| "unknown".to_owned(), amount);
        let mut text = format!("lag {}", known(series.value(LAG)));
        for (value, words) in [
            (series.time_lag, " s behind"),
            (series.arrival_rate, "/s arrive"),
            (series.consume_rate, "/s processed"),
        ] {
            if let Some(value) = value {
                let _ = write!(text, ", {}{words}", amount(value));
            }
        }
        if let Some(capacity) = &self.capacity {
            let least = if capacity.samples == 0 {
                " at least"
            } else {
                ""
            };
            let rate = amount(capacity.per_replica);
            let _ = write!(text, "; {rate}/s a replica{least}");
        }
        let partitions: Vec<String> = self.partitions.iter().map(ToString::to_string).collect();
        let (min, max) = (self.min_replicas, self.max_replicas);
        let _ = write!(
            text,
            "; {} partitions; {min} to {max} replicas",
            partitions.join("+")
        );
        for (name, other) in &series.others {
            let _ = write!(text, "; {name} {}", known(*other));
        }
        text
    }
}
