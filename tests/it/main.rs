//! Every integration test, linked once.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test ends by a panic")]

#[expect(
    dead_code,
    reason = "the comparison itself is run by `make bench-autoscaler`"
)]
#[path = "../../benches/autoscaler/mod.rs"]
mod autoscaler;
mod chart;
mod cli;
mod closed_loop;
mod connect_rest;
mod container;
mod crds;
mod decision_memory;
mod docs;
mod high_availability;
mod kafka_faults;
mod kafka_read;
mod kafka_security;
mod kafka_write;
mod layering;
mod operator_bounds;
mod operator_metrics;
mod operator_scaling;
mod operator_security;
mod operator_topics;
mod prometheus;
mod replay;
mod scope;
mod support;
