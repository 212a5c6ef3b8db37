//! Whether the custom resource is installed, served, and has everything that this program knows.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{Api, Client, runtime::conditions, runtime::wait::Condition as _};
use serde_json::Value;

use super::{Line, Outcome};
use crate::{
    api,
    class::Class,
    k8s::{self, rights},
};

/// At most this many differences are named.
const NAMED: usize = 3;

/// Checks the definition.
///
/// # Errors
/// When there is no cluster to ask.
pub async fn definition(client: &Client) -> anyhow::Result<Line> {
    let api = Api::<CustomResourceDefinition>::all(client.clone());
    let what = format!("get CustomResourceDefinition {}", rights::DEFINITION);
    let line =
        |outcome, message: &str| Line::new("definition", rights::DEFINITION, outcome, message);
    match k8s::bounded(what, api.get_opt(rights::DEFINITION)).await {
        Ok(None) => Ok(line(
            Outcome::Problem,
            "not installed: install the chart, or apply what `sluice crd` prints",
        )),
        Ok(Some(stored)) => {
            let (outcome, message) = compared(&stored);
            Ok(line(outcome, &message))
        }
        Err(error) if error.class() == Class::Down => Err(error.into()),
        Err(error) => Ok(Line::failed("definition", rights::DEFINITION, &error)),
    }
}

fn compared(stored: &CustomResourceDefinition) -> (Outcome, String) {
    if !conditions::is_crd_established().matches_object(Some(stored)) {
        let message = "not established: see its conditions by `kubectl describe crd`";
        return (Outcome::Problem, message.to_owned());
    }
    let mut lacking = Vec::new();
    compare("", &schema(&api::crd()), &schema(stored), &mut lacking);
    if lacking.is_empty() {
        return (
            Outcome::Ok,
            "established, and has all that this version has".to_owned(),
        );
    }
    let named = lacking[..lacking.len().min(NAMED)].join(", ");
    let more = match lacking.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let message = format!(
        "differs from this version in {named}{more}: upgrade the chart, or apply what `sluice crd` \
         prints; where it is newer, use a newer sluice"
    );
    (Outcome::Problem, message)
}

/// The schema of the version that this program speaks.
fn schema(crd: &CustomResourceDefinition) -> Value {
    let ours = api::crd().spec.versions.into_iter().next();
    let name = ours.map(|version| version.name).unwrap_or_default();
    let version = crd
        .spec
        .versions
        .iter()
        .find(|version| version.name == name);
    let schema = version.and_then(|version| version.schema.as_ref()?.open_api_v3_schema.as_ref());
    serde_json::to_value(schema).unwrap_or_default()
}

/// Where `stored` lacks something of `ours` or says it otherwise. What only `stored` has comes from
/// a newer version and does no harm; descriptions do not count.
fn compare(path: &str, ours: &Value, stored: &Value, lacking: &mut Vec<String>) {
    match (ours, stored) {
        (Value::Object(ours), Value::Object(stored)) => {
            for (key, value) in ours.iter().filter(|(key, _)| *key != "description") {
                let path = match key.as_str() {
                    "properties" => path.to_owned(),
                    "items" => format!("{path}[]"),
                    _ if path.is_empty() => key.clone(),
                    _ => format!("{path}.{key}"),
                };
                match stored.get(key) {
                    Some(stored) => compare(&path, value, stored, lacking),
                    None => lacking.push(path),
                }
            }
        }
        _ if ours == stored => {}
        _ => lacking.push(path.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_definition_is_told_by_the_fields_that_it_lacks() {
        let established = |mut crd: CustomResourceDefinition| {
            let status = serde_json::json!({"conditions": [
                {"type": "Established", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z", "reason": "x", "message": ""},
            ]});
            crd.status = Some(serde_json::from_value(status).unwrap());
            crd
        };
        let same = established(api::crd());
        assert_eq!(compared(&same).0, Outcome::Ok);

        let edited = |edit: &dyn Fn(&mut Value)| {
            let mut value = serde_json::to_value(&same).unwrap();
            edit(
                &mut value["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"],
            );
            serde_json::from_value::<CustomResourceDefinition>(value).unwrap()
        };
        let older = edited(&|spec| {
            spec["properties"]
                .as_object_mut()
                .unwrap()
                .remove("suspend");
        });
        let (outcome, message) = compared(&older);
        assert_eq!(outcome, Outcome::Problem);
        assert!(
            message.contains("differs from this version in spec.suspend:"),
            "{message}"
        );

        let newer =
            edited(&|spec| spec["properties"]["later"] = serde_json::json!({"type": "string"}));
        assert_eq!(compared(&newer).0, Outcome::Ok);

        let mut unserved = same;
        unserved.status = None;
        assert_eq!(compared(&unserved).0, Outcome::Problem);
    }
}
