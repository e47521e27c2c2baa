//! The numbers under which a guest holds operations, scopes and wait sets, and what it waits for.

/// An operation that the guest has started in this invocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(pub(super) u32);

/// A scope of operation ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ScopeKey(pub(super) u32);

/// A wait set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetKey(pub(super) u32);

impl Key {
    /// The number of a handle for it.
    pub fn to_number(self) -> u32 {
        self.0
    }

    /// Converts a handle's number. An unknown number is refused where the key is used.
    pub fn from_number(number: u32) -> Self {
        Self(number)
    }
}

impl ScopeKey {
    /// The number of a handle for it.
    pub fn to_number(self) -> u32 {
        self.0
    }

    /// Converts a handle's number. An unknown number is refused where the key is used.
    pub fn from_number(number: u32) -> Self {
        Self(number)
    }
}

impl SetKey {
    /// The number of a handle for it.
    pub fn to_number(self) -> u32 {
        self.0
    }

    /// Converts a handle's number. An unknown number is refused where the key is used.
    pub fn from_number(number: u32) -> Self {
        Self(number)
    }
}

/// The event of an operation that a guest waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Interest {
    /// The next thing for the guest to do, or the end of the operation.
    Change,
    /// The id of a callback.
    CallbackId,
}
