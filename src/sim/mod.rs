//! The autoscaler without a cluster: a trace goes in, decisions come out, by the very functions that
//! the operator runs. Open loop: observations as they were recorded. Closed loop: arrivals, and a
//! model of the group that consumes them. Pure: no clock, no files, no network.

pub mod closed_loop;
pub mod group;
pub mod open_loop;
pub mod picture;
pub mod render;
pub mod summary;
pub mod trace;

use std::collections::BTreeMap;

use crate::{
    api::{
        IngestionPipelineSpec,
        connectors::{Connector, OffsetReset},
        scaling::Autoscaling,
    },
    plan::scaling::Decision,
};

/// The autoscaler that is tried: that of one connector.
#[derive(Clone, Debug)]
pub struct Subject<'a> {
    /// The `autoscaling` block.
    pub spec: &'a Autoscaling,
    /// What a partition without a commit means.
    pub offset_reset: OffsetReset,
    /// The topics that the connector reads, with their partitions where the pipeline says them.
    pub topics: BTreeMap<String, i32>,
}

impl<'a> Subject<'a> {
    /// The autoscaler of a pipeline's connector.
    ///
    /// # Errors
    /// When there is no such connector, or nothing scales it; the text says what to do.
    pub fn of(spec: &'a IngestionPipelineSpec, connector: &str) -> Result<Self, String> {
        let Some(connector) = spec.connectors.iter().find(|c| c.name == connector) else {
            let names: Vec<&str> = spec.connectors.iter().map(|c| c.name.as_str()).collect();
            return Err(format!(
                "spec.connectors: there is no connector {connector}: choose one of {}",
                names.join(", ")
            ));
        };
        let Some(autoscaling) = &connector.autoscaling else {
            return Err(format!(
                "spec.connectors: {} has no autoscaling: add the block that is to be tried",
                connector.name
            ));
        };
        Ok(Self {
            spec: autoscaling,
            offset_reset: connector
                .consumes
                .as_ref()
                .map(|consumes| consumes.offset_reset)
                .unwrap_or_default(),
            topics: topics(spec, connector),
        })
    }
}

fn topics(spec: &IngestionPipelineSpec, connector: &Connector) -> BTreeMap<String, i32> {
    let consumed = connector.consumes.iter().flat_map(|c| &c.topics);
    consumed
        .filter_map(|name| {
            let topic = spec.topics.iter().find(|topic| topic.name == *name)?;
            Some((name.clone(), topic.partitions?))
        })
        .collect()
}

/// One decision of a run, and what is shown beside it.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Pods that were ready.
    pub ready: i32,
    /// Records per second that arrived, where the trace says it.
    pub arrivals: Option<f64>,
    /// What was decided, and from which series.
    pub decision: Decision,
}
