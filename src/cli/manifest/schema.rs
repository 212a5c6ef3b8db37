//! A pipeline held against its definition, as the apiserver does at admission and in its words: the
//! schema first, then, with the defaults filled in, the rules between fields. What only the cluster
//! knows (quotas, other objects, an older version of this one) is not checked.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube::core::cel::{ErrorKind, ValidationError, Validator};
use regex::Regex;
use serde_json::{Map, Value};

use crate::api;

/// What the apiserver would refuse, each with its field; empty for a sound pipeline. `written` has
/// no nulls: those are fields that are not there.
pub fn refusals(written: &Value) -> Vec<String> {
    let Some(root) = schema() else {
        return Vec::new();
    };
    let mut found = Vec::new();
    let spec = root.properties.as_ref().and_then(|p| p.get("spec"));
    match (spec, written.get("spec")) {
        (Some(schema), Some(spec)) => walk("spec", spec, schema, &mut found),
        _ => found.push("spec: Required value".to_owned()),
    }
    found
}

/// The rules between fields that a pipeline breaks whose fields are each sound.
///
/// # Errors
/// When the schema has no form in JSON.
pub fn broken_rules(written: &Value) -> serde_json::Result<Vec<String>> {
    let schema = serde_json::to_value(schema())?;
    let mut object = written.clone();
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
    }
    let errors = Validator::new().validate(&schema, &object, None).err();
    let errors = errors.map_or_else(Vec::new, kube::core::cel::ValidationErrors::into_vec);
    Ok(errors.iter().map(broken).collect())
}

fn broken(error: &ValidationError) -> String {
    let (path, message) = (&error.field_path, &error.message);
    match error.kind {
        ErrorKind::ValidationFailure => format!("{path}: {message}"),
        _ => format!(
            "{path}: the rule `{}` cannot be checked here: {message}",
            error.rule
        ),
    }
}

/// Without the fields that are null: nothing here is nullable, and the apiserver drops them.
pub fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let there = fields.into_iter().filter(|(_, value)| !value.is_null());
            let there = there.map(|(key, value)| (key, without_nulls(value)));
            Value::Object(there.collect::<Map<_, _>>())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(without_nulls).collect()),
        value => value,
    }
}

fn schema() -> Option<JSONSchemaProps> {
    let version = api::crd().spec.versions.into_iter().next()?;
    version.schema?.open_api_v3_schema
}

fn walk(path: &str, value: &Value, schema: &JSONSchemaProps, found: &mut Vec<String>) {
    let wrong = match value {
        Value::String(text) => wrong_text(text, schema),
        Value::Number(number) => wrong_number(number.as_f64().unwrap_or(f64::NAN), schema),
        Value::Array(items) => {
            wrong_length("items", items.len(), schema.min_items, schema.max_items)
        }
        Value::Object(fields) => {
            let (least, most) = (schema.min_properties, schema.max_properties);
            wrong_length("properties", fields.len(), least, most)
        }
        Value::Null | Value::Bool(_) => None,
    };
    let wrong = wrong_choice(value, schema).or(wrong);
    found.extend(wrong.map(|wrong| format!("{path}: {wrong}")));
    match value {
        Value::Array(items) => walk_items(path, items, schema, found),
        Value::Object(fields) => walk_fields(path, fields, schema, found),
        _ => {}
    }
}

fn walk_fields(
    path: &str,
    fields: &Map<String, Value>,
    schema: &JSONSchemaProps,
    found: &mut Vec<String>,
) {
    let required = schema.required.iter().flatten();
    let missing = required.filter(|name| !fields.contains_key(*name));
    found.extend(missing.map(|name| format!("{path}.{name}: Required value")));
    for (key, value) in fields {
        let path = format!("{path}.{key}");
        let property = schema.properties.as_ref().and_then(|p| p.get(key));
        match (property, &schema.additional_properties) {
            (Some(property), _) => walk(&path, value, property, found),
            (None, Some(JSONSchemaPropsOrBool::Schema(values))) => {
                walk(&path, value, values, found);
            }
            (None, Some(JSONSchemaPropsOrBool::Bool(true))) => {}
            _ if schema.x_kubernetes_preserve_unknown_fields == Some(true) => {}
            _ => found.push(format!("{path}: unknown field")),
        }
    }
}

