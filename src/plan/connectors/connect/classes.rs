//! Connector classes by the names that Connect accepts, and what somebody may have meant by a name
//! that it does not. Names only; what follows from a missing class is decided by the caller.

use std::collections::BTreeSet;

/// A connector class on the workers' plugin path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plugin {
    /// The full class name.
    pub class: String,
    /// Which way it moves records.
    pub kind: PluginKind,
}

/// Which way a connector class moves records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PluginKind {
    /// Into Kafka.
    Source,
    /// Out of Kafka.
    Sink,
    /// A kind that this program does not know.
    Other,
}

/// What a class name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolved<'a> {
    /// Exactly this class.
    One(&'a Plugin),
    /// A short name of several classes, which Connect refuses.
    Several(Vec<&'a str>),
    /// No class; at most three that are spelt much like it, the nearest first.
    Missing(Vec<&'a str>),
}

/// How many similar names are offered.
const NEAR: usize = 3;

/// Finds the class that Connect would take for `name`: its full name, its simple name, or its
/// simple name without the ending `Connector` (Connect's `PluginUtils`).
#[must_use]
pub fn resolve<'a>(name: &str, plugins: &'a [Plugin]) -> Resolved<'a> {
    if let Some(plugin) = plugins.iter().find(|plugin| plugin.class == name) {
        return Resolved::One(plugin);
    }
    let found: Vec<_> = plugins
        .iter()
        .filter(|plugin| simple(&plugin.class) == name || alias(&plugin.class) == name)
        .collect();
    // One class may be listed once for each version.
    let classes: BTreeSet<_> = found.iter().map(|plugin| plugin.class.as_str()).collect();
    match (found.first(), classes.len()) {
        (Some(plugin), 1) => Resolved::One(plugin),
        (Some(_), _) => Resolved::Several(classes.into_iter().collect()),
        (None, _) => Resolved::Missing(near(name, plugins)),
    }
}

/// Whether two names stand for the same class, as far as is known.
#[must_use]
pub fn same(one: &str, other: &str, plugins: &[Plugin]) -> bool {
    one == other
        || match (resolve(one, plugins), resolve(other, plugins)) {
            (Resolved::One(one), Resolved::One(other)) => one.class == other.class,
            _ => false,
        }
}

fn simple(class: &str) -> &str {
    class.rsplit(['.', '$']).next().unwrap_or(class)
}

fn alias(class: &str) -> &str {
    let simple = simple(class);
    simple
        .strip_suffix("Connector")
        .filter(|alias| !alias.is_empty())
        .unwrap_or(simple)
}

fn near<'a>(name: &str, plugins: &'a [Plugin]) -> Vec<&'a str> {
    let wanted = alias(name).to_lowercase();
    let limit = (wanted.chars().count() / 3).max(2);
    let mut found: Vec<_> = plugins
        .iter()
        .map(|plugin| {
            let offered = alias(&plugin.class).to_lowercase();
            (distance(&wanted, &offered), plugin.class.as_str())
        })
        .filter(|(distance, _)| *distance <= limit)
        .collect();
    found.sort_unstable();
    found.dedup();
    found
        .into_iter()
        .take(NEAR)
        .map(|(_, class)| class)
        .collect()
}

/// The number of characters to insert, remove or replace (Levenshtein), row by row.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<_> = other.chars().collect();
    let mut row: Vec<_> = (0..=other.len()).collect();
    for (line, character) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (column, there) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(character != *there);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plugins(classes: &[&str]) -> Vec<Plugin> {
        let plugin = |class: &&str| Plugin {
            class: (*class).to_owned(),
            kind: PluginKind::Source,
        };
        classes.iter().map(plugin).collect()
    }

    const FILE: &str = "org.apache.kafka.connect.file.FileStreamSourceConnector";

    #[test]
    fn a_class_has_three_names() {
        let plugins = plugins(&[FILE, "a.b.FileStreamSinkConnector"]);
        for name in [FILE, "FileStreamSourceConnector", "FileStreamSource"] {
            assert!(
                matches!(resolve(name, &plugins), Resolved::One(p) if p.class == FILE),
                "{name}"
            );
        }
        assert!(same("FileStreamSource", FILE, &plugins));
        assert!(!same("FileStreamSource", "FileStreamSink", &plugins));
    }

    #[test]
    fn a_short_name_of_two_classes_is_none_and_one_listed_twice_is_one() {
        let two = plugins(&["a.Jdbc", "b.Jdbc"]);
        assert_eq!(
            resolve("Jdbc", &two),
            Resolved::Several(vec!["a.Jdbc", "b.Jdbc"])
        );
        assert!(matches!(resolve("a.Jdbc", &two), Resolved::One(_)));
        let versions = plugins(&["a.Jdbc", "a.Jdbc"]);
        assert!(matches!(resolve("Jdbc", &versions), Resolved::One(_)));
    }

    #[test]
    fn a_slip_of_the_finger_is_answered_with_what_was_meant() {
        let plugins = plugins(&[FILE, "a.b.FileStreamSinkConnector", "c.Debezium"]);
        let nearest = |name: &str| match resolve(name, &plugins) {
            Resolved::Missing(near) => near.first().map(|class| (*class).to_owned()),
            other => panic!("{other:?}"),
        };
        assert_eq!(nearest("FileStreamSorce").as_deref(), Some(FILE));
        assert_eq!(nearest("filestreamsource").as_deref(), Some(FILE));
        let wrong_package = "org.apache.kafka.FileStreamSourceConnector";
        assert_eq!(nearest(wrong_package).as_deref(), Some(FILE));
        assert_eq!(nearest("S3"), None);
    }
}
