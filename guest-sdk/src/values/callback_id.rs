//! Ids of callbacks.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The id of a callback.
///
/// It displays and serializes as the text with which the external system answers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CallbackId(String);

impl CallbackId {
    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CallbackId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for CallbackId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl From<String> for CallbackId {
    fn from(id: String) -> Self {
        Self(id)
    }
}

impl From<&str> for CallbackId {
    fn from(id: &str) -> Self {
        Self(id.to_owned())
    }
}

impl From<CallbackId> for String {
    fn from(id: CallbackId) -> Self {
        id.0
    }
}
