//! Runs durable handlers inside `cargo test`: real components in the real host, in virtual time.
//!
//! ```no_run
//! use durawasm_testing::{ExecutionStatus, LocalDurableTestRunner};
//!
//! # async fn example() -> Result<(), durawasm_testing::TestError> {
//! let runner = LocalDurableTestRunner::from_crate("examples/order")?.answer("approval", "3600s", "yes")?;
//! let result = runner.run(&serde_json::json!({"id": "o-1"})).await?;
//! assert_eq!(result.get_status(), ExecutionStatus::Succeeded);
//! # Ok(())
//! # }
//! ```
//!
//! Invariants: runners share nothing but compiled components, so tests can run in parallel in one process; under time
//! skipping a run depends only on the handler, the event, the actions of the test and the seed.

pub mod checkpoint_server;
#[cfg(feature = "cloud")]
pub mod cloud;
mod components;

mod error;
mod history;
mod lookup;
mod mock;
pub mod native;
mod operation;
mod orchestrator;
mod print;
mod result;
mod runner;
mod storage;
mod tokio_time;
mod tracking;
mod waiting_status;

#[cfg(feature = "cloud")]
pub use cloud::{CloudDurableTestRunner, CloudTestRunnerConfig};
pub use durawasm_check::{Report as ReplayReport, Verdict as ReplayVerdict};
pub use durawasm_core::{
    invocation::{Disturbance, HttpGrantError, Isolation, LogLevel, LogLine, LogSource},
    orchestrator::{OnError, QueueScheduler, Scheduler, StartInvocation, TimerScheduler, UpdateCheckpoint},
    protocol::{
        DurableServiceClient, ErrorObject, ErrorObject as TestResultError, Event, EventType, ExecutionStatus,
        Operation, OperationStatus, OperationType, ServiceError, Timestamp,
    },
    server::{Answer, InvocationRetry},
};
pub use durawasm_sandbox::SandboxLimits;
pub use error::TestError;
pub use mock::{CheckpointCall, GetStateCall, MockDurableServiceClient};
pub use native::{DurableHandler, NativeHandler};
pub use operation::{
    CallbackDetails, ContextDetails, DurableOperation, InvokeDetails, OperationHandle, StepDetails,
    WaitDetails,
};
pub use orchestrator::{FunctionStorage, SkipTimeConfig, TestExecutionOrchestrator, TestExecutionResult};
pub use print::PrintConfig;
pub use result::{Invocation, TestResult};
pub use runner::check::assert_replay_safe;
pub use runner::{
    AnyPayload, LocalDurableTestRunner, Payload, TestEnvironmentConfig, TestEnvironmentSetup,
    setup_test_environment, teardown_test_environment,
};
pub use storage::OperationStorage;
pub use tracking::DurableApiClient;
pub use waiting_status::WaitingOperationStatus;
