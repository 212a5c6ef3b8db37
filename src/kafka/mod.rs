//! The Kafka adapter: what a cluster says about topics, groups and offsets ([`read`]) and what it
//! is told to do with topics ([`write`]). It states facts and passes orders on; it never decides
//! whether a topic should be created or a lag is too high. Every call is a batch, has a deadline,
//! and blocks no async thread. Partial failure is normal: each topic or partition has its own
//! outcome, in the broker's own words.

mod admin_ffi;
mod client;
mod error;
mod pool;
pub mod read;
pub mod security;
mod token;
pub mod write;

pub use client::{Client, ClientConfig};
pub use error::Error;
pub use pool::{Pool, PoolSettings};
pub use security::Security;
pub use token::TokenError;
