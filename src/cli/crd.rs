//! `sluice crd`: the custom resource definition as YAML, or its reference page.

use std::process::ExitCode;

use clap::Args;

use super::reference;
use crate::api;

/// Flags of `sluice crd`.
#[derive(Debug, Args)]
pub struct CrdArgs {
    /// Print the reference page of every field, as Markdown.
    #[arg(long)]
    docs: bool,
}

/// Prints the definition.
pub fn crd(args: &CrdArgs) -> anyhow::Result<ExitCode> {
    if args.docs {
        print!("{}", reference::page(&api::crd()));
    } else {
        print!("{}", serde_yaml::to_string(&api::crd())?);
    }
    Ok(ExitCode::SUCCESS)
}
