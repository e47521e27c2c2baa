//! Runs durawasm handlers inside `cargo test`: real components, in the real host, in virtual time.
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
//! Always true: runners share nothing but compiled components, so tests run side by side; under time skipping a run depends
//! on the component, the event, the answers and the seed alone.

mod components;
pub mod conformance;
mod error;
pub mod native;
mod result;
mod runner;

pub use durawasm_host::{
    protocol::{
        ErrorObject, Event, EventType, ExecutionStatus, Operation, OperationStatus, OperationType, Timestamp,
    },
    sandbox::{Disturbance, LogLevel, LogLine, LogSource, SandboxLimits},
    server::{Answer, InvocationRetry, InvocationView},
};
pub use error::TestError;
pub use result::TestResult;
pub use runner::{LocalDurableTestRunner, TestEnvironmentConfig};
