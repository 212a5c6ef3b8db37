//! Series of a connector that Prometheus servers answer, all asked side by side.

use std::{collections::BTreeMap, time::Duration};

use futures::future::join_all;
use jiff::Timestamp;

use super::Sources;
use crate::{
    api::{common::Reason, connectors::Connector, metrics::Prometheus},
    class::Class,
    plan::{Known, Unknown, pipeline::Subject, scaling::metrics},
    prometheus::{Login, read},
};

/// How old what was read of Secrets may be. With the time between two samples this bounds how late
/// a rotation is noticed.
const SECRETS_EVERY: Duration = Duration::from_secs(15);

/// The value of each of the connector's series from Prometheus, or why there is none.
pub async fn metrics(
    sources: &Sources,
    subject: Subject<'_>,
    connector: &Connector,
    now: Timestamp,
) -> BTreeMap<String, Result<f64, Unknown>> {
    let declared = connector.autoscaling.iter().flat_map(|s| &s.metrics);
    let queries = declared.filter_map(|source| {
        let query = source.prometheus.as_ref()?;
        let block = format!(
            "spec.connectors[{}].autoscaling.metrics[{}].prometheus",
            connector.name, source.name
        );
        Some(async move {
            let value = value(sources, subject, query, &block, now).await;
            (source.name.clone(), value)
        })
    });
    join_all(queries).await.into_iter().collect()
}

async fn value(
    sources: &Sources,
    subject: Subject<'_>,
    query: &Prometheus,
    block: &str,
    now: Timestamp,
) -> Result<f64, Unknown> {
    let at = |unknown: Unknown| Unknown {
        message: format!("{block}.{}", unknown.message),
        ..unknown
    };
    let server = metrics::server(subject.settings, query).map_err(at)?;
    let login = match &query.authentication {
        None => Login::default(),
        Some(authentication) => {
            let (namespace, block) = (
                subject.pipeline.namespace,
                format!("{block}.authentication"),
            );
            let credentials = &sources.credentials;
            let login = credentials.login(
                &sources.kube,
                namespace,
                authentication,
                &block,
                SECRETS_EVERY,
                now,
            );
            match login.await {
                Known::Value(login) => login,
                Known::Unknown(unknown) => return Err(unknown),
            }
        }
    };
    let answer = read::instant(&sources.prometheus, server, &query.query, &login).await;
    answer.map_err(|error| Unknown {
        class: error.class(),
        reason: match error.class() {
            Class::Invalid => Reason::MetricInvalid,
            _ => Reason::MetricUnknown,
        },
        message: format!("{block}: {error}"),
    })
}
