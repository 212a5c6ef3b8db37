//! Prometheus by its HTTP API: one instant query for one number. One HTTP client for all servers
//! with the same authorities, a deadline on every call, bounded answers. It only reads; what a
//! missing number means is decided elsewhere.

mod client;
mod error;
pub mod read;
mod wire;

pub use client::{Client, Login, Proof};
pub use error::Error;