fn walk_items(path: &str, items: &[Value], schema: &JSONSchemaProps, found: &mut Vec<String>) {
    let keys = schema.x_kubernetes_list_map_keys.as_deref();
    let is_set = schema.x_kubernetes_list_type.as_deref() == Some("set");
    let identity = |item: &Value| match keys {
        Some(keys) => keys.iter().map(|key| item.get(key).cloned()).collect(),
        None => vec![Some(item.clone())],
    };
    let unique = keys.is_some() || is_set;
    for (index, item) in items.iter().enumerate() {
        let path = format!("{path}[{index}]");
        let earlier = &items[..index];
        if unique
            && earlier
                .iter()
                .any(|other| identity(other) == identity(item))
        {
            let what = keys.map_or_else(|| item.to_string(), |keys| keys.join(", "));
            found.push(format!("{path}: Duplicate value: {what}"));
        }
        if let Some(JSONSchemaPropsOrArray::Schema(schema)) = &schema.items {
            walk(&path, item, schema, found);
        }
    }
}

fn wrong_choice(value: &Value, schema: &JSONSchemaProps) -> Option<String> {
    let allowed = schema.enum_.as_ref()?;
    if allowed.iter().any(|allowed| allowed.0 == *value) {
        return None;
    }
    let allowed: Vec<String> = allowed
        .iter()
        .map(|allowed| allowed.0.to_string())
        .collect();
    let allowed = allowed.join(", ");
    Some(format!(
        "Unsupported value: {value}: supported values: {allowed}"
    ))
}

fn wrong_number(value: f64, schema: &JSONSchemaProps) -> Option<String> {
    if let Some(least) = schema.minimum.filter(|least| value < *least) {
        return Some(format!(
            "Invalid value: {value}: should be greater than or equal to {least}"
        ));
    }
    let most = schema.maximum.filter(|most| value > *most)?;
    Some(format!(
        "Invalid value: {value}: should be less than or equal to {most}"
    ))
}

fn wrong_text(text: &str, schema: &JSONSchemaProps) -> Option<String> {
    let length = text.chars().count();
    wrong_length("characters", length, schema.min_length, schema.max_length).or_else(|| {
        let pattern = schema.pattern.as_ref()?;
        let matches = Regex::new(pattern).is_ok_and(|regex| regex.is_match(text));
        (!matches).then(|| format!("Invalid value: \"{text}\": should match '{pattern}'"))
    })
}

