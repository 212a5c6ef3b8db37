//! The direction of data, held by a program: which module may use which, that planning is pure,
//! and that every source file belongs to the crate.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// What each module may use of the crate. `class` is the vocabulary of failure, for everybody;
/// `http` is what adapters that speak it have in common.
const ALLOWED: &[(&str, &[&str])] = &[
    ("api", &[]),
    ("class", &[]),
    ("telemetry", &[]),
    ("sensitive", &[]),
    ("http", &[]),
    ("kafka", &["class", "http", "sensitive"]),
    ("connect", &["class", "http"]),
    ("prometheus", &["class", "http", "sensitive"]),
    ("k8s", &["class"]),
    ("plan", &["api", "class"]),
    ("sim", &["api", "plan"]),
    (
        "observe",
        &[
            "api",
            "class",
            "plan",
            "kafka",
            "connect",
            "prometheus",
            "k8s",
        ],
    ),
    (
        "apply",
        &[
            "api",
            "class",
            "plan",
            "kafka",
            "connect",
            "k8s",
            "telemetry",
        ],
    ),
    ("report", &["api", "class", "plan", "k8s", "telemetry"]),
    (
        "reconcile",
        &[
            "api",
            "class",
            "plan",
            "observe",
            "apply",
            "report",
            "kafka",
            "connect",
            "k8s",
            "telemetry",
        ],
    ),
    (
        "cli",
        &[
            "api",
            "class",
            "plan",
            "sim",
            "observe",
            "apply",
            "report",
            "reconcile",
            "kafka",
            "connect",
            "prometheus",
            "k8s",
            "telemetry",
        ],
    ),
    ("main", &["cli"]),
];

fn sources() -> Vec<PathBuf> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|e| e == "rs") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&root(), &mut found);
    found
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The top-level module of a file, `plan` for `src/plan/topics.rs`.
fn module(path: &Path) -> String {
    let first = path
        .strip_prefix(root())
        .unwrap()
        .components()
        .next()
        .unwrap();
    first
        .as_os_str()
        .to_string_lossy()
        .trim_end_matches(".rs")
        .to_owned()
}

/// The crate's modules that a text names, in `crate::x` paths and in `use crate::{...}` trees.
fn used(text: &str) -> BTreeSet<String> {
    let word = |text: &str| -> String {
        text.chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect()
    };
    let mut found = BTreeSet::new();
    for (at, _) in text.match_indices("crate::") {
        let rest = &text[at + "crate::".len()..];
        if !rest.starts_with('{') {
            found.insert(word(rest));
            continue;
        }
        let mut depth = 0;
        let mut start = true;
        for (at, c) in rest.char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 1 => start = true,
                _ => {}
            }
            if depth == 0 {
                break;
            }
            if depth == 1 && start && c.is_alphabetic() {
                found.insert(word(&rest[at..]));
                start = false;
            }
        }
    }
    found
}

/// A file without its unit tests, which may do as they like.
fn shipped(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    text.split("#[cfg(test)]")
        .next()
        .unwrap_or_default()
        .to_owned()
}

fn is_test(path: &Path) -> bool {
    path.file_stem().is_some_and(|stem| stem == "tests")
        || path.components().any(|part| part.as_os_str() == "tests")
}

#[test]
fn modules_use_only_what_lies_before_them() {
    let mut wrong = Vec::new();
    for path in sources().iter().filter(|path| !is_test(path)) {
        let module = module(path);
        if module == "lib" {
            continue;
        }
        let Some((_, allowed)) = ALLOWED.iter().find(|(name, _)| *name == module) else {
            wrong.push(format!("{} belongs to no known module", path.display()));
            continue;
        };
        for other in used(&shipped(path)) {
            if other != module && !allowed.contains(&other.as_str()) {
                wrong.push(format!("{}: {module} must not use {other}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn reading_and_writing_stay_apart() {
    for (phase, forbidden) in [("observe", "write"), ("apply", "read")] {
        for path in sources()
            .iter()
            .filter(|path| module(path) == phase && !is_test(path))
        {
            let text = shipped(path);
            for adapter in ["kafka", "connect", "prometheus", "k8s"] {
                let call = format!("{adapter}::{forbidden}");
                assert!(!text.contains(&call), "{} uses {call}", path.display());
            }
        }
    }
}

#[test]
fn only_its_adapter_holds_a_client_of_kafka() {
    for path in sources().iter().filter(|path| module(path) != "kafka") {
        assert!(
            !shipped(path).contains("rdkafka::"),
            "{} uses rdkafka",
            path.display()
        );
    }
}

#[test]
fn planning_is_pure() {
    for path in sources()
        .iter()
        .filter(|path| ["plan", "sim", "api"].contains(&module(path).as_str()) && !is_test(path))
    {
        let text = shipped(path);
        for word in [
            "async ",
            "tokio",
            "tracing",
            "kube::Client",
            "::now()",
            "std::env",
            "std::fs",
        ] {
            assert!(!text.contains(word), "{} has `{word}`", path.display());
        }
    }
}

#[test]
fn every_file_belongs_to_the_crate() {
    let paths = sources();
    for path in &paths {
        let stem = path.file_stem().unwrap().to_string_lossy();
        if ["lib", "main"].contains(&stem.as_ref()) {
            continue;
        }
        let folder = path.parent().unwrap();
        let (name, parents) = if stem == "mod" {
            let above = folder.parent().unwrap();
            let name = folder.file_name().unwrap().to_string_lossy().into_owned();
            (
                name,
                [
                    above.join("mod.rs"),
                    above.join("lib.rs"),
                    above.with_extension("rs"),
                ],
            )
        } else {
            (
                stem.into_owned(),
                [
                    folder.join("mod.rs"),
                    folder.join("lib.rs"),
                    folder.with_extension("rs"),
                ],
            )
        };
        let declared = parents
            .iter()
            .filter_map(|parent| fs::read_to_string(parent).ok())
            .any(|text| {
                text.lines()
                    .any(|line| line.trim_end().ends_with(&format!("mod {name};")))
            });
        assert!(declared, "{} is declared by no `mod`", path.display());
    }
}
