//! The newest view of each pipeline, in memory, for readers that do not want to wait for status.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

/// Namespace and name of a pipeline.
type Key = (String, String);

/// The newest view of each pipeline, as JSON: as text it takes a tenth of what it takes as values.
/// Clones share the same views.
#[derive(Clone, Debug, Default)]
pub struct Live(Arc<RwLock<HashMap<Key, Arc<str>>>>);

impl Live {
    /// Replaces the view of one pipeline.
    pub fn set(&self, namespace: &str, name: &str, view: &str) {
        let mut views = self.0.write().unwrap_or_else(PoisonError::into_inner);
        views.insert((namespace.to_owned(), name.to_owned()), view.into());
    }

    /// Forgets a pipeline that is gone.
    pub fn remove(&self, namespace: &str, name: &str) {
        let mut views = self.0.write().unwrap_or_else(PoisonError::into_inner);
        views.remove(&(namespace.to_owned(), name.to_owned()));
    }

    /// The view of one pipeline.
    #[must_use]
    pub fn get(&self, namespace: &str, name: &str) -> Option<Arc<str>> {
        let views = self.0.read().unwrap_or_else(PoisonError::into_inner);
        views.get(&(namespace.to_owned(), name.to_owned())).cloned()
    }
}
