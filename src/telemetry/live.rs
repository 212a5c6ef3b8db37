//! The newest view of each pipeline, in memory, for readers that do not want to wait for status.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use serde_json::Value;

/// Namespace and name of a pipeline.
type Key = (String, String);
/// Puts an answer together when somebody asks for it: most passes have no reader.
type Answer = Arc<dyn Fn() -> Value + Send + Sync>;

/// What one pipeline's newest pass can tell.
#[derive(Clone)]
pub struct View {
    newest: Answer,
    why: Answer,
}

impl View {
    /// `newest` is cheap and asked for often; `why` adds to it what would change each decision,
    /// for which many decisions are tried out.
    pub fn new(
        newest: impl Fn() -> Value + Send + Sync + 'static,
        why: impl Fn() -> Value + Send + Sync + 'static,
    ) -> Self {
        Self {
            newest: Arc::new(newest),
            why: Arc::new(why),
        }
    }

    /// What was seen and decided.
    #[must_use]
    pub fn newest(&self) -> Value {
        (self.newest)()
    }

    /// The same, and what would change the decisions.
    #[must_use]
    pub fn why(&self) -> Value {
        (self.why)()
    }
}

/// The newest view of each pipeline. Clones share the same views.
#[derive(Clone, Default)]
pub struct Live(Arc<RwLock<HashMap<Key, View>>>);

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Live")
    }
}

impl Live {
    /// Replaces the view of one pipeline.
    pub fn set(&self, namespace: &str, name: &str, view: View) {
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
    pub fn get(&self, namespace: &str, name: &str) -> Option<View> {
        let views = self.0.read().unwrap_or_else(PoisonError::into_inner);
        views.get(&(namespace.to_owned(), name.to_owned())).cloned()
    }
}
