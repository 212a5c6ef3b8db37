//! Sluice: one `IngestionPipeline` becomes Kafka topics, connectors and an autoscaler.

pub mod class;
pub mod kafka;
