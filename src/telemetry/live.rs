//! The newest view of each pipeline, in memory, for readers that do not want to wait for status.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use serde_json::Value;

/// Namespace and name of a pipeline.
type Key = (String, String);

/// The newest view of each pipeline. Clones share the same views.
#[derive(Clone, Debug, Default)]
pub struct Live(Arc<RwLock<HashMap<Key, Value>>>);

impl Live {
    /// Replaces the view of one pipeline.
    pub fn set(&self, namespace: &str, name: &str, view: Value) {
        let mut views = self.0.write().unwrap_or_else(PoisonError::into_inner);
        views.insert((namespace.to_owned(), name.to_owned()), view);
    }

    /// Forgets a pipeline that is gone.
    pub fn remove(&self, namespace: &str, name: &str) {
        let mut views = self.0.write().unwrap_or_else(PoisonError::into_inner);
        views.remove(&(namespace.to_owned(), name.to_owned()));
    }

    /// The view of one pipeline.
    #[must_use]
    pub fn get(&self, namespace: &str, name: &str) -> Option<Value> {
        let views = self.0.read().unwrap_or_else(PoisonError::into_inner);
        views.get(&(namespace.to_owned(), name.to_owned())).cloned()
    }
}
