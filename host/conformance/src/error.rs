//! The errors of the conformance runner.

use std::path::PathBuf;

use durawasm_build::BuildError;
use durawasm_core::orchestrator::EnvironmentError;
use durawasm_sandbox::SandboxError;

/// Why a runner could not be created, or could not run.
#[derive(Debug, thiserror::Error)]
pub enum RunnerError {
    /// The handler crate does not build.
    #[error("cannot build {}: {source}", path.display())]
    Build {
        /// The folder of the crate.
        path: PathBuf,
        /// The error of the build.
        #[source]
        source: BuildError,
    },
    /// The component's file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The component's file.
        path: PathBuf,
        /// The I/O error.
        #[source]
        source: std::io::Error,
    },
    /// The file is not a component that the sandbox can run.
    #[error("cannot load {}: {source}", path.display())]
    Load {
        /// The component's file.
        path: PathBuf,
        /// Why the sandbox rejected it.
        #[source]
        source: SandboxError,
    },
    /// The sandbox cannot be created.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// The environment of a case cannot be created.
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
}
