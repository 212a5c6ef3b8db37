//! Every integration test, linked once.

mod kafka_faults;
mod kafka_read;
mod kafka_write;
mod support;
