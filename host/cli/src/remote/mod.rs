//! `durawasm execution`, `durawasm callback` and `durawasm clock`: commands for executions of an endpoint that speaks
//! the API of AWS Lambda durable functions, such as `durawasm serve`.
//!
//! Invariants:
//! - nothing is executed here: a command sends requests, and shows answers;
//! - a name that may mean several executions changes none of them;
//! - whatever interrupts a command that waits, the execution goes on.

mod callback;
mod clock;
mod endpoint;
mod error_args;
mod execution;
mod find;
mod list;
mod show;
mod wait;

pub(crate) use callback::{Args as CallbackArgs, callback};
pub(crate) use clock::{Args as ClockArgs, clock};
pub(crate) use execution::{Args as ExecutionArgs, execution};
