//! The components that executions began with.

use rusqlite::Connection;
use serde::{Deserialize, Serialize};

/// Identifies a component by its content: a hash of 32 bytes, as 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ComponentDigest(String);

impl ComponentDigest {
    /// The digest of these bytes (BLAKE2b-256).
    pub fn of(bytes: &[u8]) -> Self {
        Self(blake2b_simd::Params::new().hash_length(32).hash(bytes).to_hex().to_string())
    }

    /// A digest that a store has.
    pub(crate) fn stored(digits: String) -> Self {
        Self(digits)
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for ComponentDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.0)
    }
}

/// Writes a component, unless it is there.
pub(crate) fn keep_component(connection: &Connection, digest: &str, bytes: &[u8]) -> rusqlite::Result<()> {
    let insert = "INSERT INTO components (digest, bytes) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
    connection.execute(insert, (digest, bytes)).map(drop)
}
