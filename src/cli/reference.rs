//! The reference page of the resource, from its definition: every field with its type, bounds,
//! default and meaning, and the rules that the apiserver checks. Nothing in it is written by hand.

use std::fmt::Write as _;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use serde_json::Value;

use crate::api::common::Duration;

/// What stands above the fields.
const HEAD: &str = "\
# Reference: every field of `IngestionPipeline`

Written by `sluice crd --docs`; do not edit it by hand. What stands under a table are the rules between
its fields, in the words with which the apiserver refuses a manifest. Durations are a number and a
unit, `30s`, `5m` or `1h`.
";

/// The page, as Markdown.
pub fn page(definition: &CustomResourceDefinition) -> String {
    let mut page = Page {
        text: HEAD.to_owned(),
        shown: Vec::new(),
    };
    for version in &definition.spec.versions {
        let schema = version.schema.as_ref();
        let Some(root) = schema.and_then(|s| s.open_api_v3_schema.as_ref()) else {
            continue;
        };
        for part in ["spec", "status"] {
            if let Some(schema) = root.properties.as_ref().and_then(|p| p.get(part)) {
                page.object(part, schema);
            }
        }
    }
    page.text
}

struct Page {
    text: String,
    /// Objects so far and where they stand: one that comes again is referred to.
    shown: Vec<(JSONSchemaProps, String)>,
}

impl Page {
    /// One object: its fields as a table, its rules, then the objects in it.
    fn object(&mut self, path: &str, schema: &JSONSchemaProps) {
        let _ = write!(self.text, "\n## `{path}`\n\n");
        if let Some(about) = &schema.description {
            let _ = write!(self.text, "{}\n\n", line(about));
        }
        self.text
            .push_str("| field | type | default | meaning |\n|---|---|---|---|\n");
        let mut inner = Vec::new();
        for (name, field) in schema.properties.iter().flatten() {
            let (value, suffix) = values(field);
            let place = format!("{path}.{name}{suffix}");
            let mut meaning = line(field.description.as_deref().unwrap_or_default());
            if value.properties.is_some() {
                let known = self.shown.iter().find(|(shown, _)| *shown == alike(value));
                let target = known.map_or(&place, |(_, path)| path);
                let short = target.rsplit('.').next().unwrap_or(target);
                meaning = format!("{meaning} See [`{short}`](#{}).", anchor(target));
                if known.is_none() {
                    self.shown.push((alike(value), place.clone()));
                    inner.push((place, value));
                }
            }
            let required = schema.required.iter().flatten().any(|r| r == name);
            let default = match &field.default {
                Some(value) => format!("`{}`", value.0),
                None if required => "required".to_owned(),
                None => String::new(),
            };
            let kind = kind(field);
            let _ = writeln!(
                self.text,
                "| `{name}` | {} | {} | {} |",
                cell(&kind),
                cell(&default),
                cell(meaning.trim())
            );
        }
        let rules = schema.x_kubernetes_validations.iter().flatten();
        let messages: Vec<&String> = rules.filter_map(|rule| rule.message.as_ref()).collect();
        if !messages.is_empty() {
            self.text.push('\n');
        }
        for message in messages {
            let _ = writeln!(self.text, "- {}", line(message));
        }
        for (path, schema) in inner {
            self.object(&path, schema);
        }
    }
}

/// The schema without what may differ between two places of the same object.
fn alike(schema: &JSONSchemaProps) -> JSONSchemaProps {
    JSONSchemaProps {
        description: None,
        default: None,
        ..schema.clone()
    }
}

/// What a field holds in the end, and how its path goes on: `[]` for a list, `{}` for a map.
fn values(field: &JSONSchemaProps) -> (&JSONSchemaProps, &'static str) {
    match (&field.items, &field.additional_properties) {
        (Some(JSONSchemaPropsOrArray::Schema(items)), _) => (items, "[]"),
        (_, Some(JSONSchemaPropsOrBool::Schema(values))) => (values, "{}"),
        _ => (field, ""),
    }
}

