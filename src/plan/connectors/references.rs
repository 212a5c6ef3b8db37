//! The Secrets and `ConfigMap`s that a connector's pods read. What is missing becomes a finding
//! that names the field and the object; what is there becomes one digest on the pod template, so
//! that a change of the data rolls the pods exactly once. Never sees the data, only digests of it.

use std::{collections::BTreeMap, fmt};

use super::kafka_client;
use crate::{
    api::{
        common::Reason,
        connectors::Container,
        kafka::Kafka,
        pods::{EnvFrom, EnvVar, Volume},
    },
    plan::{Finding, Known, names},
};

/// What kind of object holds the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SourceKind {
    /// A `ConfigMap`.
    ConfigMap,
    /// A Secret.
    Secret,
}

/// An object of the pipeline's namespace that pods read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Source {
    /// Secret or `ConfigMap`.
    pub kind: SourceKind,
    /// Its name.
    pub name: String,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            SourceKind::ConfigMap => "ConfigMap",
            SourceKind::Secret => "Secret",
        };
        write!(f, "{kind} `{}`", self.name)
    }
}

/// One use of a [`Source`] in a connector.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    /// The object.
    pub source: Source,
    /// The one key that is read; `None` for the whole object.
    pub key: Option<String>,
    /// The field below the pod's block that refers to it, `env[LEVEL].valueFrom.secretKeyRef`.
    pub field: String,
}

/// What was read of each source: a digest of each key's value, or `None` where the object does not
/// exist.
pub type Data = BTreeMap<Source, Option<BTreeMap<String, String>>>;

/// Every reference of a container connector. Pull secrets are not among them: without them pods
/// may still run, and a pull that fails says so itself.
#[must_use]
pub fn of_container(container: &Container) -> Vec<Reference> {
    let mut references = of_volumes(&container.volumes);
    references.extend(container.env.iter().filter_map(of_variable));
    references.extend(container.env_from.iter().enumerate().filter_map(of_import));
    references
}

/// Every reference of a list of volumes.
#[must_use]
pub fn of_volumes(volumes: &[Volume]) -> Vec<Reference> {
    volumes.iter().flat_map(of_volume).collect()
}

fn of_volume(volume: &Volume) -> Vec<Reference> {
    let field = |kind: &str| format!("volumes[{}].{kind}", volume.name);
    let mut references = Vec::new();
    if let Some(map) = &volume.config_map {
        references.push(whole(SourceKind::ConfigMap, &map.name, field("configMap")));
    }
    if let Some(secret) = &volume.secret {
        references.push(whole(
            SourceKind::Secret,
            &secret.secret_name,
            field("secret"),
        ));
    }
    for source in volume.projected.iter().flat_map(|p| &p.sources) {
        if let Some(secret) = &source.secret {
            references.push(whole(SourceKind::Secret, &secret.name, field("projected")));
        }
        if let Some(map) = &source.config_map {
            references.push(whole(SourceKind::ConfigMap, &map.name, field("projected")));
        }
    }
    references
}

fn of_variable(variable: &EnvVar) -> Option<Reference> {
    let from = variable.value_from.as_ref()?;
    let (kind, key_ref, word) = match (&from.secret_key_ref, &from.config_map_key_ref) {
        (Some(secret), _) => (SourceKind::Secret, secret, "secretKeyRef"),
        (None, Some(map)) => (SourceKind::ConfigMap, map, "configMapKeyRef"),
        (None, None) => return None,
    };
    Some(Reference {
        key: Some(key_ref.key.clone()),
        ..whole(
            kind,
            &key_ref.name,
            format!("env[{}].valueFrom.{word}", variable.name),
        )
    })
}

fn of_import((index, import): (usize, &EnvFrom)) -> Option<Reference> {
    let field = |word: &str| format!("envFrom[{index}].{word}");
    match (&import.secret_ref, &import.config_map_ref) {
        (Some(secret), _) => Some(whole(SourceKind::Secret, &secret.name, field("secretRef"))),
        (None, Some(map)) => Some(whole(
            SourceKind::ConfigMap,
            &map.name,
            field("configMapRef"),
        )),
        (None, None) => None,
    }
}

fn whole(kind: SourceKind, name: &str, field: String) -> Reference {
    Reference {
        source: Source {
            kind,
            name: name.to_owned(),
        },
        key: None,
        field,
    }
}

/// A finding for each reference whose object or key does not exist. `block` is the path of the
/// block that the fields are in, `spec.connectors[enrich].container`.
#[must_use]
pub fn missing(block: &str, references: &[Reference], data: &Data) -> Vec<Finding> {
    references
        .iter()
        .filter_map(|reference| {
            let Reference { source, key, field } = reference;
            let what = match (data.get(source).and_then(Option::as_ref), key) {
                (None, _) => format!("{source} does not exist"),
                (Some(keys), Some(key)) if !keys.contains_key(key) => {
                    format!("{source} has no key `{key}`")
                }
                _ => return None,
            };
            let message = format!("{block}.{field}: {what}: create it, or correct the reference");
            Some(Finding::waiting(Reason::ReferenceMissing, message))
        })
        .collect()
}

/// One digest over everything that a pod reads: what its own block refers to, and the files to
/// reach Kafka with. `None` where it reads nothing.
///
/// # Errors
/// A finding for each thing that is missing or cannot be read: pods that run are left alone until
/// all of it is there.
pub fn resolved(
    block: &str,
    own: Vec<Reference>,
    kafka: &Kafka,
    data: &Known<Data>,
) -> Result<Option<String>, Vec<Finding>> {
    let shared = kafka_client::references(kafka);
    if own.is_empty() && shared.is_empty() {
        return Ok(None);
    }
    let data = match data {
        Known::Unknown(unknown) => return Err(vec![unknown.into()]),
        Known::Value(data) => data,
    };
    let mut missing = missing(block, &own, data);
    missing.extend(self::missing(kafka_client::BLOCK, &shared, data));
    if missing.is_empty() {
        let all: Vec<_> = own.into_iter().chain(shared).collect();
        Ok(config_digest(&all, data))
    } else {
        Err(missing)
    }
}

/// One digest over everything that the references read; `None` without references. A key that no
/// reference names does not count.
#[must_use]
pub fn config_digest(references: &[Reference], data: &Data) -> Option<String> {
    let mut parts: Vec<String> = references
        .iter()
        .flat_map(|reference| {
            let keys = data.get(&reference.source).and_then(Option::as_ref);
            let read = keys.into_iter().flatten();
            read.filter(|(key, _)| reference.key.as_ref().is_none_or(|k| k == *key))
                .map(|(key, digest)| format!("{}/{key}={digest}", reference.source))
        })
        .collect();
    parts.sort_unstable();
    parts.dedup();
    (!references.is_empty()).then(|| names::digest(parts))
}

#[cfg(test)]
mod tests;
