//! The real parts that tests run against, and what it takes to start and stop them.

pub mod apiserver;
pub mod connect;
pub mod kafka;
pub mod operator;
pub mod process;
pub mod prometheus;
pub mod proxy;
pub mod secure;

use std::path::PathBuf;
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Where the parts that tests start are kept: `SLUICE_CACHE`, else `sluice` in the user's cache.
#[expect(
    clippy::disallowed_methods,
    reason = "tests have no settings but the environment"
)]
pub fn cache() -> PathBuf {
    let folder = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    folder("SLUICE_CACHE")
        .map(PathBuf::from)
        .or_else(|| folder("XDG_CACHE_HOME").map(|cache| PathBuf::from(cache).join("sluice")))
        .unwrap_or_else(|| PathBuf::from(folder("HOME").unwrap_or_default()).join(".cache/sluice"))
}

/// Looks again and again until there is something to see, for at most 30 s. `what` is named when
/// there never is.
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(
            start.elapsed() < Duration::from_secs(30),
            "not within 30 s: {what}"
        );
        sleep(Duration::from_millis(100)).await;
    }
}
