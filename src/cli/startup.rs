//! What is checked before the operator works: that pipelines are served where it is to look for
//! them, and that the installed definition knows every field of this version.

use std::time::Duration;

use anyhow::{Context as _, anyhow};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{Api, Client, api::ListParams};
use serde_json::Value;
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use crate::{
    api::{self, IngestionPipeline},
    k8s::{DEADLINE, rights::DEFINITION},
    telemetry::metrics::Metrics,
};

/// How long pipelines may take to be served, and to be allowed.
const PATIENCE: Duration = Duration::from_secs(60);
/// Wait between two tries.
const AGAIN: Duration = Duration::from_secs(1);

/// Waits until pipelines can be listed in each of these namespaces, or in all when none is named.
/// Asks for nothing that a Role in those namespaces does not allow.
///
/// # Errors
/// When that takes more than a minute: what is missing, and where.
pub async fn served(client: &Client, namespaces: &[String]) -> anyhow::Result<()> {
    if namespaces.is_empty() {
        return listed(Api::all(client.clone()), "in all namespaces").await;
    }
    for namespace in namespaces {
        let api = Api::namespaced(client.clone(), namespace);
        listed(api, &format!("in namespace {namespace}")).await?;
    }
    Ok(())
}

async fn listed(api: Api<IngestionPipeline>, place: &str) -> anyhow::Result<()> {
    let mut last: Option<String> = None;
    let listed = async {
        while let Err(error) = list(&api).await {
            let text = format!("{error:#}");
            if last.as_ref() != Some(&text) {
                warn!(error = text, "pipelines cannot be listed {place}");
                last = Some(text);
            }
            sleep(AGAIN).await;
        }
    };
    if timeout(PATIENCE, listed).await.is_ok() {
        return Ok(());
    }
    let why = last.unwrap_or_else(|| "no answer".to_owned());
    Err(anyhow!(why)).with_context(|| format!("pipelines cannot be listed {place}"))
}

async fn list(api: &Api<IngestionPipeline>) -> anyhow::Result<()> {
    let params = ListParams::default().limit(1);
    match timeout(DEADLINE, api.list_metadata(&params)).await {
        Err(_) => Err(anyhow!("the Kubernetes API does not answer")),
        Ok(Err(kube::Error::Api(status))) if status.code == 404 => Err(anyhow!(
            "{DEFINITION} is not installed: install the chart, or apply `sluice crd`"
        )),
        Ok(answer) => answer.map(drop).map_err(Into::into),
    }
}

/// Says, in the log and a metric, when the installed definition lacks fields of this version: the
/// apiserver drops them without a word. Where the definition cannot be read, nothing is said.
pub async fn compare_definition(client: &Client, metrics: &Metrics) {
    let definitions = Api::<CustomResourceDefinition>::all(client.clone());
    let installed = match timeout(DEADLINE, definitions.get(DEFINITION)).await {
        Ok(Ok(installed)) => installed,
        Ok(Err(error)) => return info!(%error, "the definition {DEFINITION} was not compared"),
        Err(_) => return info!("the definition {DEFINITION} was not compared: no answer"),
    };
    let missing = missing_fields(&installed, &api::crd());
    metrics.definition_outdated(!missing.is_empty());
    if !missing.is_empty() {
        warn!(
            missing = missing.join(", "),
            "the installed definition {DEFINITION} is older than this operator, these fields are lost: \
             upgrade the chart, or apply `sluice crd` of this version"
        );
    }
}

/// Paths of the fields that `own` has and `installed` has not, in the version that `own` stores.
fn missing_fields(
    installed: &CustomResourceDefinition,
    own: &CustomResourceDefinition,
) -> Vec<String> {
    let mut missing = Vec::new();
    for version in &own.spec.versions {
        let same = installed.spec.versions.iter();
        let same = same.filter(|other| other.name == version.name);
        let schema = |version: Option<&_>| serde_json::to_value(version).unwrap_or_default();
        let installed = schema(same.map(|other| &other.schema).next());
        let own = schema(Some(&version.schema));
        let root = "openAPIV3Schema";
        compare("", &installed[root], &own[root], &mut missing);
    }
    missing
}

fn compare(path: &str, installed: &Value, own: &Value, missing: &mut Vec<String>) {
    let fields = own["properties"].as_object();
    for (name, schema) in fields.into_iter().flatten() {
        let path = format!("{path}.{name}");
        match installed["properties"].get(name) {
            Some(installed) => compare(&path, installed, schema, missing),
            None => missing.push(path),
        }
    }
    for (key, mark) in [("items", "[]"), ("additionalProperties", "{}")] {
        if own[key].is_object() {
            compare(
                &format!("{path}{mark}"),
                &installed[key],
                &own[key],
                missing,
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definition_lacks_nothing_of_itself() {
        assert_eq!(missing_fields(&api::crd(), &api::crd()), [""; 0]);
    }

    #[test]
    fn every_field_that_an_older_definition_lacks_is_named() {
        let mut older = serde_json::to_value(api::crd()).unwrap();
        for (parent, field) in [
            ("/status/properties", "clusterId"),
            ("/spec/properties/topics/items/properties", "adopt"),
        ] {
            let pointer = format!("/spec/versions/0/schema/openAPIV3Schema/properties{parent}");
            let fields = older.pointer_mut(&pointer).unwrap().as_object_mut();
            assert!(fields.unwrap().remove(field).is_some(), "{field}");
        }
        let older = serde_json::from_value(older).unwrap();
        let missing = missing_fields(&older, &api::crd());
        assert_eq!(missing, [".spec.topics[].adopt", ".status.clusterId"]);
    }
}
