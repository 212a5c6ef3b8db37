//! Kafka Connect by its REST interface: one HTTP client for all worker groups, a deadline on every
//! call, bounded answers. `read` asks and changes nothing, `write` changes and asks nothing; what
//! to do with an answer is decided elsewhere.

mod client;
mod error;
pub mod read;
mod scrub;
mod wire;
pub mod write;

pub use client::{Client, Endpoint};
pub use error::Error;
