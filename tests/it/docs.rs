//! The documentation keeps up with the code: every reason that a condition can have is explained.

use sluice::api::common::Reason;

#[test]
fn every_reason_is_in_the_troubleshooting_page() {
    let page = include_str!("../../docs/troubleshooting.md");
    let reasons = Reason::ALL.iter().map(|reason| reason.as_str());
    let missing: Vec<_> = reasons
        .filter(|reason| !page.contains(&format!("`{reason}`")))
        .collect();
    assert!(
        missing.is_empty(),
        "docs/troubleshooting.md does not explain {missing:?}"
    );
}
