//! The contract in a component: what the host imports offer.

#[allow(missing_docs, clippy::all, clippy::pedantic)] // generated
pub mod bindings;
mod convert;
mod host;
mod observing;
mod operations;

pub(crate) use self::host::Host;
