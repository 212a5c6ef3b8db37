//! Sluice: one `IngestionPipeline` becomes Kafka topics, connectors and an autoscaler.
//!
//! Data flows one way: `observe` reads, `plan` decides, `apply` writes, `report` tells.
//! `plan` is pure, total and synchronous; time is an argument and the unknown is a value.

pub mod api;
pub mod apply;
pub mod class;
pub mod cli;
pub mod connect;
pub mod http;
pub mod k8s;
pub mod kafka;
pub mod observe;
pub mod plan;
pub mod prometheus;
pub mod reconcile;
pub mod report;
pub mod sensitive;
pub mod sim;
pub mod telemetry;
