//! A claim: the `ConfigMap` in the operator's namespace by which one pipeline holds something
//! outside the cluster. Only its shape; [`super::read`] and [`super::write`] move it.

use std::collections::BTreeMap;

use k8s_openapi::{api::core::v1::ConfigMap, apimachinery::pkg::apis::meta::v1::ObjectMeta};

/// Label of every claim, to list them.
pub const LABEL: &str = "sluice.dev/claim";

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

/// A claim as it is in the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Who holds it.
    pub holder: Holder,
    /// The `ConfigMap`'s UID.
    pub uid: String,
    /// The `ConfigMap`'s resource version: a write that names it changes this claim or nothing.
    pub resource_version: String,
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
            labels: Some(BTreeMap::from([(LABEL.to_owned(), "true".to_owned())])),
            ..Default::default()
        },
        data: Some(data),
        ..Default::default()
    }
}

/// The claim in a `ConfigMap`; fields that somebody removed read as empty, and so belong to nobody
/// who asks.
pub(super) fn from_config_map(map: &ConfigMap) -> Claim {
    let field = |key: &str| {
        let data = map.data.as_ref();
        data.and_then(|data| data.get(key))
            .cloned()
            .unwrap_or_default()
    };
    Claim {
        holder: Holder {
            uid: field("ownerUid"),
            namespace: field("ownerNamespace"),
            name: field("ownerName"),
        },
        uid: map.metadata.uid.clone().unwrap_or_default(),
        resource_version: map.metadata.resource_version.clone().unwrap_or_default(),
    }
}
