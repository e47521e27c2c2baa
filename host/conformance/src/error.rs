//! Why cases cannot be run.

use std::path::PathBuf;

use durawasm_build::BuildError;
use durawasm_core::orchestrator::EnvironmentError;
use durawasm_sandbox::SandboxError;

/// Why a runner could not be made, or could not run.
#[derive(Debug, thiserror::Error)]
pub enum RunnerError {
    /// The handler crate does not build.
    #[error("cannot build {}: {source}", path.display())]
    Build {
        /// The crate.
        path: PathBuf,
        /// Why.
        #[source]
        source: BuildError,
    },
    /// The component's file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is no component that can be run.
    #[error("cannot load {}: {source}", path.display())]
    Load {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: SandboxError,
    },
    /// The sandbox cannot be set up.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// The environment of a case cannot be set up.
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
}
