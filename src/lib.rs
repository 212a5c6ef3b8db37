//! Sluice: one `IngestionPipeline` becomes Kafka topics, connectors and an autoscaler.
