//! Errors before a guest runs.

use std::{io, path::PathBuf};

use durawasm_compiler::{CompileError, ComplexityError};

/// Why a sandbox could not be created or a component could not be loaded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SandboxError {
    /// wasmtime cannot run on this machine.
    #[error("the WebAssembly engine cannot start: {0}")]
    Engine(String),
    /// The folder of the compile cache cannot be used.
    #[error("the compile cache {} cannot be used: {reason}; choose another folder or run without a cache", directory.display())]
    Cache {
        /// The folder.
        directory: PathBuf,
        /// The reason.
        reason: String,
    },
    /// The bytes are not a valid component.
    #[error("not a valid WebAssembly component: {0}")]
    Invalid(String),
    /// The component exceeds a limit of compiling.
    #[error("the component was not compiled: {0}")]
    Limit(CompileError),
    /// The compiler could not be started, or crashed.
    #[error("the component was not compiled: {0}")]
    Compiler(CompileError),
    /// The component needs more than one instance may have.
    #[error("the component needs more than one instance may have: {0}")]
    TooLarge(String),
    /// The component imports an interface that the host does not provide.
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

impl From<CompileError> for SandboxError {
    fn from(error: CompileError) -> Self {
        match error {
            CompileError::Invalid(reason) => Self::Invalid(reason),
            CompileError::Complexity(ComplexityError::Malformed { .. }) => Self::Invalid(error.to_string()),
            CompileError::Complexity(_) | CompileError::Time { .. } | CompileError::Memory { .. } => {
                Self::Limit(error)
            }
            CompileError::Compiler(_) => Self::Compiler(error),
        }
    }
}

/// Why a component cannot be loaded from a file.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The component's file.
        path: PathBuf,
        /// The I/O error.
        #[source]
        source: io::Error,
    },
    /// The file is not a component that the sandbox can run.
    #[error("cannot load {}: {source}", path.display())]
    Unusable {
        /// The component's file.
        path: PathBuf,
        /// Why the sandbox rejected it.
        #[source]
        source: SandboxError,
    },
}
