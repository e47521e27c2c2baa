//! Serdes of the cases that ask for a custom one.

use durable::serdes::SerdesContext;
use durable::{BoxError, Serdes};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Records a text in upper case, and reads what is recorded as it is.
pub struct Uppercase;

impl Serdes<String> for Uppercase {
    async fn serialize(&self, value: String, _context: SerdesContext) -> Result<String, BoxError> {
        Ok(value.to_uppercase())
    }

    async fn deserialize(&self, wire: String, _context: SerdesContext) -> Result<String, BoxError> {
        Ok(wire)
    }
}

/// Reads a payload as the text that it is, in upper case.
pub struct UppercaseOnReceipt;

impl Serdes<String> for UppercaseOnReceipt {
    async fn serialize(&self, value: String, _context: SerdesContext) -> Result<String, BoxError> {
        Ok(value)
    }

    async fn deserialize(&self, wire: String, _context: SerdesContext) -> Result<String, BoxError> {
        Ok(wire.to_uppercase())
    }
}

/// Records a value as the only member, `wrapped`, of an object.
pub struct Envelope;

impl<T: Serialize + DeserializeOwned + Send + 'static> Serdes<T> for Envelope {
    async fn serialize(&self, value: T, _context: SerdesContext) -> Result<String, BoxError> {
        Ok(json!({ "wrapped": value }).to_string())
    }

    async fn deserialize(&self, wire: String, _context: SerdesContext) -> Result<T, BoxError> {
        let mut envelope: Value = serde_json::from_str(&wire)?;
        let wrapped = envelope.get_mut("wrapped").ok_or("an envelope has a member `wrapped`")?;
        Ok(serde_json::from_value(wrapped.take())?)
    }
}

/// Records a text after a prefix.
pub struct Prefixed(pub &'static str);

impl Serdes<String> for Prefixed {
    async fn serialize(&self, value: String, _context: SerdesContext) -> Result<String, BoxError> {
        Ok(format!("{}{value}", self.0))
    }

    async fn deserialize(&self, wire: String, _context: SerdesContext) -> Result<String, BoxError> {
        let value = wire.strip_prefix(self.0).ok_or_else(|| format!("{wire:?} lacks {:?}", self.0))?;
        Ok(value.to_owned())
    }
}
