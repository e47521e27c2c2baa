//! The contract in a component, implemented by its imports.

#[allow(missing_docs, clippy::all, clippy::pedantic)] // generated
pub mod bindings;
mod convert;
mod host;
mod observing;
mod operations;

pub(crate) use self::host::Host;
