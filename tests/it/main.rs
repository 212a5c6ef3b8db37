//! Every integration test, linked once.

fn main() {}
