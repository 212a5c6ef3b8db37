//! Looks at the cluster. Answers "it is not there" as `None`, never as an error; does not say what
//! anything means.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::{
    ByteString,
    api::{
        autoscaling::v2::HorizontalPodAutoscaler,
        core::v1::{ConfigMap, Secret},
    },
};
use kube::{
    Api, Client,
    api::{ListParams, ObjectList},
    core::{ApiResource, DynamicObject, GroupVersionKind},
};
use sha2::{Digest, Sha256};

use super::{
    Error, Namespaced, bounded,
    claims::{Holder, OWNER_LABEL, holder},
    what,
};

/// One object by name; `None` when there is none.
///
/// # Errors
/// When the API refuses or does not answer.
pub async fn get<K: Namespaced>(
    client: &Client,
    namespace: &str,
    name: &str,
) -> Result<Option<K>, Error> {
    let api = Api::<K>::namespaced(client.clone(), namespace);
    bounded(what::<K>("get", namespace, name), api.get_opt(name)).await
}

/// One object by name, found by a list; `None` when there is none.
///
/// # Errors
/// When the API refuses or does not answer.
pub async fn named<K: Namespaced>(
    client: &Client,
    namespace: &str,
    name: &str,
) -> Result<Option<K>, Error> {
    let api = Api::<K>::namespaced(client.clone(), namespace);
    let params = ListParams::default().fields(&format!("metadata.name={name}"));
    let found = bounded(what::<K>("list", namespace, name), api.list(&params)).await?;
    Ok(found.items.into_iter().next())
}

/// The objects of a namespace that carry all of these labels.
///
/// # Errors
/// When the API refuses or does not answer.
pub async fn list<K: Namespaced>(
    client: &Client,
    namespace: &str,
    labels: &BTreeMap<String, String>,
) -> Result<Vec<K>, Error> {
    let api = Api::<K>::namespaced(client.clone(), namespace);
    let selector: Vec<_> = labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
    let params = ListParams::default().labels(&selector.join(","));
    let found = bounded(what::<K>("list", namespace, "*"), api.list(&params)).await?;
    Ok(found.items)
}

/// The data of a Secret; `None` when there is no such Secret.
///
/// # Errors
/// When the API refuses or does not answer. The data is in no error.
pub async fn secret(
    client: &Client,
    namespace: &str,
    name: &str,
) -> Result<Option<BTreeMap<String, ByteString>>, Error> {
    let secret = get::<Secret>(client, namespace, name).await?;
    Ok(secret.map(|secret| secret.data.unwrap_or_default()))
}

/// A digest of each value of a Secret by key; `None` when there is no such Secret.
///
/// The digest is salted with the Secret's UID, which only readers of the Secret know: nobody who
/// sees it, in an annotation, can try out passwords on it.
///
/// # Errors
/// When the API refuses or does not answer. The data is in no error.
pub async fn secret_digests(
    client: &Client,
    namespace: &str,
    name: &str,
) -> Result<Option<BTreeMap<String, String>>, Error> {
    let secret = get::<Secret>(client, namespace, name).await?;
    Ok(secret.map(|secret| {
        let salt = secret.metadata.uid.unwrap_or_default();
        let data = secret.data.unwrap_or_default();
        let values = data
            .iter()
            .map(|(key, ByteString(value))| (key, value.as_slice()));
        digests(&salt, values)
    }))
}

/// A digest of each value of a `ConfigMap` by key; `None` when there is no such `ConfigMap`.
///
/// # Errors
/// When the API refuses or does not answer.
pub async fn config_map_digests(
    client: &Client,
    namespace: &str,
    name: &str,
) -> Result<Option<BTreeMap<String, String>>, Error> {
    let map = get::<ConfigMap>(client, namespace, name).await?;
    Ok(map.map(|map| {
        let (text, binary) = (
            map.data.unwrap_or_default(),
            map.binary_data.unwrap_or_default(),
        );
        let values = text.iter().map(|(key, value)| (key, value.as_bytes()));
        let binary = binary
            .iter()
            .map(|(key, ByteString(value))| (key, value.as_slice()));
        digests("", values.chain(binary))
    }))
}

