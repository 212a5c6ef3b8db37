//! What the process says of itself: logs, metrics, health, and the live values that `sluice top`
//! reads. Knows nothing of pipelines but names and numbers.

pub mod http;
pub mod live;
pub mod log;
pub mod metrics;
pub mod version;
