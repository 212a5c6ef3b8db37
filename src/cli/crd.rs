//! `sluice crd`: the custom resource definition as YAML.

use std::process::ExitCode;

use crate::api;

/// Prints the definition.
pub fn crd() -> anyhow::Result<ExitCode> {
    print!("{}", serde_yaml::to_string(&api::crd())?);
    Ok(ExitCode::SUCCESS)
}
