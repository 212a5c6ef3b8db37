//! The documentation keeps up with the code: every reason that a condition can have is explained,
//! and every value of the chart.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::Command,
    time::Duration,
};

use serde_json::Value;
use sluice::{
    api::{common::Reason, scaling::Autoscaling},
    plan::scaling::{STAGES, problems::problems},
    telemetry::metrics::{ConnectorLabels, ConnectorNumbers, Metrics},
};

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

/// The names of all metrics; one without a value is not shown.
fn metrics() -> BTreeSet<String> {
    let metrics = Metrics::default();
    metrics.pass("ok", Duration::from_secs(1));
    metrics.step("claim", "ok");
    let labels = ConnectorLabels {
        namespace: "plant".into(),
        pipeline: "readings".into(),
        connector: "enrich".into(),
    };
    let numbers = ConnectorNumbers {
        lag: Some(1.0),
        time_lag: Some(1.0),
        arrival_rate: Some(1.0),
        consume_rate: Some(1.0),
        replicas: Some(1.0),
        desired_replicas: Some(1.0),
        wanted_replicas: Some(1.0),
        min_replicas: Some(1.0),
        max_replicas: Some(1.0),
        capacity: Some(1.0),
        capacity_samples: Some(1.0),
        scaling_active: Some(1.0),
    };
    metrics.connectors.show(&labels, &numbers);
    metrics.connectors.decided(&labels, "out", "");
    metrics.connectors.shadow(&labels, &[("", 1)]);
    let text = metrics.encode();
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let name = |line: &str| match line.split_once(' ') {
        Some((name, "counter")) => format!("{name}_total"),
        Some((name, "info")) => format!("{name}_info"),
        Some((name, _)) => name.to_owned(),
        None => panic!("{line}"),
    };
    types.map(name).collect()
}

#[test]
fn every_metric_is_in_the_page_and_no_other() {
    let page = include_str!("../../docs/metrics.md");
    let rows = page.lines().filter(|line| line.starts_with("| `sluice_"));
    let cell = |row: &str| row.split(" | ").next().unwrap().to_owned();
    let told: BTreeSet<String> = rows
        .map(cell)
        .flat_map(|cell| {
            let names = cell.split('`').skip(1).step_by(2);
            names.map(str::to_owned).collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(
        told,
        metrics(),
        "docs/metrics.md, left, is not what is served"
    );
}

/// The keys of a document that are not in another.
fn lost(path: &str, given: &Value, known: &Value) -> Vec<String> {
    match (given, known) {
        (Value::Object(given), Value::Object(known)) => {
            let inside = |(key, value): (&String, &Value)| {
                let path = format!("{path}.{key}");
                match known.get(key) {
                    Some(known) => lost(&path, value, known),
                    None => vec![path],
                }
            };
            given.iter().flat_map(inside).collect()
        }
        (Value::Array(given), Value::Array(known)) => {
            let pairs = given.iter().zip(known);
            pairs
                .flat_map(|(given, known)| lost(path, given, known))
                .collect()
        }
        _ => Vec::new(),
    }
}

#[test]
fn every_block_of_the_autoscaling_page_can_be_used() {
    let page = include_str!("../../docs/autoscaling.md");
    let mut blocks = 0;
    for block in page.split("```yaml\n").skip(1) {
        let text = block.split("```").next().unwrap();
        let spec: Autoscaling =
            serde_yaml::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        assert_eq!(problems(&spec), [], "{text}");
        // A key that is not known would be lost without a word.
        let given: Value = serde_yaml::from_str(text).unwrap();
        let lost = lost("", &given, &serde_json::to_value(&spec).unwrap());
        assert_eq!(lost, [] as [String; 0], "{text}");
        blocks += 1;
    }
    assert!(blocks > 8, "{blocks}");
}

#[test]
fn every_stage_is_in_the_autoscaling_page() {
    let page = include_str!("../../docs/autoscaling.md");
    for stage in STAGES {
        assert!(page.contains(&format!("`{stage}`")), "{stage} is not told");
    }
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

/// The README's simulation: what it shows is what its command prints and draws.
#[test]
fn the_simulation_of_the_readme_is_what_its_command_makes() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().unwrap();
    let picture = folder.path().join("run.svg");
    let command = "simulate --pipeline manifests/elastic-consumer.yaml --connector enrich \\\n      \
                   --trace docs/simulation/arrivals.jsonl --closed-loop docs/simulation/model.yaml \
                   --picture ";
    assert!(include_str!("../../README.md").contains(command));
    let words = command.split_whitespace().filter(|word| *word != "\\");
    let output = Command::new(env!("CARGO_BIN_EXE_sluice"))
        .current_dir(root)
        .args(words)
        .arg(&picture)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let expected =
        |name: &str| fs::read_to_string(root.join("docs/simulation").join(name)).unwrap();
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        expected("elastic-consumer.txt")
    );
    assert_eq!(
        fs::read_to_string(&picture).unwrap(),
        expected("elastic-consumer.svg")
    );
}
