//! Planning of what moves records: container connectors as Deployments, and the Kafka Connect
//! workers with the connectors in them.

pub mod connect;
pub mod container;
pub mod deployment;
pub mod drift;
pub mod kafka_client;
pub mod ownership;
pub mod part;
pub mod pods;
pub mod quantity;
pub mod references;
pub mod replicas;
pub mod trouble;
pub mod workers;
