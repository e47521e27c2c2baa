//! `CloudDurableTestRunner`: tests of a deployed function behind the AWS Lambda API or another endpoint that implements
//! it.
//!
//! ```no_run
//! use durawasm_testing::{CloudDurableTestRunner, ExecutionStatus};
//!
//! # async fn example() -> Result<(), durawasm_testing::TestError> {
//! let runner: CloudDurableTestRunner = CloudDurableTestRunner::new("order:prod").await?;
//! let result = runner.run(serde_json::json!({"id": "o-1"})).await?;
//! assert_eq!(result.get_status(), ExecutionStatus::Succeeded);
//! # Ok(())
//! # }
//! ```
//!
//! Invariants:
//! - all knowledge of an execution comes from the service: its history and its status. A pure function derives the
//!   operations from the history;
//! - a run ends with the execution, with an error, or with a timeout. It never stops an execution;
//! - only [`CloudApi`] sends requests to the service.

mod api;
mod client;
mod convert;
mod errors;
mod follow;
mod lookups;
mod runner;

pub use api::CloudApi;
pub use durawasm_report::operations_of;
pub use runner::{CloudDurableTestRunner, CloudTestRunnerConfig};
