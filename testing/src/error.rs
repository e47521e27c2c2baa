//! What can go wrong in a test.

use std::{fmt, path::PathBuf, sync::Arc};

use durawasm_build::BuildError;
use durawasm_core::{
    DurationError,
    orchestrator::{EnvironmentError, RunError},
    protocol::{OperationType, ServiceError},
};
use durawasm_sandbox::SandboxError;

use crate::{TestResultError, WaitingOperationStatus};

/// Why a test has no result, or not the one it asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
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
    Run(RunError),
    /// The component has several functions, and none was chosen.
    #[error("the component has {0}; choose one with `function`")]
    ChooseFunction(String),
    /// The runner runs already: it follows one execution at a time.
    #[error("this runner runs an execution already: clone it for another one beside it")]
    AlreadyRunning,
    /// The execution waits for an answer that nobody will give.
    #[error(
        "the execution waits for {0}, and nothing answers it: script an answer with `answer`, hold a handle of it and \
         answer it, or give it a timeout"
    )]
    Stalled(String),
    /// A duration that cannot be read.
    #[error(transparent)]
    Duration(#[from] DurationError),
    /// Time does not skip in this test.
    #[error("time is real in this test: it cannot be advanced. Set `skip_time` for that")]
    TimeIsReal,
    /// A scheduler goes by real timestamps, and time skips.
    #[error(
        "the scheduler runs functions at their real times, and time skips in this test: set `skip_time: false`"
    )]
    TimeIsSkipped,
    /// Tokio's time is to be taken along, and is not paused.
    #[error(
        "tokio's time is not paused: use `#[tokio::test(start_paused = true)]`, or leave `tokio_time` out"
    )]
    TokioTimeRuns,
    /// The execution did not succeed.
    #[error("the execution did not succeed: {0}")]
    ExecutionFailed(TestResultError),
    /// There is no such operation.
    #[error("there is no operation {0}")]
    OperationNotFound(String),
    /// The operation is of another type.
    #[error("the operation is a {found}, not a {expected}")]
    OperationTypeMismatch {
        /// What was asked for.
        expected: OperationType,
        /// What it is.
        found: OperationType,
    },
    /// Only a callback can be answered: a CALLBACK, or the context of a wait-for-callback.
    #[error("the operation is not a callback")]
    NotCallbackOperation,
    /// A function that the handler invokes is not there.
    #[error(
        "the function {0:?} is not registered, and the execution failed for want of it: add it with \
         `register_durable_function`, `register_function` or `register_component`"
    )]
    FunctionNotRegistered(String),
    /// Nothing happened for too long.
    #[error("it took too long: {0}")]
    WaitTimeout(String),
    /// The execution was over before its operation got that far.
    #[error("the execution was over before operation {0} was {1}")]
    ExecutionCompletedEarly(String, WaitingOperationStatus),
    /// Something is not JSON of the type that was asked for.
    #[error("{what} does not have the expected form: {source}")]
    SerializationError {
        /// What.
        what: &'static str,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// The AWS API refused, or could not be reached.
    #[error("AWS: {0}")]
    AwsError(String),
    /// There is no environment on this thread, or it was torn down.
    #[error(
        "the test environment is not set up: call `setup_test_environment` first, on the test's own thread"
    )]
    EnvironmentNotSetUp,
    /// The checkpoint server cannot be started, or refused a request.
    #[error("the checkpoint server refused: {0}")]
    CheckpointServerError(String),
    /// The checkpoint server's thread is gone.
    #[error("the checkpoint server cannot be reached: {0}")]
    CheckpointCommunicationError(String),
    /// There is no such execution.
    #[error("there is no such execution: {0}")]
    ExecutionNotFound(String),
    /// There is no such invocation, or it does not run.
    #[error("there is no such invocation: {0}")]
    InvocationNotFound(String),
    /// The callback was answered, has timed out, or its execution is over.
    #[error("the callback takes no answer any more: {0}")]
    CallbackAlreadyCompleted(String),
    /// There is no such callback.
    #[error("there is no such callback: {0}")]
    CallbackNotFound(String),
    /// The token is not the current one.
    #[error("the checkpoint token does not work: {0}")]
    InvalidCheckpointToken(String),
}

impl From<TestResultError> for TestError {
    fn from(error: TestResultError) -> Self {
        Self::ExecutionFailed(error)
    }
}

impl From<serde_json::Error> for TestError {
    fn from(source: serde_json::Error) -> Self {
        Self::SerializationError { what: "a value", source }
    }
}

impl From<ServiceError> for TestError {
    fn from(error: ServiceError) -> Self {
        match error {
            ServiceError::InvalidToken => Self::InvalidCheckpointToken(error.message().to_owned()),
            ServiceError::InvocationNotRunning(why) => Self::InvocationNotFound(why),
            ServiceError::InvalidParameterValue(why) => Self::CheckpointServerError(why),
            ServiceError::CallbackNotFound(why) => Self::CallbackNotFound(why),
            ServiceError::NotFound(why) => Self::ExecutionNotFound(why),
            ServiceError::CallbackOver(why) => Self::CallbackAlreadyCompleted(why),
            ServiceError::Unavailable(why) => Self::CheckpointCommunicationError(why),
        }
    }
}

impl From<RunError> for TestError {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Service(error) => error.into(),
            RunError::Function(_) => Self::Run(error),
        }
    }
}

impl fmt::Display for WaitingOperationStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Started => "started",
            Self::Submitted => "submitted",
            Self::Completed => "completed",
        })
    }
}
