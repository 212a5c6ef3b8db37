//! The comparison of autoscalers: loads, models of the other autoscalers, the optimum, and how they
//! are told. It is no part of the product; it uses the product's decisions and its model of a
//! consumer group. `main.rs` runs it, and the integration tests check the models.

pub mod aws;
pub mod drive;
pub mod hpa;
pub mod keda;
pub mod optimum;
pub mod peers;
pub mod shapes;
pub mod table;
pub mod worlds;
