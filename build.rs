//! Tells the program which commit it is built from: `SLUICE_COMMIT`, else what git says, else
//! `unknown`, as in a source archive. Runs again only when the commit changes.

use std::{path::Path, process::Command};

/// Characters of the commit that are shown.
const SHOWN: usize = 7;

#[expect(
    clippy::disallowed_methods,
    reason = "a build script has no settings but the environment"
)]
fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=SLUICE_COMMIT");
    let given = std::env::var("SLUICE_COMMIT").ok();
    let commit = given.filter(|commit| !commit.is_empty()).or_else(commit);
    let commit = commit.unwrap_or_else(|| "unknown".to_owned());
    let shown: String = commit.chars().take(SHOWN).collect();
    println!("cargo:rustc-env=SLUICE_COMMIT={shown}");
}

/// The commit of this checkout. Without one of its own, that of a repository around it is not ours.
fn commit() -> Option<String> {
    if !Path::new(".git").exists() {
        return None;
    }
    // HEAD changes with a checkout, its log and the branch with a commit. A path that does not
    // exist would run this script at each build.
    let branch = git(&["symbolic-ref", "--quiet", "HEAD"]);
    for name in ["HEAD", "logs/HEAD"].into_iter().chain(branch.as_deref()) {
        let path = git(&["rev-parse", "--git-path", name]);
        if let Some(path) = path.filter(|path| Path::new(path).exists()) {
            println!("cargo:rerun-if-changed={path}");
        }
    }
    git(&["rev-parse", "HEAD"])
}

fn git(args: &[&str]) -> Option<String> {
    let output = Command::new("git").args(args).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}