fn wrong_length(
    what: &str,
    length: usize,
    least: Option<i64>,
    most: Option<i64>,
) -> Option<String> {
    let length = i64::try_from(length).unwrap_or(i64::MAX);
    if let Some(least) = least.filter(|least| length < *least) {
        return Some(format!(
            "Invalid value: should have at least {least} {what}"
        ));
    }
    let most = most.filter(|most| length > *most)?;
    Some(format!(
        "Too many: {length}: must have at most {most} {what}"
    ))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use kube::core::cel::compile_schema;
    use serde_json::json;

    use super::*;

    fn pipeline(topics: &Value) -> Value {
        json!({
            "apiVersion": "sluice.dev/v1alpha1",
            "kind": "IngestionPipeline",
            "metadata": {"name": "p"},
            "spec": {"kafka": {"bootstrapServers": "k:9092"}, "topics": topics},
        })
    }

    #[test]
    fn the_schema_is_checked_with_the_place() {
        for (topics, expected) in [
            (
                json!([{"partitions": 3}]),
                "spec.topics[0].name: Required value",
            ),
            (
                json!([{"name": "a", "adopt": "Now"}]),
                "spec.topics[0].adopt: Unsupported value: \"Now\": supported values: \"Never\", ",
            ),
            (
                json!([{"name": "a", "partitions": 0}]),
                "spec.topics[0].partitions: Invalid value: 0: should be greater than or equal to 1",
            ),
            (
                json!([{"name": "a", "partitions": 10_001}]),
                "spec.topics[0].partitions: Invalid value: 10001: should be less than or equal to 10000",
            ),
            (
                json!([{"name": ""}]),
                "spec.topics[0].name: Invalid value: should have at least 1 characters",
            ),
            (
                json!([{"name": "a b"}]),
                "spec.topics[0].name: Invalid value: \"a b\": should match '^[a-zA-Z0-9._-]+$'",
            ),
            (
                json!([{"name": "a"}, {"name": "a"}]),
                "spec.topics[1]: Duplicate value: name",
            ),
            (
                json!([{"name": "a", "config": {"k": "x".repeat(4097)}}]),
                "spec.topics[0].config.k: Too many: 4097: must have at most 4096 characters",
            ),
            (
                json!(vec![json!({}); 65]),
                "spec.topics: Too many: 65: must have at most 64 items",
            ),
            (
                json!([{"name": "a", "partition": 3}]),
                "spec.topics[0].partition: unknown field",
            ),
        ] {
            let found = refusals(&pipeline(&topics));
            assert!(found[0].starts_with(expected), "{found:?}");
        }
    }

    #[test]
    fn rules_see_defaults_and_nulls_are_not_there() {
        let topics = json!([{"name": "a", "partitions": null, "minInSyncReplicas": 1}]);
        let sound = without_nulls(pipeline(&topics));
        assert_eq!(refusals(&sound), Vec::<String>::new());
        assert_eq!(broken_rules(&sound).unwrap(), Vec::<String>::new());
        let topics = json!([{"name": "a", "management": "Observed", "deletionPolicy": "Delete"}]);
        let broken = broken_rules(&pipeline(&topics)).unwrap();
        assert_eq!(broken.len(), 1, "{broken:?}");
        assert!(
            broken[0].starts_with("spec.topics[0]: deletionPolicy Delete is not allowed"),
            "{broken:?}"
        );
    }

    /// A keyword that is not looked at would let pass what the apiserver refuses.
    #[test]
    fn every_keyword_and_rule_of_the_definition_is_known_here() {
        fn keywords(schema: &Value, found: &mut BTreeSet<String>) {
            let Some(fields) = schema.as_object() else {
                return;
            };
            found.extend(fields.keys().cloned());
            let named = ["properties"]
                .iter()
                .filter_map(|key| fields.get(*key)?.as_object());
            let single = ["items", "additionalProperties"]
                .iter()
                .filter_map(|key| fields.get(*key));
            for schema in named.flat_map(Map::values).chain(single) {
                keywords(schema, found);
            }
        }
        let schema = serde_json::to_value(schema()).unwrap();
        let mut found = BTreeSet::new();
        keywords(&schema["properties"]["spec"], &mut found);
        let known = [
            "additionalProperties",
            "default",
            "description",
            "enum",
            "format",
            "items",
            "maxItems",
            "maxLength",
            "maxProperties",
            "maximum",
            "minItems",
            "minLength",
            "minProperties",
            "minimum",
            "pattern",
            "properties",
            "required",
            "type",
            "x-kubernetes-list-map-keys",
            "x-kubernetes-list-type",
            "x-kubernetes-preserve-unknown-fields",
            "x-kubernetes-validations",
        ];
        let unknown: Vec<_> = found
            .iter()
            .filter(|key| !known.contains(&key.as_str()))
            .collect();
        assert!(unknown.is_empty(), "nobody checks {unknown:?}");
        let compiled = compile_schema(&schema);
        assert!(
            !compiled.has_errors(),
            "{:?}",
            compiled.compilation_errors()
        );
        for pattern in patterns(&schema) {
            assert!(Regex::new(&pattern).is_ok(), "{pattern}");
        }
    }

    fn patterns(value: &Value) -> Vec<String> {
        match value {
            Value::Object(fields) => {
                let own = fields
                    .get("pattern")
                    .and_then(Value::as_str)
                    .map(str::to_owned);
                own.into_iter()
                    .chain(fields.values().flat_map(patterns))
                    .collect()
            }
            Value::Array(items) => items.iter().flat_map(patterns).collect(),
            _ => Vec::new(),
        }
    }
}
