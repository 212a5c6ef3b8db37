//! `make bench`: what the operator costs, measured on real parts: the released binary in a process
//! of its own, an apiserver, a broker, a Kafka Connect worker. No figure is a test: a goal that is
//! missed is told, not failed. A name or several as arguments measure those figures alone, and
//! write nothing.
#![expect(
    clippy::disallowed_methods,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a measurement: it reads clocks and settings, and ends where it cannot go on"
)]

mod figure;
mod machine;
mod memory;
mod operator;
mod pipelines;
mod quiet;
mod scaling;
#[expect(dead_code, reason = "the tests use more of it")]
#[path = "../tests/it/support/mod.rs"]
mod support;
mod topics;

use std::{fs, path::Path, time::Instant};

use figure::{Figure, Results};

/// Measures some figures.
type Measure = fn() -> Vec<Figure>;

/// What can be measured, in order.
const ALL: [(&str, Measure); 4] = [
    ("quiet", quiet::measure),
    ("topics", topics::measure),
    ("memory", memory::measure),
    ("scaling", scaling::measure),
];

fn main() {
    let (began, load_before) = (Instant::now(), machine::load());
    // Cargo hands its own flag on.
    let named: Vec<_> = std::env::args()
        .skip(1)
        .filter(|a| a != "--bench")
        .collect();
    let chosen = |name: &str| named.is_empty() || named.iter().any(|n| n == name);
    assert!(
        named
            .iter()
            .all(|name| ALL.iter().any(|(known, _)| known == name)),
        "a figure is one of: {}",
        ALL.map(|(name, _)| name).join(", ")
    );
    let mut figures = Vec::new();
    for (name, measure) in ALL.into_iter().filter(|(name, _)| chosen(name)) {
        eprintln!("measuring: {name}");
        figures.extend(measure());
    }
    let results = Results {
        date: jiff::Timestamp::now().strftime("%Y-%m-%d").to_string(),
        build: operator::build(),
        machine: machine::machine(),
        load_before,
        load_after: machine::load(),
        seconds: began.elapsed().as_secs(),
        figures,
    };
    print!("{}", results.table());
    if named.is_empty() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("bench/results.json");
        fs::write(&path, results.json()).unwrap();
        eprintln!("written: {}", path.display());
    } else {
        print!("{}", results.json());
    }
}
