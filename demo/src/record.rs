//! The sequence that every generated record carries, so that each one can be accounted for.

use serde::{Deserialize, Serialize};

/// The value of a generated record: the n-th record of one run of the load generator.
#[derive(Serialize, Deserialize, Debug, PartialEq, Eq)]
pub struct Sequence {
    /// Names one run; numbers of different runs are never compared.
    pub producer: String,
    /// Counts from 0 without a gap.
    pub n: u64,
}

/// The header in which a consumer says which pod processed a record.
pub const PROCESSED_BY: &str = "processed-by";
