//! The resource `IngestionPipeline` of `sluice.dev/v1alpha1`: wire types, defaults, bounds and
//! admission rules. Nothing here reads, decides or writes.

pub mod common;
pub mod connectors;
pub mod pipeline;
pub mod pods;
pub mod scaling;
pub mod topics;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSON,
};
use kube::CustomResourceExt;

pub use pipeline::{IngestionPipeline, IngestionPipelineSpec, IngestionPipelineStatus};

/// The custom resource definition, as committed in `crds/` and installed by the chart.
///
/// `status` itself has a default, `{observedGeneration: -1}`: tools that wait for
/// `observedGeneration` to catch up do so from the first second.
#[must_use]
pub fn crd() -> CustomResourceDefinition {
    let mut crd = IngestionPipeline::crd();
    for version in &mut crd.spec.versions {
        let status = version
            .schema
            .as_mut()
            .and_then(|s| s.open_api_v3_schema.as_mut())
            .and_then(|s| s.properties.as_mut())
            .and_then(|p| p.get_mut("status"));
        if let Some(status) = status {
            status.default = Some(JSON(serde_json::json!({"observedGeneration": -1})));
        }
    }
    crd
}
