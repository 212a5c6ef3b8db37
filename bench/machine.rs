//! What the figures were measured on, as Linux tells it.

use std::{fs, thread};

use serde_json::{Value, json};

/// Cores, memory, processor and kernel.
pub fn machine() -> Value {
    let kilobytes = field("/proc/meminfo", "MemTotal");
    let kilobytes: u64 = kilobytes.trim_end_matches(" kB").parse().unwrap();
    json!({
        "cores": thread::available_parallelism().unwrap().get(),
        "memoryGiB": kilobytes >> 20,
        "processor": field("/proc/cpuinfo", "model name"),
        "kernel": fs::read_to_string("/proc/sys/kernel/osrelease").unwrap().trim(),
    })
}

/// The load average of the last minute: processes that ran or waited to run.
pub fn load() -> f64 {
    let load = fs::read_to_string("/proc/loadavg").unwrap();
    load.split(' ').next().unwrap().parse().unwrap()
}

/// The value behind `name:` in a file of that form; empty where it has none.
pub fn field(file: &str, name: &str) -> String {
    let text = fs::read_to_string(file).unwrap();
    let value = text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim().to_owned())
    });
    value.unwrap_or_default()
}
