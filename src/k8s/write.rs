//! Writes to the cluster what was decided elsewhere. Every write is absolute and may be repeated;
//! none reads in order to decide.

use std::collections::BTreeMap;

use k8s_openapi::api::{apps::v1::Deployment, core::v1::ConfigMap};
use kube::{
    Api, Client, ResourceExt,
    api::{
        DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions, PropagationPolicy,
    },
    core::Status,
};
use serde::Serialize;
use serde_json::json;

use super::{
    Error, Namespaced, bounded,
    claims::{Holder, OWNER_LABEL, take_over, to_config_map},
    what,
};

/// Applies an object by server-side apply as `manager`, taking over fields that others changed.
///
/// # Errors
/// When the API refuses or does not answer, or when the object has no name or namespace.
pub async fn apply<K: Namespaced + Serialize>(
    client: &Client,
    object: &K,
    manager: &str,
) -> Result<K, Error> {
    patch_applied(client, object, &PatchParams::apply(manager).force()).await
}

/// Creates an object by server-side apply as `manager`. Takes nothing over: an object of this name
/// that somebody else made at the same moment, with other values, is a conflict.
///
/// # Errors
/// As [`apply`], and when fields belong to somebody else.
pub async fn create<K: Namespaced + Serialize>(
    client: &Client,
    object: &K,
    manager: &str,
) -> Result<K, Error> {
    patch_applied(client, object, &PatchParams::apply(manager)).await
}

async fn patch_applied<K: Namespaced + Serialize>(
    client: &Client,
    object: &K,
    params: &PatchParams,
) -> Result<K, Error> {
    let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
    let api = Api::<K>::namespaced(client.clone(), &namespace);
    let patch = Patch::Apply(object);
    let call = api.patch(&name, params, &patch);
    bounded(what::<K>("apply", &namespace, &name), call).await
}

/// Deletes the object of this name if it still has this UID; what it owns goes with it, in the
/// background. An object that is gone, or is another by now, counts as deleted.
///
/// # Errors
/// When the API refuses or does not answer.
pub async fn delete<K: Namespaced>(
    client: &Client,
    namespace: &str,
    name: &str,
    uid: &str,
) -> Result<(), Error> {
    let api = Api::<K>::namespaced(client.clone(), namespace);
    let params = DeleteParams {
        propagation_policy: Some(PropagationPolicy::Background),
        preconditions: Some(Preconditions {
            uid: Some(uid.to_owned()),
            resource_version: None,
        }),
        ..DeleteParams::default()
    };
    let call = bounded(
        what::<K>("delete", namespace, name),
        api.delete(name, &params),
    );
    gone(call.await.map(|_| ()))
}

/// Reads "not found" and "not that one" as done.
fn gone(answer: Result<(), Error>) -> Result<(), Error> {
    match answer {
        Err(error) if error.status().is_some_and(|s| matches!(s.code, 404 | 409)) => Ok(()),
        answer => answer,
    }
}

/// Deletes the object of this name, whichever it is; what it owns goes with it.
///
/// # Errors
/// When the API refuses or does not answer.
pub async fn delete_any<K: Namespaced>(
    client: &Client,
    namespace: &str,
    name: &str,
) -> Result<(), Error> {
    let api = Api::<K>::namespaced(client.clone(), namespace);
    let params = DeleteParams::default();
    let call = api.delete(name, &params);
    let answer = bounded(what::<K>("delete", namespace, name), call).await;
    gone(answer.map(|_| ()))
}

/// Sets the count of a Deployment by its scale subresource, as `manager`'s own field.
///
/// # Errors
/// When the API refuses or does not answer.
pub async fn scale(
    client: &Client,
    namespace: &str,
    name: &str,
    to: i32,
    manager: &str,
) -> Result<(), Error> {
    let api = Api::<Deployment>::namespaced(client.clone(), namespace);
    let scale = json!({
        "apiVersion": "autoscaling/v1",
        "kind": "Scale",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"replicas": to},
    });
    let params = PatchParams::apply(manager).force();
    let patch = Patch::Apply(&scale);
    let call = api.patch_scale(name, &params, &patch);
    bounded(what::<Deployment>("scale", namespace, name), call).await?;
    Ok(())
}

/// Replaces the status that `manager` applied before. With `resource_version` the write only
/// succeeds on the object that was read: needed where the status carries decisions that must not
/// be made twice.
///
/// # Errors
/// When the API refuses or does not answer; class `Conflict` when the object has changed.
pub async fn status<K: Namespaced>(
    client: &Client,
    namespace: &str,
    name: &str,
    status: &impl Serialize,
    resource_version: Option<&str>,
    manager: &str,
) -> Result<K, Error> {
    let api = Api::<K>::namespaced(client.clone(), namespace);
    let mut body = json!({
        "apiVersion": K::api_version(&()),
        "kind": K::kind(&()),
        "metadata": {"name": name},
        "status": status,
    });
    if let Some(version) = resource_version {
        body["metadata"]["resourceVersion"] = json!(version);
    }
    let params = PatchParams::apply(manager).force();
    let patch = Patch::Apply(&body);
    let call = api.patch_status(name, &params, &patch);
    bounded(what::<K>("write status of", namespace, name), call).await
}

