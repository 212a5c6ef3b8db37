//! Which build this is, in the same words everywhere: `sluice --version`, the log, a metric.

/// The version of the release.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The first characters of the commit, or `unknown` in a build outside a repository.
pub const COMMIT: &str = env!("SLUICE_COMMIT");

/// Both, for people: `0.1.0 (8fa40a7)`.
pub const BUILD: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("SLUICE_COMMIT"), ")");
