//! A claim: the `ConfigMap` in the operator's namespace by which one pipeline holds something
//! outside the cluster. Only its shape; [`super::read`] and [`super::write`] move it.

use std::collections::BTreeMap;

use k8s_openapi::{api::core::v1::ConfigMap, apimachinery::pkg::apis::meta::v1::ObjectMeta};

/// Label of every claim with the UID of the pipeline that holds it.
pub const OWNER_LABEL: &str = "sluice.dev/owner-uid";

/// The pipeline that holds a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The pipeline's UID.
    pub uid: String,
    /// The pipeline's namespace.
    pub namespace: String,
    /// The pipeline's name.
    pub name: String,
}

/// The `ConfigMap` of a claim. `subject` tells people what is claimed (cluster id, kind, name);
/// the object's name is a hash of it.
pub(super) fn to_config_map(
    name: &str,
    holder: &Holder,
    subject: &BTreeMap<String, String>,
) -> ConfigMap {
    let mut data = subject.clone();
    data.extend([
        ("ownerUid".to_owned(), holder.uid.clone()),
        ("ownerNamespace".to_owned(), holder.namespace.clone()),
        ("ownerName".to_owned(), holder.name.clone()),
    ]);
    ConfigMap {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            labels: Some(BTreeMap::from([(
                OWNER_LABEL.to_owned(),
                holder.uid.clone(),
            )])),
            ..Default::default()
        },
        data: Some(data),
        ..Default::default()
    }
}

/// Who holds the claim in a `ConfigMap`; fields that somebody removed read as empty, and so belong
/// to nobody who asks.
pub(super) fn holder(map: &ConfigMap) -> Holder {
    let field = |key: &str| {
        let data = map.data.as_ref();
        data.and_then(|data| data.get(key))
            .cloned()
            .unwrap_or_default()
    };
    Holder {
        uid: field("ownerUid"),
        namespace: field("ownerNamespace"),
        name: field("ownerName"),
    }
}

/// A JSON patch that hands the claim to another pipeline, if its holder still has this name.
pub(super) fn take_over(holder: &Holder) -> json_patch::Patch {
    let label = OWNER_LABEL.replace('/', "~1");
    let patch = serde_json::json!([
        {"op": "test", "path": "/data/ownerNamespace", "value": holder.namespace},
        {"op": "test", "path": "/data/ownerName", "value": holder.name},
        {"op": "replace", "path": "/data/ownerUid", "value": holder.uid},
        {"op": "replace", "path": format!("/metadata/labels/{label}"), "value": holder.uid},
    ]);
    serde_json::from_value(patch).unwrap_or_default()
}
