//! Planning of what moves records: container connectors as Deployments, and the Kafka Connect
//! workers with the connectors in them.

pub mod pods;
pub mod quantity;
