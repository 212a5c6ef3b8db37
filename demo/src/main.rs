//! The demo's consumer, load generator and checker.

fn main() {}