fn digests<'a>(
    salt: &str,
    values: impl Iterator<Item = (&'a String, &'a [u8])>,
) -> BTreeMap<String, String> {
    values
        .map(|(key, value)| {
            let hash = Sha256::new()
                .chain_update(salt)
                .chain_update([0])
                .chain_update(value)
                .finalize();
            (key.clone(), format!("{hash:x}"))
        })
        .collect()
}

/// Something that scales a Deployment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Scaler {
    /// `HorizontalPodAutoscaler` or `ScaledObject`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Name of the Deployment that it scales.
    pub deployment: String,
}

/// The `HorizontalPodAutoscaler`s and KEDA `ScaledObject`s of a namespace that scale a Deployment.
/// A cluster without KEDA has none of the latter.
///
/// KEDA drives its own `HorizontalPodAutoscaler`; both are reported.
///
/// # Errors
/// When the API refuses or does not answer.
pub async fn scalers(client: &Client, namespace: &str) -> Result<Vec<Scaler>, Error> {
    let mut found: Vec<_> = list::<HorizontalPodAutoscaler>(client, namespace, &BTreeMap::new())
        .await?
        .into_iter()
        .filter_map(|hpa| {
            let target = hpa.spec?.scale_target_ref;
            (target.kind == "Deployment").then(|| Scaler {
                kind: "HorizontalPodAutoscaler".to_owned(),
                name: hpa.metadata.name.unwrap_or_default(),
                deployment: target.name,
            })
        })
        .collect();
    found.extend(scaled_objects(client, namespace).await?);
    found.sort();
    Ok(found)
}

async fn scaled_objects(client: &Client, namespace: &str) -> Result<Vec<Scaler>, Error> {
    let kind = GroupVersionKind::gvk("keda.sh", "v1alpha1", "ScaledObject");
    let resource = ApiResource::from_gvk(&kind);
    let api = Api::<DynamicObject>::namespaced_with(client.clone(), namespace, &resource);
    let params = ListParams::default();
    let what = format!("list ScaledObject {namespace}/*");
    match bounded(what, api.list(&params)).await {
        Ok(list) => Ok(targets(list)),
        Err(error) if error.status().is_some_and(|s| s.code == 404) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn targets(list: ObjectList<DynamicObject>) -> Vec<Scaler> {
    list.items
        .into_iter()
        .filter_map(|object| {
            let target = object.data.pointer("/spec/scaleTargetRef")?;
            let field = |key| target.get(key).and_then(|v: &serde_json::Value| v.as_str());
            // KEDA's own default.
            (field("kind").unwrap_or("Deployment") == "Deployment").then(|| Scaler {
                kind: "ScaledObject".to_owned(),
                name: object.metadata.name.clone().unwrap_or_default(),
                deployment: field("name").unwrap_or_default().to_owned(),
            })
        })
        .collect()
}

/// Who holds a claim, by its object's name, in the operator's namespace; `None` for nobody.
///
/// # Errors
/// When the API refuses or does not answer.
pub async fn claim(client: &Client, namespace: &str, name: &str) -> Result<Option<Holder>, Error> {
    let map = get::<ConfigMap>(client, namespace, name).await?;
    Ok(map.as_ref().map(holder))
}

/// The names of all claims of the pipeline with this UID.
///
/// # Errors
/// When the API refuses or does not answer.
pub async fn own_claims(
    client: &Client,
    namespace: &str,
    uid: &str,
) -> Result<BTreeSet<String>, Error> {
    let labels = BTreeMap::from([(OWNER_LABEL.to_owned(), uid.to_owned())]);
    let claims = list::<ConfigMap>(client, namespace, &labels).await?;
    Ok(claims
        .into_iter()
        .filter_map(|claim| claim.metadata.name)
        .collect())
}
