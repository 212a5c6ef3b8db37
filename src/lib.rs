//! Sluice: one `IngestionPipeline` becomes Kafka topics, connectors and an autoscaler.
//!
//! Data flows one way: [`observe`](crate) reads, `plan` decides, `apply` writes, `report` tells.
//! `plan` is pure, total and synchronous; time is an argument and the unknown is a value.

pub mod api;
pub mod class;
#[expect(clippy::disallowed_types, reason = "adapter")]
pub mod k8s;
pub mod plan;
