//! Observing: reads become plain values for planning. Nothing here writes or judges; what cannot
//! be read becomes a gap with its reason.

mod connect;
mod containers;
pub mod credentials;
pub mod deletion;
pub mod lag;
pub mod look;
pub mod metrics;
pub mod scaling;
mod topics;
mod workers;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use futures::future::join_all;
use jiff::Timestamp;
use kube::Client;

use credentials::Credentials;

use crate::{
    api::{common::Reason, kafka::Kafka},
    connect as connect_rest, k8s,
    kafka::{self, ClientConfig, Pool},
    plan::{
        Identity, Known, Unknown,
        claims::{Claim, ClaimSeen, Holder},
        kafka_reason, names,
    },
    prometheus,
};

/// Where reads go.
#[derive(Clone)]
pub struct Sources {
    /// The cluster.
    pub kube: Client,
    /// Kafka clients, one for each cluster and identity.
    pub kafka: Pool,
    /// What the Secrets of pipelines hold for Kafka.
    pub credentials: Credentials,
    /// Kafka Connect's REST interface.
    pub connect: connect_rest::Client,
    /// Prometheus servers.
    pub prometheus: prometheus::Client,
    /// The namespace of claims.
    pub operator_namespace: String,
}

impl Sources {
    /// The client of a pipeline's Kafka, with what its Secrets hold: read again when that was last
    /// done longer ago than `age`.
    pub async fn kafka(
        &self,
        namespace: &str,
        kafka: &Kafka,
        age: Duration,
        now: Timestamp,
    ) -> Known<kafka::Client> {
        let read = self
            .credentials
            .security(&self.kube, namespace, kafka, age, now);
        let security = match read.await {
            Known::Value(security) => security,
            Known::Unknown(unknown) => return Known::Unknown(unknown),
        };
        let config = ClientConfig {
            bootstrap_servers: kafka.bootstrap_servers.clone(),
            security,
        };
        match self.kafka.client(&config).await {
            Ok(client) => Known::Value(client),
            Err(error) => Known::Unknown(unknown_kafka(&error)),
        }
    }

    /// Who holds these claims: one list of the pipeline's own, then one read for each that is not
    /// among them, which is none once everything is claimed.
    async fn claims(
        &self,
        cluster_id: &str,
        pipeline: Identity<'_>,
        claims: &BTreeSet<Claim>,
    ) -> BTreeMap<Claim, Known<ClaimSeen>> {
        let own =
            match k8s::read::own_claims(&self.kube, &self.operator_namespace, pipeline.uid).await {
                Ok(own) => own,
                Err(error) => {
                    let unknown = unknown_kube(&error);
                    return claims
                        .iter()
                        .map(|c| (c.clone(), Known::Unknown(unknown.clone())))
                        .collect();
                }
            };
        let look = async |claim: &Claim| {
            let record = names::claim(cluster_id, claim.kind.as_str(), &claim.name);
            let seen = if own.contains(&record) {
                Known::Value(ClaimSeen::Ours)
            } else {
                self.claim(&record, pipeline).await
            };
            (claim.clone(), seen)
        };
        join_all(claims.iter().map(look))
            .await
            .into_iter()
            .collect()
    }

    async fn claim(&self, record: &str, pipeline: Identity<'_>) -> Known<ClaimSeen> {
        match k8s::read::claim(&self.kube, &self.operator_namespace, record).await {
            Ok(None) => Known::Value(ClaimSeen::Free),
            Ok(Some(holder)) if holder.uid == pipeline.uid => Known::Value(ClaimSeen::Ours),
            // An earlier pipeline of this very name: the new one resumes what it left.
            Ok(Some(holder))
                if holder.namespace == pipeline.namespace && holder.name == pipeline.name =>
            {
                Known::Value(ClaimSeen::Free)
            }
            Ok(Some(holder)) => Known::Value(ClaimSeen::HeldBy(Holder {
                namespace: holder.namespace,
                name: holder.name,
            })),
            Err(error) => Known::Unknown(unknown_kube(&error)),
        }
    }
}

fn unknown_kafka(error: &kafka::Error) -> Unknown {
    let class = error.class();
    Unknown {
        class,
        reason: kafka_reason(class, error.security()),
        message: error.to_string(),
    }
}

fn unknown_kube(error: &k8s::Error) -> Unknown {
    Unknown {
        class: error.class(),
        reason: Reason::KubernetesFailed,
        message: error.to_string(),
    }
}

fn known<T>(answer: Result<T, k8s::Error>) -> Known<T> {
    match answer {
        Ok(value) => Known::Value(value),
        Err(error) => Known::Unknown(unknown_kube(&error)),
    }
}
