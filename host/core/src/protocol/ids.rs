//! Identifiers: a newtype for each kind, cheap to clone.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

/// A name or id that breaks the service's rules.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} {reason}")]
pub struct InvalidName {
    /// The kind of name.
    pub what: &'static str,
    /// Which rule it breaks, and what is allowed.
    pub reason: String,
}

fn word(what: &'static str, text: &str, max: usize) -> Result<(), InvalidName> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if text.is_empty() || text.len() > max {
        return Err(InvalidName {
            what,
            reason: format!("has {} characters; 1 to {max} are allowed", text.len()),
        });
    }
    if let Some(bad) = text.bytes().position(|b| !allowed(b)) {
        let reason = format!("has a character at position {} that is not one of A-Z a-z 0-9 - _", bad + 1);
        return Err(InvalidName { what, reason });
    }
    Ok(())
}

/// Checks the name of an execution: 1 to 64 of `A-Z a-z 0-9 - _` (service model: `DurableExecutionName`).
pub fn check_execution_name(name: &str) -> Result<(), InvalidName> {
    word("the execution's name", name, 64)
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The identifier as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text.into())
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }
    };
}

text_id! {
    /// Identifies an operation within its execution: 1 to 64 of `A-Z a-z 0-9 - _` (service model: `OperationId`). Ids
    /// from outside this process are checked with [`OperationId::check`].
    OperationId
}
text_id! {
    /// Identifies an execution across the service (service model: `DurableExecutionArn`).
    ExecutionArn
}
text_id! {
    /// Authorizes one checkpoint; opaque (service model: `CheckpointToken`, base64, at most 2048).
    CheckpointToken
}
text_id! {
    /// Identifies a callback to the external system that answers it; opaque (service model: `CallbackId`, base64, at
    /// most 1024).
    CallbackId
}

impl OperationId {
    /// Checks the id against the service's rules.
    pub fn check(&self) -> Result<(), InvalidName> {
        word("the operation id", &self.0, 64)
    }
}

impl ExecutionArn {
    /// Builds an ARN. The caller must have checked the parts.
    pub fn new(function: &str, version: &str, execution_name: &str, id: &str) -> Self {
        format!(
            "arn:aws:lambda:us-east-1:000000000000:function:{function}:{version}/durable-execution/{execution_name}/{id}"
        )
        .into()
    }

    /// Returns the function's name, its version and the execution's name, if the text has the form of an ARN.
    pub fn parts(&self) -> Option<(&str, &str, &str)> {
        let (_, rest) = self.0.split_once(":function:")?;
        let (function, rest) = rest.split_once(':')?;
        let (version, rest) = rest.split_once("/durable-execution/")?;
        let (name, _) = rest.split_once('/')?;
        Some((function, version, name))
    }
}

/// The characters of a function name, for messages.
pub const FUNCTION_NAME_CHARACTERS: &str = "A-Z a-z 0-9 - _ . : $";

/// The characters of a tenant id, for messages.
pub const TENANT_ID_CHARACTERS: &str = "A-Z a-z 0-9 . _ : / = + - @ and spaces";

/// Whether the text is a valid function name (service model: `NamespacedFunctionName`).
pub fn is_function_name(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':' | b'$');
    matches!(text.len(), 1..=256) && text.bytes().all(allowed)
}

/// The longest name of a function of a component, in bytes.
pub const LONGEST_COMPONENT_FUNCTION_NAME: usize = 64;

/// Whether the text can be the name of a function of a component: 1 to 64 of `A-Z a-z 0-9 - _` (WIT: `functions`).
pub fn is_component_function_name(text: &str) -> bool {
    word("the function's name", text, LONGEST_COMPONENT_FUNCTION_NAME).is_ok()
}

/// Whether the text is a valid tenant id (service model: `TenantId`).
pub fn is_tenant_id(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._:/=+-@ ".contains(&byte);
    matches!(text.len(), 1..=256) && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arn_parts() {
        let arn = ExecutionArn::new("order", "$LATEST", "run-1", "0a1b");
        assert_eq!(arn.parts(), Some(("order", "$LATEST", "run-1")));
        assert_eq!(ExecutionArn::from("arn:other").parts(), None);
    }

    #[test]
    fn names() {
        for (name, good) in [("a", true), ("", false), ("a b", false), ("a/b", false), ("A-z_9", true)] {
            assert_eq!(check_execution_name(name).is_ok(), good, "{name:?}");
        }
        assert!(check_execution_name(&"x".repeat(64)).is_ok());
        assert!(check_execution_name(&"x".repeat(65)).is_err());
    }
}