/// Adds a finalizer to an object as it was read. Nothing is written when it is there.
///
/// # Errors
/// When the API refuses or does not answer; class `Conflict` when the object has changed.
pub async fn add_finalizer<K: Namespaced>(
    client: &Client,
    object: &K,
    finalizer: &str,
) -> Result<(), Error> {
    if object.finalizers().iter().any(|f| f == finalizer) {
        return Ok(());
    }
    let mut finalizers = object.finalizers().to_vec();
    finalizers.push(finalizer.to_owned());
    patch_finalizers(client, object, &finalizers).await
}

/// Removes a finalizer from an object as it was read. An object that is gone counts as done.
///
/// # Errors
/// When the API refuses or does not answer; class `Conflict` when the object has changed.
pub async fn remove_finalizer<K: Namespaced>(
    client: &Client,
    object: &K,
    finalizer: &str,
) -> Result<(), Error> {
    let mut finalizers = object.finalizers().to_vec();
    finalizers.retain(|f| f != finalizer);
    if finalizers.len() == object.finalizers().len() {
        return Ok(());
    }
    match patch_finalizers(client, object, &finalizers).await {
        Err(error) if error.status().is_some_and(|s| s.code == 404) => Ok(()),
        answer => answer,
    }
}

/// A list in a merge patch is replaced as a whole: the resource version keeps another controller's
/// finalizer from being lost.
async fn patch_finalizers<K: Namespaced>(
    client: &Client,
    object: &K,
    to: &[String],
) -> Result<(), Error> {
    let metadata = json!({"finalizers": to, "resourceVersion": object.resource_version()});
    let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
    let body = json!({"metadata": metadata});
    let api = Api::<K>::namespaced(client.clone(), &namespace);
    let (params, patch) = (PatchParams::default(), Patch::Merge(&body));
    let call = api.patch(&name, &params, &patch);
    bounded(what::<K>("patch", &namespace, &name), call)
        .await
        .map(drop)
}

/// Takes a claim for a pipeline, atomically: of two that ask at once one gets it. One that an
/// earlier pipeline of the same name left behind is taken over. `subject` is written for people to
/// read: cluster id, kind and name of what is claimed.
///
/// # Errors
/// When the API refuses or does not answer; class `Conflict` when another pipeline holds it.
pub async fn claim(
    client: &Client,
    namespace: &str,
    name: &str,
    holder: &Holder,
    subject: &BTreeMap<String, String>,
) -> Result<(), Error> {
    let api = Api::<ConfigMap>::namespaced(client.clone(), namespace);
    let map = to_config_map(name, holder, subject);
    let params = PostParams::default();
    let created = api.create(&params, &map);
    match bounded(what::<ConfigMap>("create", namespace, name), created).await {
        Err(Error::Refused { status, .. }) if status.is_already_exists() => {}
        other => return other.map(drop),
    }
    let patch = Patch::<ConfigMap>::Json(take_over(holder));
    let params = PatchParams::default();
    let taken = api.patch(name, &params, &patch);
    match bounded(what::<ConfigMap>("take over", namespace, name), taken).await {
        // The apiserver answers a failed `test` as an invalid patch.
        Err(Error::Refused { status, what }) if status.code == 422 => {
            let status = Status::failure("another pipeline holds it", "Conflict").with_code(409);
            Err(Error::Refused {
                what,
                status: status.boxed(),
            })
        }
        other => other.map(drop),
    }
}

/// Releases one claim of the pipeline with this UID. One that is gone or has changed hands counts
/// as released.
///
/// # Errors
/// When the API refuses or does not answer.
pub async fn release_claim(
    client: &Client,
    namespace: &str,
    name: &str,
    uid: &str,
) -> Result<(), Error> {
    release(client, namespace, uid, Some(name)).await
}

/// Releases every claim of the pipeline with this UID.
///
/// # Errors
/// When the API refuses or does not answer.
pub async fn release_claims(client: &Client, namespace: &str, uid: &str) -> Result<(), Error> {
    release(client, namespace, uid, None).await
}

/// Deletes by selector, so that a claim that changed hands a moment ago is not touched.
async fn release(
    client: &Client,
    namespace: &str,
    uid: &str,
    name: Option<&str>,
) -> Result<(), Error> {
    let api = Api::<ConfigMap>::namespaced(client.clone(), namespace);
    let mut selected = ListParams::default().labels(&format!("{OWNER_LABEL}={uid}"));
    if let Some(name) = name {
        selected = selected.fields(&format!("metadata.name={name}"));
    }
    let params = DeleteParams::default();
    let call = api.delete_collection(&params, &selected);
    bounded(
        what::<ConfigMap>("delete", namespace, name.unwrap_or("*")),
        call,
    )
    .await
    .map(drop)
}
