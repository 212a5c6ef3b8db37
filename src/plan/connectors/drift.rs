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

/// Whether everything in `desired` is in `live` with the same value: there are no [`differences`].
#[must_use]
pub fn contains<T: Serialize>(live: &T, desired: &T) -> bool {
    differences(live, desired).is_empty()
}

/// The paths of the fields in `desired` that `live` lacks or has with another value.
///
/// Lists follow the merge keys of the Kubernetes API where server-side apply merges them by key
/// (`containers`, `env`, `volumes`, ...); all other lists must be equal element by element. Empty
/// lists and maps count as absent.
#[must_use]
pub fn differences<T: Serialize>(live: &T, desired: &T) -> Vec<String> {
    match (serde_json::to_value(live), serde_json::to_value(desired)) {
        (Ok(live), Ok(desired)) => compare("", &live, &desired),
        _ => vec!["an object that cannot be compared".to_owned()],
    }
}

/// Paths below `field`, empty for itself. They are put together from the inside, so that equal
/// objects, which almost all are, cost no text at all.
fn compare(field: &str, live: &Value, desired: &Value) -> Vec<String> {
    match (live, desired) {
        (_, Value::Null) => Vec::new(),
        (Value::Object(live), Value::Object(desired)) => {
            let fields = desired.iter().flat_map(|(key, value)| {
                let inside = match live.get(key) {
                    Some(live) => compare(key, live, value),
                    None if is_empty(value) => Vec::new(),
                    None => vec![String::new()],
                };
                inside.into_iter().map(move |path| below(key, &path))
            });
            fields.collect()
        }
        (Value::Array(live), Value::Array(desired)) => compare_lists(field, live, desired),
        _ if live == desired => Vec::new(),
        _ => vec![String::new()],
    }
}

fn below(key: &str, path: &str) -> String {
    let dot = if path.is_empty() || path.starts_with('[') {
        ""
    } else {
        "."
    };
    format!("{key}{dot}{path}")
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(list) => list.is_empty(),
        _ => false,
    }
}

fn compare_lists(field: &str, live: &[Value], desired: &[Value]) -> Vec<String> {
    let Some(keys) = merge_keys(field) else {
        let mut pairs = live.iter().zip(desired);
        let same = live.len() == desired.len()
            && pairs.all(|(live, desired)| compare("", live, desired).is_empty());
        return if same {
            Vec::new()
        } else {
            vec![String::new()]
        };
    };
    let entries = desired.iter().flat_map(|wanted| {
        let inside = match live.iter().find(|live| same_entry(keys, live, wanted)) {
            Some(live) => compare("", live, wanted),
            None => vec![String::new()],
        };
        let entry = move |path: String| below(&format!("[{}]", entry_name(keys, wanted)), &path);
        inside.into_iter().map(entry)
    });
    entries.collect()
}

/// The first key of an entry, by which a person finds it.
fn entry_name(keys: &[&str], entry: &Value) -> String {
    let key = keys.iter().find_map(|key| entry.get(key));
    match key {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    }
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
    fn what_differs_is_named_by_its_path() {
        let live = json!({"spec": {"paused": true, "containers": [
            {"name": "main", "image": "a", "args": ["1"]},
        ]}});
        let desired = json!({"spec": {"containers": [
            {"name": "main", "image": "b", "args": ["2"], "env": [{"name": "A", "value": "1"}]},
            {"name": "other"},
        ]}});
        assert_eq!(
            differences(&live, &desired),
            [
                "spec.containers[main].args",
                "spec.containers[main].env",
                "spec.containers[main].image",
                "spec.containers[other]",
            ]
        );
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
