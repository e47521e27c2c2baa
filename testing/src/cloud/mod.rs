//! `CloudDurableTestRunner`: tests of a function that is deployed, behind the AWS Lambda API or anything that speaks
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
//! - what is known of an execution is what the service tells: its history, and where it stands. Operations are made
//!   from the history by a plain function;
//! - a run ends: with the execution, with an error, or when its time is over. It never stops an execution;
//! - [`CloudApi`] alone talks to the service.

mod api;
mod client;
mod convert;
mod errors;
mod follow;
mod function;
mod operations;
mod runner;
mod watching;

pub use api::CloudApi;
pub use operations::operations_of;
pub use runner::{CloudDurableTestRunner, CloudTestRunnerConfig};
