//! Manifests: YAML or JSON files with one document or several, read as strictly as the apiserver
//! reads them with `fieldValidation=Strict`, and checked as it does at admission, with the place of
//! what is wrong.

mod schema;

use std::{fs, io::Read as _, path::Path};

use anyhow::{Context as _, anyhow, bail};
use serde_json::Value;

use crate::{
    api::IngestionPipeline,
    plan::scaling::problems::{Problem, Severity},
};

const API_VERSION: &str = "sluice.dev/v1alpha1";
const KIND: &str = "IngestionPipeline";

/// One document of a manifest.
pub enum Document {
    /// A pipeline, as it is written and as it is understood.
    Pipeline(Box<Pipeline>),
    /// Something else, in words.
    Other(String),
}

/// A pipeline of a manifest.
pub struct Pipeline {
    /// Where it stands, for messages.
    pub place: String,
    /// As written.
    pub written: Value,
    /// As understood.
    pub object: IngestionPipeline,
}

/// Reads a file, or standard input for `-`.
///
/// # Errors
/// When it cannot be read, is no YAML, or holds a pipeline that the apiserver would refuse; the
/// message says where.
pub fn read(path: &Path) -> anyhow::Result<Vec<Document>> {
    let name = path.display().to_string();
    let text = if name == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text)?;
        text
    } else {
        fs::read_to_string(path).with_context(|| format!("cannot read {name}"))?
    };
    parse(&name, &text)
}

fn parse(name: &str, text: &str) -> anyhow::Result<Vec<Document>> {
    let documents: Vec<Value> = serde_yaml::from_multiple(text).with_context(|| name.to_owned())?;
    if documents.is_empty() {
        bail!("{name}: there is no document in it");
    }
    let several = documents.len() > 1;
    let place = |index: usize| {
        if several {
            format!("{name}, document {}", index + 1)
        } else {
            name.to_owned()
        }
    };
    let documents = documents.into_iter().enumerate();
    documents
        .map(|(index, value)| document(place(index), value))
        .collect()
}

fn document(place: String, written: Value) -> anyhow::Result<Document> {
    let field = |key: &str| written.get(key).and_then(Value::as_str).unwrap_or_default();
    let (version, kind) = (field("apiVersion"), field("kind"));
    if kind.is_empty() || version.is_empty() {
        bail!("{place}: apiVersion and kind are missing: it is no Kubernetes object");
    }
    if kind != KIND {
        return Ok(Document::Other(format!("{place}: {kind}")));
    }
    if version != API_VERSION {
        bail!("{place}: apiVersion is {version}, this program knows {API_VERSION}");
    }
    let written = schema::without_nulls(written);
    refuse_all(&place, schema::refusals(&written))?;
    let object: IngestionPipeline =
        serde_path_to_error::deserialize(&written).map_err(|error| {
            match error.path().to_string().as_str() {
                "." => anyhow!("{place}: {}", error.inner()),
                path => anyhow!("{place}: {path}: {}", error.inner()),
            }
        })?;
    if object.metadata.name.is_none() {
        bail!("{place}: metadata.name is missing");
    }
    refuse_all(&place, schema::broken_rules(&written)?)?;
    Ok(Document::Pipeline(Box::new(Pipeline {
        place,
        written,
        object,
    })))
}

/// Refuses an `autoscaling` block, named `block` in the text, that cannot be used as it is.
///
/// # Errors
/// When something of it is refused; the text has a line for each reason.
pub fn refuse(block: &str, problems: &[Problem]) -> anyhow::Result<()> {
    let refused = problems.iter().filter(|p| p.severity == Severity::Refused);
    let refused: Vec<String> = refused.map(|p| format!("{block}.{p}")).collect();
    if refused.is_empty() {
        return Ok(());
    }
    bail!("{}", refused.join("\n"))
}

fn refuse_all(place: &str, mut refusals: Vec<String>) -> anyhow::Result<()> {
    match refusals.len() {
        0 => Ok(()),
        1 => bail!("{place}: {}", refusals.remove(0)),
        count => bail!(
            "{place}: {count} fields are wrong:\n  {}",
            refusals.join("\n  ")
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "apiVersion: sluice.dev/v1alpha1\nkind: IngestionPipeline\n";

    fn refusal(text: &str) -> String {
        match parse("f.yaml", text) {
            Ok(_) => panic!("not refused:\n{text}"),
            Err(error) => format!("{error:#}"),
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let spec = |topics: &str| {
            format!(
                "{HEAD}metadata: {{name: p}}\nspec:\n  kafka: {{bootstrapServers: 'k:9092'}}\n  \
                 topics: {topics}\n"
            )
        };
        for (text, expected) in [
            (
                spec("[{name: a}, {name: b, partitions: many}]"),
                "f.yaml: spec.topics[1].partitions: invalid type: string \"many\", expected i32",
            ),
            (
                spec("[{name: a, partition: 3}]"),
                "f.yaml: spec.topics[0].partition: unknown field",
            ),
            (
                spec("[{name: a, partition: 3, partitions: 0}]"),
                "f.yaml: 2 fields are wrong:\n  spec.topics[0].partition: unknown field\n  \
                 spec.topics[0].partitions: Invalid value: 0",
            ),
            (
                spec("[{name: a, replicationFactor: 1, minInSyncReplicas: 2}]"),
                "f.yaml: spec.topics[0]: minInSyncReplicas must not exceed replicationFactor",
            ),
            (
                format!("{HEAD}metadata: {{name: p}}\n"),
                "f.yaml: spec: Required value",
            ),
            ("a: [".to_owned(), "f.yaml: "),
            (
                "kind: x".to_owned(),
                "f.yaml: apiVersion and kind are missing",
            ),
            (String::new(), "f.yaml: there is no document in it"),
        ] {
            let message = refusal(&text);
            assert!(message.starts_with(expected), "{message}");
        }
        assert!(refusal("a: [").contains("line 1"), "{}", refusal("a: ["));
    }

    #[test]
    fn other_kinds_are_passed_over_and_documents_are_counted() {
        let text = format!(
            "apiVersion: v1\nkind: Secret\n---\n{HEAD}metadata: {{name: p}}\nspec:\n  \
             kafka: {{bootstrapServers: 'k:9092'}}\n  topics:\n  - name: a\n    config: {{any.key: '1'}}\n"
        );
        let documents = parse("f.yaml", &text).unwrap();
        let words: Vec<String> = documents
            .iter()
            .map(|document| match document {
                Document::Other(words) => words.clone(),
                Document::Pipeline(pipeline) => pipeline.place.clone(),
            })
            .collect();
        assert_eq!(words, ["f.yaml, document 1: Secret", "f.yaml, document 2"]);
    }
}
