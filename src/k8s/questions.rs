//! Questions that the API takes as a POST or a PUT and answers without storing anything: whether
//! it would accept an object, who asks, and what they may do.

use k8s_openapi::api::{
    authentication::v1::SelfSubjectReview,
    authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec},
};
use kube::{Api, Client, Resource, api::PostParams, core::Request};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{Error, bounded};

/// Whether the API would accept an object as written, by a dry run with strict validation: unknown
/// fields, bounds and rules. `replaces` is the stored one's `resourceVersion`; none creates it.
/// The answer has every default in it.
///
/// # Errors
/// The API's refusal, with the field's path, or why it did not answer.
pub async fn dry_run<K>(
    client: &Client,
    namespace: &str,
    name: &str,
    object: &Value,
    replaces: Option<&str>,
) -> Result<K, Error>
where
    K: Resource<DynamicType = ()> + DeserializeOwned,
{
    let what = format!("try out {} {namespace}/{name}", K::kind(&()));
    let garbled = |error| Error::new(what.clone(), error);
    let params = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let body = serde_json::to_vec(object).map_err(|e| garbled(kube::Error::SerdeError(e)))?;
    let request = Request::new(K::url_path(&(), Some(namespace)));
    let request = match replaces {
        None => request.create(&params, body),
        Some(_) => request.replace(name, &params, body),
    };
    let mut request = request.map_err(|e| garbled(kube::Error::BuildRequest(e)))?;
    let strict = format!("{}&fieldValidation=Strict", request.uri());
    *request.uri_mut() = strict
        .parse()
        .map_err(|e: http::uri::InvalidUri| garbled(kube::Error::HttpError(e.into())))?;
    bounded(what.clone(), client.request(request)).await
}

/// The name of the user whom the API takes the client for.
///
/// # Errors
/// When the API refuses or does not answer.
pub async fn whoami(client: &Client) -> Result<String, Error> {
    let review = create(client, "ask who this is", &SelfSubjectReview::default()).await?;
    let user = review.status.and_then(|status| status.user_info);
    Ok(user.and_then(|user| user.username).unwrap_or_default())
}

/// Whether the client's user may do this.
///
/// # Errors
/// When the API refuses or does not answer.
pub async fn may(client: &Client, action: ResourceAttributes) -> Result<bool, Error> {
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(action),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    };
    let review = create(client, "ask for a right", &review).await?;
    Ok(review.status.is_some_and(|status| status.allowed))
}

async fn create<K>(client: &Client, what: &str, review: &K) -> Result<K, Error>
where
    K: Resource<DynamicType = (), Scope = k8s_openapi::ClusterResourceScope>
        + Clone
        + std::fmt::Debug
        + Serialize
        + DeserializeOwned,
{
    let api = Api::<K>::all(client.clone());
    bounded(what.to_owned(), api.create(&PostParams::default(), review)).await
}
