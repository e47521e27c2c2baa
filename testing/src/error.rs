//! What can go wrong in a test before there is a result to look at.

use std::{path::PathBuf, sync::Arc};

use durawasm_host::{
    build::BuildError,
    orchestrator::{EnvironmentError, RunError},
    sandbox::SandboxError,
};

/// Why a test run has no result.
#[derive(Debug, thiserror::Error)]
pub enum TestError {
    /// The handler crate does not build.
    #[error("cannot build {}: {source}", path.display())]
    Build {
        /// The crate.
        path: PathBuf,
        /// Why.
        #[source]
        source: Arc<BuildError>,
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
    /// The component cannot be run.
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
    /// The environment cannot be set up.
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    /// The execution could not be run.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The component has several functions, and none was chosen.
    #[error("the component has {0}; choose one with `function`")]
    ChooseFunction(String),
    /// The execution waits for an answer that nobody will give.
    #[error(
        "the execution waits for {0}, and nothing answers it: script an answer with `answer`, or give it a timeout"
    )]
    Stalled(String),
    /// Something is not JSON of the type that was asked for.
    #[error("{what} does not have the expected form: {source}")]
    SerializationError {
        /// What.
        what: &'static str,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// A duration that cannot be read.
    #[error("{0:?} is not a duration such as 90s, 2h or 3days")]
    Duration(String),
    /// A result was asked for, and there is none.
    #[error("the execution is {status}, not SUCCEEDED: {error}")]
    NoResult {
        /// Where it stands.
        status: &'static str,
        /// Its error.
        error: String,
    },
}
