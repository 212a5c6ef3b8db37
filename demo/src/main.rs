//! What the demo and the cluster tests run beside Sluice: a consumer that processes a bounded
//! number of records a second, a load generator, and checkers that account for every record. It
//! knows Kafka and the container contract only; nothing here talks to Kubernetes or to Sluice.
#![expect(
    clippy::disallowed_methods,
    reason = "a Kafka client that lives on wall-clock time; the operator's purity rules are not for it"
)]

mod client;
mod compare;
mod consume;
mod csv;
mod grants;
mod pace;
mod phase;
mod produce;
mod read;
mod record;
mod summary;
mod verify;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The programs that the Sluice demo runs in its pods.
#[derive(Parser)]
#[command(version)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Process records of a consumer group, at most so many a second.
    Consume(consume::Args),
    /// Send a load in phases; every record carries its producer and a number.
    Produce(produce::Args),
    /// Account for every produced record in the consumers' output; exit 1 when one is lost.
    Verify(verify::Args),
    /// Compare a topic's records with a file's lines, in order; exit 1 when they differ.
    Compare(compare::Args),
    /// Tell what happened in a run of the demo; exit 1 when something that should have did not.
    Summary(summary::Args),
    /// Compare what the operator's roles grant with what it asked for, by the audit log; exit 1 when
    /// something is granted and unused, or was refused.
    Grants(grants::Args),
    /// Write a CSV file of sensor readings, the same for the same number of rows.
    Csv(csv::Args),
}

/// Exit status: 0 fine, 1 the check found something, 2 it could not be made.
fn main() -> ExitCode {
    let outcome = match Args::parse().command {
        Command::Consume(args) => consume::run(&args).map(|()| true),
        Command::Produce(args) => produce::run(&args).map(|()| true),
        Command::Verify(args) => verify::run(&args),
        Command::Compare(args) => compare::run(&args),
        Command::Summary(args) => summary::run(&args),
        Command::Grants(args) => grants::run(&args),
        Command::Csv(args) => csv::run(&args).map(|()| true),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("sluice-demo: {error:#}");
            ExitCode::from(2)
        }
    }
}
