//! What can go wrong before a guest runs.

use std::path::PathBuf;

/// Why a sandbox could not be set up, or a component not be loaded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SandboxError {
    /// wasmtime cannot run on this machine as it is.
    #[error("the WebAssembly engine cannot start: {0}")]
    Engine(String),
    /// The cache's folder cannot be used.
    #[error("the compile cache {} cannot be used: {reason}; choose another folder or run without a cache", directory.display())]
    Cache {
        /// The folder.
        directory: PathBuf,
        /// Why.
        reason: String,
    },
    /// Not a component, or a broken one.
    #[error("not a valid WebAssembly component: {0}")]
    Invalid(String),
    /// The component imports what no handler is given.
    #[error(
        "the component imports something that this host does not provide; built against another version of the contract, \
         it has to be built again: {0}"
    )]
    Imports(String),
    /// The component does not export the contract.
    #[error(
        "the component does not export `durawasm:durable/functions@0.1.0`, so it has no handler: {0}. Export one with \
         #[durable_execution] or durable_handlers!"
    )]
    Exports(String),
}
