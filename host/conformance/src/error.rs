//! The errors of the crate.

use std::{io, path::PathBuf};

use durawasm_build::BuildError;
use durawasm_core::orchestrator::EnvironmentError;
use durawasm_sandbox::{LoadError, SandboxError};

use super::CaseId;

/// Why cases or a configuration cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ConformanceError {
    /// A file or a folder cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The path of the file or folder.
        path: PathBuf,
        /// The I/O error.
        #[source]
        source: io::Error,
    },
    /// The folder contains no case.
    #[error("there is no case in {}: no file whose name ends with .yaml, .yml or .json", .0.display())]
    NoCases(PathBuf),
    /// Two files have the same name, and so the same id.
    #[error("two cases have the id {id}: {} and {}", one.display(), other.display())]
    SameId {
        /// The common id.
        id: CaseId,
        /// The first file.
        one: PathBuf,
        /// The second file.
        other: PathBuf,
    },
    /// No case has this id.
    #[error("there is no case {0}")]
    UnknownCase(CaseId),
    /// The file is not a valid configuration.
    #[error("{} is no configuration: {reason}", path.display())]
    Config {
        /// The path of the file.
        path: PathBuf,
        /// Why the file is not valid.
        reason: String,
    },
}

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
    /// The component's file cannot be read, or is not a component that the sandbox can run.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The sandbox cannot be created.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// The environment of a case cannot be created.
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
}
