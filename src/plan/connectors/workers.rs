//! PLACEHOLDER
#[derive(Clone, Debug, PartialEq)]
pub enum WorkersStep {}
#[must_use]
pub fn internal_topics(group: &str) -> Vec<String> {
    vec![group.to_owned()]
}
