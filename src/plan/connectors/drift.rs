//! Whether a live object still says everything that Sluice applied. The apiserver adds defaults
//! and others may add fields of their own, so the question is not equality: what we declare must
//! be contained in what is there. What we no longer declare shows in the digest of the last apply.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::plan::names;

/// The digest of an object as rendered: changes with anything in it, also with what was removed.
#[must_use]
pub fn digest<T: Serialize>(rendered: &T) -> String {
    names::digest([serde_json::to_string(rendered).unwrap_or_default()])
}

/// Whether everything in `desired` is in `live` with the same value.
///
/// Lists follow the merge keys of the Kubernetes API where server-side apply merges them by key
/// (`containers`, `env`, `volumes`, ...); all other lists must be equal element by element. Empty
/// lists and maps count as absent.
#[must_use]
pub fn contains<T: Serialize>(live: &T, desired: &T) -> bool {
    match (serde_json::to_value(live), serde_json::to_value(desired)) {
        (Ok(live), Ok(desired)) => value_contains("", &live, &desired),
        _ => false,
    }
}

fn value_contains(field: &str, live: &Value, desired: &Value) -> bool {
    match (live, desired) {
        (_, Value::Null) => true,
        (Value::Object(live), Value::Object(desired)) => desired.iter().all(|(key, value)| {
            live.get(key)
                .map_or_else(|| is_empty(value), |live| value_contains(key, live, value))
        }),
        (Value::Array(live), Value::Array(desired)) => list_contains(field, live, desired),
        _ => live == desired,
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(list) => list.is_empty(),
        _ => false,
    }
}

fn list_contains(field: &str, live: &[Value], desired: &[Value]) -> bool {
    let Some(keys) = merge_keys(field) else {
        return live.len() == desired.len()
            && live
                .iter()
                .zip(desired)
                .all(|(l, d)| value_contains("", l, d));
    };
    desired.iter().all(|wanted| {
        live.iter()
            .any(|l| same_entry(keys, l, wanted) && value_contains("", l, wanted))
    })
}

/// The keys by which server-side apply merges a list of this field name, from the
/// `x-kubernetes-list-map-keys` of the apps/v1 and core/v1 schemas. A key that an entry does not
/// have is left out of the comparison.
fn merge_keys(field: &str) -> Option<&'static [&'static str]> {
    Some(match field {
        "containers" | "initContainers" | "volumes" | "env" | "imagePullSecrets" => &["name"],
        "volumeMounts" => &["mountPath"],
        "ports" => &["containerPort", "port", "protocol"],
        "ownerReferences" => &["uid"],
        "topologySpreadConstraints" => &["topologyKey", "whenUnsatisfiable"],
        _ => return None,
    })
}

fn same_entry(keys: &[&str], one: &Value, other: &Value) -> bool {
    let entry = |value: &Value| -> Map<String, Value> {
        keys.iter()
            .filter_map(|key| Some(((*key).to_owned(), value.get(key)?.clone())))
            .collect()
    };
    entry(one) == entry(other)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn defaults_and_other_peoples_additions_are_no_drift() {
        let live = json!({
            "metadata": {"annotations": {"ours": "1", "theirs": "2"}},
            "spec": {"replicas": 3, "containers": [
                {"name": "sidecar", "image": "x"},
                {"name": "main", "image": "a", "env": [{"name": "T"}, {"name": "A", "value": "1"}], "imagePullPolicy": "Always"},
            ]},
        });
        let desired = json!({
            "metadata": {"annotations": {"ours": "1"}},
            "spec": {"containers": [{"name": "main", "image": "a", "args": [], "env": [{"name": "A", "value": "1"}]}]},
        });
        assert!(contains(&live, &desired));
    }

    #[test]
    fn a_changed_or_missing_value_is_drift() {
        let desired =
            json!({"spec": {"containers": [{"name": "main", "image": "a", "args": ["1", "2"]}]}});
        for live in [
            json!({"spec": {"containers": [{"name": "main", "image": "b", "args": ["1", "2"]}]}}),
            json!({"spec": {"containers": [{"name": "main", "image": "a", "args": ["2", "1"]}]}}),
            json!({"spec": {"containers": [{"name": "main", "image": "a", "args": ["1", "2", "3"]}]}}),
            json!({"spec": {"containers": [{"name": "main", "image": "a"}]}}),
            json!({"spec": {"containers": []}}),
            json!({}),
        ] {
            assert!(!contains(&live, &desired), "{live}");
        }
    }

    #[test]
    fn ports_are_matched_by_number_and_protocol() {
        let live = json!({"ports": [{"containerPort": 1, "protocol": "UDP"}, {"containerPort": 1, "protocol": "TCP", "name": "x"}]});
        assert!(contains(
            &live,
            &json!({"ports": [{"containerPort": 1, "protocol": "TCP", "name": "x"}]})
        ));
        assert!(!contains(
            &live,
            &json!({"ports": [{"containerPort": 2, "protocol": "TCP"}]})
        ));
    }
}
