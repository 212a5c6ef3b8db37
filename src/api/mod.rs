//! The resource `IngestionPipeline` of `sluice.dev/v1alpha1`: wire types, defaults, bounds and
//! admission rules. Nothing here reads, decides or writes.

pub mod common;
pub mod connectors;
pub mod decisions;
pub mod kafka;
pub mod metrics;
pub mod pipeline;
pub mod pods;
pub mod policies;
pub mod scaling;
pub mod schedules;
pub mod steadiness;
pub mod topics;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSON, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube::CustomResourceExt;

pub use pipeline::{IngestionPipeline, IngestionPipelineSpec, IngestionPipelineStatus};

/// The custom resource definition, as committed in `crds/` and installed by the chart.
///
/// `status` itself has a default, `{observedGeneration: -1}`: tools that wait for
/// `observedGeneration` to catch up do so from the first second. No field is nullable: the
/// apiserver then reads `replicas: null` as a field that is not there, and so do the rules.
#[must_use]
pub fn crd() -> CustomResourceDefinition {
    let mut crd = IngestionPipeline::crd();
    for version in &mut crd.spec.versions {
        let root = version
            .schema
            .as_mut()
            .and_then(|s| s.open_api_v3_schema.as_mut());
        let Some(root) = root else { continue };
        forbid_null(root);
        let properties = root.properties.as_mut();
        if let Some(status) = properties.and_then(|p| p.get_mut("status")) {
            status.default = Some(JSON(serde_json::json!({"observedGeneration": -1})));
        }
    }
    crd
}

fn forbid_null(schema: &mut JSONSchemaProps) {
    schema.nullable = None;
    for property in schema.properties.iter_mut().flat_map(|p| p.values_mut()) {
        forbid_null(property);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &mut schema.items {
        forbid_null(items);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &mut schema.additional_properties {
        forbid_null(values);
    }
}
