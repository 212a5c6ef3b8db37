//! Events on objects, through kube's recorder, which makes a series of repeated ones. Does not
//! decide what is worth an Event.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Client,
    runtime::events::{Event, EventType, Recorder, Reporter},
};

use super::{Error, bounded};

/// Publishes Events in the name of the operator. One per process: its cache makes the series.
#[derive(Clone)]
pub struct Events(Recorder);

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happening<'a> {
    /// Whether it is a warning.
    pub warning: bool,
    /// The stable reason, in upper camel case.
    pub reason: &'a str,
    /// What was done or tried, in upper camel case.
    pub action: &'a str,
    /// One sentence for a person, at most 1 KiB; what is longer is cut.
    pub note: &'a str,
}

impl Events {
    /// A publisher; `instance` tells this operator's pods apart.
    #[must_use]
    pub fn new(client: Client, instance: Option<String>) -> Self {
        let reporter = Reporter {
            controller: "sluice.dev/operator".to_owned(),
            instance,
        };
        Self(Recorder::new(client, reporter))
    }

    /// Publishes an Event on an object, in the object's namespace.
    ///
    /// # Errors
    /// When the API refuses or does not answer.
    pub async fn publish(
        &self,
        object: &ObjectReference,
        happening: &Happening<'_>,
    ) -> Result<(), Error> {
        let event = Event {
            type_: if happening.warning {
                EventType::Warning
            } else {
                EventType::Normal
            },
            reason: happening.reason.to_owned(),
            // The apiserver refuses notes of more than 1 KiB.
            note: Some(cut(happening.note, 1024).to_owned()),
            action: happening.action.to_owned(),
            secondary: None,
        };
        let what = format!("publish Event {}", happening.reason);
        bounded(what, self.0.publish(&event, object)).await
    }
}

/// The first `max` bytes, or less where a character would be cut in two.
fn cut(text: &str, max: usize) -> &str {
    let end = (0..=max.min(text.len()))
        .rev()
        .find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or(0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_cut_between_characters() {
        assert_eq!(cut("abc", 5), "abc");
        assert_eq!(cut("aé", 2), "a");
    }
}
