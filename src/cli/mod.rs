//! The command line: arguments, and which function they call. Results go to standard output,
//! everything else to standard error; 0 is fine, 1 has findings, 2 is an error.

mod crd;
mod run;
mod settings;
mod startup;
mod top;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Streams into Kafka, through processors, and out again, on Kubernetes.
///
/// One resource, `IngestionPipeline`, becomes Kafka topics, connectors and an autoscaler that
/// follows consumer lag.
#[derive(Debug, Parser)]
#[command(name = "sluice", version, propagate_version = true)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the operator.
    Run(settings::RunArgs),
    /// Print the custom resource definition.
    Crd,
    /// Watch a pipeline: lag, rates, replicas and the last decision of each connector.
    Top(top::TopArgs),
}

/// Parses the arguments, runs the command and says how it ended.
#[must_use]
pub fn main() -> ExitCode {
    let result = match Args::parse().command {
        Command::Run(args) => run::run(args),
        Command::Crd => crd::crd(),
        Command::Top(args) => top::top(&args),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("sluice: {error:#}");
            ExitCode::from(2)
        }
    }
}
