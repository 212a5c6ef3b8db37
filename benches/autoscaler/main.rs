//! `make bench-autoscaler`: Sluice's autoscaler beside models of others and the hindsight optimum,
//! in closed loop. Nothing here is a test: a goal that is missed is told, not failed. Words as
//! arguments choose base cases (`step`, `noisy`, `12`, ...), and then nothing is written.
#![cfg_attr(
    test,
    expect(
        dead_code,
        unused_imports,
        reason = "the models' unit tests run in tests/it: a benchmark has no harness"
    )
)]
#![expect(
    clippy::disallowed_methods,
    reason = "it tells the date and its own duration"
)]

#[path = "mod.rs"]
mod autoscaler;

use std::{error::Error, fs, path::Path, thread, time::Instant};

use serde_json::json;

use self::autoscaler::{
    table::Results,
    worlds::{self, SEEDS, VARIED_SEEDS, World},
};

fn main() -> Result<(), Box<dyn Error>> {
    let began = Instant::now();
    // Cargo hands its own flag on.
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| a != "--bench")
        .collect();
    let shapes = worlds::shapes(&words);
    let mut bases: Vec<_> = World::base()
        .filter(|world| words.contains(&world.partitions.to_string()))
        .collect();
    if bases.is_empty() {
        bases = World::base().collect();
    }
    let mut rows = worlds::run(&bases, &shapes, &SEEDS);
    if words.is_empty() {
        let varied: Vec<_> = World::varied().collect();
        rows.extend(worlds::run(&varied, &shapes, &VARIED_SEEDS));
    }
    let results = Results {
        date: jiff::Timestamp::now().strftime("%Y-%m-%d").to_string(),
        commit: env!("SLUICE_COMMIT").to_owned(),
        machine: json!({
            "cores": thread::available_parallelism()?,
            "processor": processor()?,
        }),
        seconds: began.elapsed().as_secs(),
        seeds: SEEDS.to_vec(),
        varied_seeds: VARIED_SEEDS.to_vec(),
        rows,
    };
    print!("{}", results.markdown());
    eprintln!("{} s", results.seconds);
    if words.is_empty() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("bench/autoscaler.json");
        fs::write(&path, serde_json::to_string_pretty(&results)? + "\n")?;
        eprintln!("written: {}", path.display());
    }
    Ok(())
}

fn processor() -> Result<String, Box<dyn Error>> {
    let text = fs::read_to_string("/proc/cpuinfo")?;
    let name = text
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    Ok(name
        .unwrap_or_default()
        .trim_matches(['\t', ':', ' '])
        .to_owned())
}
