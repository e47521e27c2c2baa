//! What names an operation for its author and in messages.

use crate::protocol::{Operation, OperationType};

/// The name and sub-type that a guest gives an operation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// The operation's name.
    pub name: Option<String>,
    /// The operation's sub-type.
    pub sub_type: Option<String>,
}

/// Describes a recorded operation.
pub(super) fn describe_record(record: &Operation) -> String {
    describe(record.kind, record.sub_type.as_deref(), record.name.as_deref())
}

/// Describes an operation for a message.
pub(super) fn describe(kind: OperationType, sub_type: Option<&str>, name: Option<&str>) -> String {
    let mut text = format!("a {kind}");
    if let Some(sub_type) = sub_type {
        text += &format!(" ({sub_type})");
    }
    match name {
        Some(name) => text + &format!(" named {name:?}"),
        None => text + " without a name",
    }
}
