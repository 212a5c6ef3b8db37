//! The newest look at a connector, whole: what was seen, what was decided on it, and what the
//! autoscaler knew. Status holds less of it, and later.

use serde::{Deserialize, Serialize};

use super::{
    decision::{Decision, Inputs},
    observation::Observation,
    series::Series,
};
use crate::api::decisions::DecisionStatus;

/// The newest look at a connector.
#[derive(Clone, Debug)]
pub struct Newest {
    /// What was seen.
    pub observation: Observation,
    /// What was decided; none where nobody scales the connector.
    pub decision: Option<Decision>,
}

/// The newest look, as the operator's endpoint shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NewestView {
    /// What was seen: a line of a simulation trace.
    pub observation: Observation,
    /// What was decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<DecisionView>,
}

/// A decision with everything that it rests on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DecisionView {
    /// The decision, every stage of it.
    #[serde(flatten)]
    pub decision: DecisionStatus,
    /// The series.
    pub series: Series,
    /// What else went in.
    pub inputs: Inputs,
}

impl Newest {
    /// What there is to show.
    #[must_use]
    pub fn view(&self) -> NewestView {
        NewestView {
            observation: self.observation.clone(),
            decision: self.decision.as_ref().map(|decision| DecisionView {
                decision: decision.whole(),
                series: decision.series.clone(),
                inputs: decision.inputs.clone(),
            }),
        }
    }
}
