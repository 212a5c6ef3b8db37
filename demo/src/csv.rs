//! Writes a CSV file of sensor readings: made up, and the same for the same number of rows, so
//! that a second run finds the file that the first one left.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

/// 2026-01-01T00:00:00Z, the time of the first reading.
const FIRST_READING_UNIX: u64 = 1_767_225_600;
/// Readings come from so many sensors in turn.
const SENSORS: u64 = 40;

#[derive(clap::Args)]
pub struct Args {
    /// How many readings; the file has one line more, its header.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    rows: u64,
    /// The file to write.
    file: PathBuf,
}

/// Writes the file in one move; a file that is already right is left alone.
pub fn run(args: &Args) -> Result<()> {
    let text = readings(args.rows);
    let path = &args.file;
    if fs::read(path).is_ok_and(|found| found == text.as_bytes()) {
        eprintln!("{} is there already, {} rows", path.display(), args.rows);
        return Ok(());
    }
    let unfinished = path.with_extension("unfinished");
    fs::write(&unfinished, text).with_context(|| format!("writing {}", unfinished.display()))?;
    fs::rename(&unfinished, path).with_context(|| format!("writing {}", path.display()))?;
    eprintln!("{}: {} rows", path.display(), args.rows);
    Ok(())
}

fn readings(rows: u64) -> String {
    let mut text = String::from("row,sensor,unix_seconds,celsius\n");
    for row in 0..rows {
        let (sensor, at) = (row % SENSORS, FIRST_READING_UNIX + row);
        let hundredths = 1_500 + scatter(row) % 1_000;
        let (whole, rest) = (hundredths / 100, hundredths % 100);
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{row},sensor-{sensor:02},{at},{whole}.{rest:02}");
    }
    text
}

/// A fixed value for each row that looks random (the finaliser of `SplitMix64`).
fn scatter(row: u64) -> u64 {
    let mut bits = row.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_number_of_rows_gives_the_same_file() {
        let text = readings(3);
        assert_eq!(text, readings(3));
        assert_eq!(text.lines().count(), 4);
        assert!(readings(5).starts_with(&text));
    }
}