/// The type with its bounds, in words.
fn kind(field: &JSONSchemaProps) -> String {
    if let Some(words) = &field.enum_ {
        let words: Vec<String> = words
            .iter()
            .map(|word| format!("`{}`", text(&word.0)))
            .collect();
        return words.join(" | ");
    }
    let (inner, suffix) = values(field);
    let mut kind = match (suffix, field.type_.as_deref()) {
        ("[]", _) => format!("list of {}", kind_of_items(inner)),
        ("{}", _) => format!("map to {}", kind_of_items(inner)),
        _ if field.pattern.as_deref() == Some(Duration::PATTERN) => return "duration".to_owned(),
        (_, Some(kind)) => kind.to_owned(),
        (_, None) if field.x_kubernetes_int_or_string == Some(true) => "integer or string".into(),
        (_, None) => "any".into(),
    };
    if field.format.as_deref() == Some("date-time") {
        kind.push_str(", RFC 3339");
    }
    for bound in [
        between(field.minimum, field.maximum, ""),
        between(
            whole(field.min_length),
            whole(field.max_length),
            " characters",
        ),
        between(whole(field.min_items), whole(field.max_items), " entries"),
        between(
            whole(field.min_properties),
            whole(field.max_properties),
            " entries",
        ),
    ]
    .into_iter()
    .flatten()
    {
        let _ = write!(kind, ", {bound}");
    }
    if let Some(pattern) = &field.pattern {
        let _ = write!(kind, ", `{pattern}`");
    }
    kind
}

/// The type of a list's or map's entries; of objects the table says more.
fn kind_of_items(items: &JSONSchemaProps) -> String {
    if items.properties.is_some() {
        "objects".to_owned()
    } else {
        kind(items)
    }
}

fn between(least: Option<f64>, most: Option<f64>, unit: &str) -> Option<String> {
    match (least.map(number), most.map(number)) {
        (Some(least), Some(most)) => Some(format!("{least} to {most}{unit}")),
        (Some(least), None) => Some(format!("at least {least}{unit}")),
        (None, Some(most)) => Some(format!("at most {most}{unit}")),
        (None, None) => None,
    }
}

fn number(value: f64) -> String {
    if value.abs() >= 1e9 {
        format!("{value:e}")
    } else {
        value.to_string()
    }
}

#[expect(clippy::cast_precision_loss, reason = "lengths are far below 2^53")]
fn whole(bound: Option<i64>) -> Option<f64> {
    bound.map(|bound| bound as f64)
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// A description in one line.
fn line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A table's cell: a bar would end it.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// How GitHub names the heading of an object.
fn anchor(path: &str) -> String {
    path.to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric() || *c == '-' || *c == '_')
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_of_the_definition_is_told_once() {
        let page = page(&crate::api::crd());
        for (field, row) in [
            (
                "maxReplicas",
                "| `maxReplicas` | integer, 1 to 1000 | required | Most pods, 1 to 1,000. |",
            ),
            (
                "mode",
                "| `mode` | `Active` \\| `Shadow` \\| `Off` | `\"Active\"` |",
            ),
        ] {
            assert!(page.contains(row), "{field}");
        }
        let headings: Vec<&str> = page.lines().filter(|l| l.starts_with("## ")).collect();
        assert!(headings.contains(&"## `spec.connectors[].autoscaling`"));
        assert!(headings.contains(&"## `status.connectors[].decisions[]`"));
        assert!(
            !page.contains("profiles[].policies[].step`\n"),
            "as the block's own"
        );
        assert!(page.contains("- minReplicas must not exceed maxReplicas"));
        let mut anchors: Vec<_> = headings.iter().map(|heading| anchor(heading)).collect();
        anchors.sort();
        assert!(
            anchors.windows(2).all(|pair| pair[0] != pair[1]),
            "two are the same"
        );
        let links = page
            .split("](#")
            .skip(1)
            .map(|rest| rest.split(')').next().unwrap());
        for link in links {
            let found = headings.iter().any(|heading| anchor(&heading[3..]) == link);
            assert!(found, "{link} leads nowhere");
        }
    }
}
