//! What status remembers, filled to the bounds of its schema: it stays below 8 KiB, and every field
//! of it survives a restart.

use serde_json::{Map, Value, json};

use crate::{
    api::{common::Duration, decisions::ScalingMemory},
    plan::scaling::memory::Memory,
};

/// The largest value that a schema admits: every field, every list full, every text as long as it
/// may be. Fails where something has no bound.
fn fullest(path: &str, schema: &Value, definitions: &Value) -> Value {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.rsplit('/').next().unwrap();
        return fullest(path, &definitions[name], definitions);
    }
    let alternatives = schema["anyOf"].as_array().or(schema["oneOf"].as_array());
    if let Some(alternatives) = alternatives {
        let some = alternatives.iter().filter(|s| s["type"] != "null");
        let all = some.map(|schema| fullest(path, schema, definitions));
        return all.max_by_key(|value| value.to_string().len()).unwrap();
    }
    if let Some(word) = schema.get("const") {
        return word.clone();
    }
    if let Some(words) = schema["enum"].as_array() {
        return words
            .iter()
            .max_by_key(|w| w.to_string().len())
            .unwrap()
            .clone();
    }
    let bound = |key: &str| {
        let bound = schema[key].as_u64();
        usize::try_from(bound.unwrap_or_else(|| panic!("{path} needs {key}"))).unwrap()
    };
    let kind = schema["type"].as_str().or(schema["type"][0].as_str());
    match kind.unwrap_or_else(|| panic!("{path} has no type: {schema}")) {
        "object" if schema["properties"].is_object() => {
            let fields = schema["properties"].as_object().unwrap().iter();
            let filled = |(name, field): (&String, &Value)| {
                let path = format!("{path}.{name}");
                (name.clone(), fullest(&path, field, definitions))
            };
            Value::Object(fields.map(filled).collect())
        }
        "object" => {
            let (most, value) = (bound("maxProperties"), &schema["additionalProperties"]);
            let value = fullest(path, value, definitions);
            let entry = |n| (format!("{n:x<63}"), value.clone());
            Value::Object((0..most).map(entry).collect::<Map<_, _>>())
        }
        "array" => {
            let entry = fullest(path, &schema["items"], definitions);
            Value::Array(vec![entry; bound("maxItems")])
        }
        "string" if schema["format"] == "date-time" => json!("2026-11-26T10:00:00Z"),
        "string" if schema["pattern"] == Duration::PATTERN => json!("604799s"),
        "string" => json!("x".repeat(bound("maxLength"))),
        "integer" => json!(schema["maximum"].as_i64().unwrap_or(i32::MAX.into())),
        "number" => json!(123_000_000_000.0),
        "boolean" => json!(true),
        other => panic!("{path} is of type {other}"),
    }
}

#[test]
fn at_its_bounds_memory_stays_below_8_kib_and_survives_a_restart() {
    let schema = serde_json::to_value(schemars::schema_for!(ScalingMemory)).unwrap();
    let mut full = fullest("memory", &schema, &schema["$defs"]);
    let size = full.to_string().len();
    assert!(size <= 8 * 1024, "{size} bytes");
    // A text whose form no schema tells.
    full["stuck"] = json!(format!("{}/3@1200", "t".repeat(248)));
    let status: ScalingMemory = serde_json::from_value(full.clone()).unwrap();
    let back = Memory::from_status(&status).to_status();
    assert_eq!(Memory::from_status(&back).to_status(), back);
    let back = serde_json::to_value(&back).unwrap();
    for (field, value) in full.as_object().unwrap() {
        assert!(back.get(field).is_some(), "{field} is forgotten: {value}");
    }
}
