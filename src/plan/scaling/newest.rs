//! The newest look at a connector, whole: what was seen, what was decided on it, and what the
//! autoscaler knew. Status holds less of it, and later.

use serde::{Deserialize, Serialize};

use super::{
    Scaler, decision::Decision, inputs::Inputs, observation::Observation, outlook::outlook,
    series::Series,
};
use crate::api::{decisions::DecisionStatus, scaling::Autoscaling};

/// The newest look at a connector.
#[derive(Clone, Debug)]
pub struct Newest {
    /// What was seen.
    pub observation: Observation,
    /// What was decided; none where nobody scales the connector.
    pub decision: Option<Decision>,
    /// The block, and the autoscaler after the decision.
    known: Option<(Autoscaling, Scaler)>,
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
    /// What would change it, in sentences for a person.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outlook: Vec<String>,
}

impl Newest {
    /// A look at a connector that nobody scales.
    #[must_use]
    pub const fn measured(observation: Observation) -> Self {
        Self {
            observation,
            decision: None,
            known: None,
        }
    }

    /// A look and the decision on it; `scaler` is the autoscaler after it.
    #[must_use]
    pub fn decided(
        observation: Observation,
        decision: Decision,
        spec: &Autoscaling,
        scaler: &Scaler,
    ) -> Self {
        Self {
            observation,
            decision: Some(decision),
            known: Some((spec.clone(), scaler.without_history())),
        }
    }

    /// What there is to show, with what would change the decision.
    #[must_use]
    pub fn why(&self) -> NewestView {
        let mut view = self.view();
        if let (Some(shown), Some(decision), Some((spec, scaler))) =
            (&mut view.decision, &self.decision, &self.known)
        {
            shown.outlook = outlook(spec, scaler, &self.observation, decision);
        }
        view
    }

    /// What there is to show.
    #[must_use]
    pub fn view(&self) -> NewestView {
        NewestView {
            observation: self.observation.clone(),
            decision: self.decision.as_ref().map(|decision| DecisionView {
                decision: decision.whole(),
                series: decision.series.clone(),
                inputs: decision.inputs.clone(),
                outlook: Vec::new(),
            }),
        }
    }
}
