//! Whose an object is. An object belongs to a pipeline when it names the pipeline's UID as its
//! controller; a name or a label alone proves nothing, since anybody can write them. Whose its
//! replica count is, is read from the field managers that the apiserver records.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{
    ManagedFieldsEntry, ObjectMeta, OwnerReference,
};

use crate::plan::{Identity, names, scaling::Override};

/// The reference that makes the pipeline an object's controller: the garbage collector deletes the
/// object with it.
#[must_use]
pub fn owner_reference(pipeline: Identity<'_>) -> OwnerReference {
    OwnerReference {
        api_version: "sluice.dev/v1alpha1".to_owned(),
        kind: "IngestionPipeline".to_owned(),
        name: pipeline.name.to_owned(),
        uid: pipeline.uid.to_owned(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    }
}

/// Whether this very pipeline, by UID, controls the object.
#[must_use]
pub fn is_ours(metadata: &ObjectMeta, pipeline: Identity<'_>) -> bool {
    metadata
        .owner_references
        .iter()
        .flatten()
        .any(|owner| owner.controller == Some(true) && owner.uid == pipeline.uid)
}

/// Whether `manager` owns `spec.replicas` of the object, by any operation and subresource.
///
/// Always false where the reader strips `metadata.managedFields`: read Deployments with them.
#[must_use]
pub fn owns_replicas(metadata: &ObjectMeta, manager: &str) -> bool {
    metadata
        .managed_fields
        .iter()
        .flatten()
        .any(|entry| entry.manager.as_deref() == Some(manager) && names_replicas(entry))
}

/// Who has set `spec.replicas`, when it is neither Sluice's scaler nor its creator: the field
/// manager, and when, which the apiserver does not record for the scale subresource. As
/// [`owns_replicas`], only where managed fields are read.
#[must_use]
pub fn overridden(metadata: &ObjectMeta) -> Option<Override> {
    let ours = [names::MANAGER, names::SCALER];
    if ours.iter().any(|manager| owns_replicas(metadata, manager)) {
        return None;
    }
    let entries = metadata.managed_fields.iter().flatten();
    let setters = entries
        .filter(|entry| names_replicas(entry))
        .filter_map(|entry| {
            Some(Override {
                by: entry.manager.clone()?,
                at: entry.time.as_ref().map(|time| time.0),
            })
        });
    setters.max_by_key(|setter| setter.at)
}

fn names_replicas(entry: &ManagedFieldsEntry) -> bool {
    entry
        .fields_v1
        .as_ref()
        .is_some_and(|fields| fields.0.pointer("/f:spec/f:replicas").is_some())
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::FieldsV1;
    use serde_json::json;

    use super::*;

    const PIPELINE: Identity<'_> = Identity {
        namespace: "plant",
        name: "p",
        uid: "u-1",
    };

    #[test]
    fn ours_is_what_names_our_uid_as_its_controller() {
        let owned = |change: fn(&mut OwnerReference)| {
            let mut owner = owner_reference(PIPELINE);
            change(&mut owner);
            let metadata = ObjectMeta {
                owner_references: Some(vec![owner]),
                ..Default::default()
            };
            is_ours(&metadata, PIPELINE)
        };
        assert!(owned(|_| ()));
        assert!(!owned(|owner| owner.uid = "u-2".into()));
        assert!(!owned(|owner| owner.controller = None));
        assert!(!is_ours(&ObjectMeta::default(), PIPELINE));
    }

    #[test]
    fn who_else_has_set_the_count_is_read_from_managed_fields() {
        let entry = |manager: &str, time: &str, fields: serde_json::Value| ManagedFieldsEntry {
            manager: Some(manager.into()),
            time: serde_json::from_value(json!(time)).unwrap(),
            fields_v1: Some(FieldsV1(fields)),
            ..Default::default()
        };
        let replicas = || json!({"f:spec": {"f:replicas": {}}});
        let (early, late) = ("2026-01-05T10:00:00Z", "2026-01-05T11:00:00Z");
        let by = |entries: Vec<ManagedFieldsEntry>| {
            let metadata = ObjectMeta {
                managed_fields: Some(entries),
                ..Default::default()
            };
            overridden(&metadata).map(|o| (o.by, o.at.unwrap().to_string()))
        };
        let template = entry(names::MANAGER, early, json!({"f:spec": {"f:template": {}}}));
        let hand = entry("kubectl", late, replicas());
        let expected = Some(("kubectl".to_owned(), late.to_owned()));
        assert_eq!(by(vec![template.clone(), hand.clone()]), expected);
        let earlier = entry("other", early, replicas());
        assert_eq!(by(vec![hand.clone(), earlier]), expected);
        for ours in [names::MANAGER, names::SCALER] {
            assert_eq!(by(vec![hand.clone(), entry(ours, early, replicas())]), None);
        }
        assert_eq!(by(vec![template]), None);
    }

    #[test]
    fn the_owner_of_the_count_is_read_from_managed_fields() {
        let metadata = ObjectMeta {
            managed_fields: Some(vec![ManagedFieldsEntry {
                manager: Some("scaler".into()),
                fields_v1: Some(FieldsV1(json!({"f:spec": {"f:replicas": {}}}))),
                ..Default::default()
            }]),
            ..Default::default()
        };
        assert!(owns_replicas(&metadata, "scaler"));
        assert!(!owns_replicas(&metadata, "kubectl"));
        assert!(!owns_replicas(&ObjectMeta::default(), "scaler"));
    }
}
