//! The error type of the crate.

use std::{path::PathBuf, sync::Arc};

use durawasm_build::BuildError;
use durawasm_check::CheckError;
use durawasm_core::{
    DurationError,
    orchestrator::{EnvironmentError, RunError},
    protocol::{OperationType, ServiceError},
};
use durawasm_sandbox::{LoadError, SandboxError};

use crate::{TestResultError, WaitingOperationStatus};

/// Why a run has no result, or a request of a test failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TestError {
    /// The handler crate does not build.
    #[error("cannot build {}: {source}", path.display())]
    Build {
        /// The folder of the crate.
        path: PathBuf,
        /// The error of the build.
        #[source]
        source: Arc<BuildError>,
    },
    /// The component's file cannot be read, or is not a component that the sandbox can run.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The sandbox cannot be created.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// The environment cannot be created.
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    /// The execution could not be run.
    #[error(transparent)]
    Run(RunError),
    /// It could not be checked whether the handler replays.
    #[error("the handler cannot be checked: {0}")]
    Check(CheckError),
    /// The component has several functions, and the test did not choose one.
    #[error("the component has {0}; choose one with `function`")]
    ChooseFunction(String),
    /// The runner already runs an execution. A runner runs one at a time.
    #[error("this runner already runs an execution: clone the runner to run another one concurrently")]
    AlreadyRunning,
    /// The execution waits for an external answer that cannot arrive.
    #[error(
        "the execution waits for {0}, and nothing answers it: script an answer with `answer`, hold a handle of it and \
         answer it, or give it a timeout"
    )]
    Stalled(String),
    /// A text is not a duration.
    #[error(transparent)]
    Duration(#[from] DurationError),
    /// The test runs in real time, which cannot be advanced.
    #[error("time is real in this test: it cannot be advanced. Set `skip_time` for that")]
    TimeIsReal,
    /// The scheduler uses real timestamps, but time is skipped.
    #[error(
        "the scheduler runs functions at their real times, and time skips in this test: set `skip_time: false`"
    )]
    TimeIsSkipped,
    /// Tokio's clock must advance with virtual time, but is not paused.
    #[error(
        "tokio's time is not paused: use `#[tokio::test(start_paused = true)]`, or leave `tokio_time` out"
    )]
    TokioTimeRuns,
    /// The execution did not succeed.
    #[error("the execution did not succeed: {0}")]
    ExecutionFailed(TestResultError),
    /// The execution has no such operation.
    #[error("there is no operation {0}")]
    OperationNotFound(String),
    /// The operation has another type than the requested details.
    #[error("the operation is a {found}, not a {expected}")]
    OperationTypeMismatch {
        /// The type of the requested details.
        expected: OperationType,
        /// The type of the operation.
        found: OperationType,
    },
    /// The operation cannot be answered: it is neither a CALLBACK nor the context of a wait-for-callback.
    #[error("the operation is not a callback")]
    NotCallbackOperation,
    /// A function that the handler invokes is not registered.
    #[error(
        "the function {0:?} is not registered, and the execution failed because of that: add it with \
         `register_durable_function`, `register_function` or `register_component`"
    )]
    FunctionNotRegistered(String),
    /// The run made no progress for too long.
    #[error("it took too long: {0}")]
    WaitTimeout(String),
    /// The execution ended before the operation reached the awaited state.
    #[error("the execution ended before operation {0} was {1}")]
    ExecutionCompletedEarly(String, WaitingOperationStatus),
    /// A value is not JSON of the requested type.
    #[error("{what} does not have the expected form: {source}")]
    SerializationError {
        /// What was to be serialized or deserialized.
        what: &'static str,
        /// The JSON error.
        #[source]
        source: serde_json::Error,
    },
    /// The AWS API rejected a request, or could not be reached.
    #[error("AWS: {0}")]
    AwsError(String),
    /// The thread has no environment, or its environment was torn down.
    #[error(
        "the test environment is not set up: call `setup_test_environment` first, on the test's own thread"
    )]
    EnvironmentNotSetUp,
    /// The checkpoint server cannot be started, or rejected a request.
    #[error("the checkpoint server refused: {0}")]
    CheckpointServerError(String),
    /// The thread of the checkpoint server has ended.
    #[error("the checkpoint server cannot be reached: {0}")]
    CheckpointCommunicationError(String),
    /// The checkpoint server has no such execution.
    #[error("there is no such execution: {0}")]
    ExecutionNotFound(String),
    /// The invocation does not exist, or does not run.
    #[error("there is no such invocation: {0}")]
    InvocationNotFound(String),
    /// The callback was answered, has timed out, or its execution has ended.
    #[error("the callback can no longer be answered: {0}")]
    CallbackAlreadyCompleted(String),
    /// The checkpoint server has no such callback.
    #[error("there is no such callback: {0}")]
    CallbackNotFound(String),
    /// The checkpoint token is not the current one.
    #[error("the checkpoint token is not valid: {0}")]
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
            ServiceError::InvalidParameterValue(why)
            | ServiceError::Conflict(why)
            | ServiceError::AlreadyStarted(why)
            | ServiceError::TooManyRequests(why) => Self::CheckpointServerError(why),
            ServiceError::CallbackNotFound(why) => Self::CallbackNotFound(why),
            ServiceError::NotFound(why) => Self::ExecutionNotFound(why),
            ServiceError::CallbackOver(why) => Self::CallbackAlreadyCompleted(why),
            ServiceError::Store(why) | ServiceError::Unavailable(why) => {
                Self::CheckpointCommunicationError(why)
            }
        }
    }
}

impl From<RunError> for TestError {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Service(error) => error.into(),
            RunError::Function(_) | RunError::Code(_) => Self::Run(error),
        }
    }
}
