//! The documentation keeps up with the code: every reason that a condition can have is explained,
//! and every value of the chart.

use std::collections::BTreeMap;

use serde_json::Value;
use sluice::api::common::Reason;

#[test]
fn every_reason_is_in_the_troubleshooting_page() {
    let page = include_str!("../../docs/troubleshooting.md");
    let reasons = Reason::ALL.iter().map(|reason| reason.as_str());
    let missing: Vec<_> = reasons
        .filter(|reason| !page.contains(&format!("`{reason}`")))
        .collect();
    assert!(
        missing.is_empty(),
        "docs/troubleshooting.md does not explain {missing:?}"
    );
}

/// Each value of a YAML document by its path, as JSON; empty lists and objects are values.
fn leaves(path: &str, value: &Value, into: &mut BTreeMap<String, String>) {
    match value.as_object().filter(|object| !object.is_empty()) {
        Some(object) => {
            for (key, value) in object {
                let path = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                leaves(&path, value, into);
            }
        }
        None => {
            into.insert(path.to_owned(), value.to_string());
        }
    }
}

#[test]
fn every_value_of_the_chart_is_in_the_install_page_with_its_default() {
    let values: Value =
        serde_yaml::from_str(include_str!("../../charts/sluice/values.yaml")).unwrap();
    let mut expected = BTreeMap::new();
    leaves("", &values, &mut expected);
    let page = include_str!("../../docs/install.md");
    let (_, table) = page.split_once("\n## Values\n").unwrap();
    let cell = |text: &str| text.trim().trim_matches('`').to_owned();
    let row = |line: &str| {
        let mut cells = line.strip_prefix("| `")?.splitn(3, " | ");
        Some((cell(cells.next()?), cell(cells.next()?)))
    };
    let told: BTreeMap<_, _> = table.lines().filter_map(row).collect();
    assert_eq!(
        told, expected,
        "docs/install.md, left, is not charts/sluice/values.yaml"
    );
}
