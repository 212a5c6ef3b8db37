//! `sluice completions`: what a shell needs to complete the command line.

use std::{io, process::ExitCode};

use clap::{Args, Command};
use clap_complete::Shell;

/// Flags of `sluice completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell.
    shell: Shell,
}

/// Prints the script for a shell.
pub fn completions(args: &CompletionsArgs, mut command: Command) -> ExitCode {
    clap_complete::generate(args.shell, &mut command, "sluice", &mut io::stdout());
    ExitCode::SUCCESS
}
