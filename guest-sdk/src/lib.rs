//! Durable handlers in Rust, as WebAssembly components.
//!
//! A handler is an ordinary async function. What it does through its [`DurableContext`] is on record, so it survives
//! suspensions, crashes and restarts: it runs again from its beginning, and what it did before comes from the record.
//!
//! ```
//! use durawasm_guest::{BoxError, DurableContext, durable_execution};
//! use std::time::Duration;
//!
//! #[durable_execution]
//! async fn welcome(name: String, ctx: DurableContext) -> Result<String, BoxError> {
//!     let greeting = ctx.step(move |_| async move { Ok(format!("Hello, {name}")) }).name("greet").await?;
//!     ctx.wait(Duration::from_secs(60 * 60)).name("an-hour").await?;
//!     Ok(greeting)
//! }
//! ```
//!
//! Make a crate of type `cdylib`, and build it for `wasm32-wasip2` or with `cargo component build`. It then exports the
//! function under its name; [`durable_handlers!`] exports several. Natively the function is what it looks like, and
//! the crate `durawasm-testing` can run it so, for debuggers and quick tests.
//!
//! **Same surface as AWS's SDK.** Modules, types, methods and bounds are those of the crate `aws-durable-execution-sdk`: a
//! handler moves between the two by changing a `use`. What differs: the error of a failed operation is always made
//! from its record (a [`ReplayedFailure`]), never the live value; a callback that cannot be read fails in
//! [`result`](builders::callback::Callback::result); [`OperationErrorKind::InvalidArgument`] is new. Compensations
//! ([`run_compensations`](DurableContext::run_compensations)), deterministic values ([`uuid`](DurableContext::uuid),
//! [`random`](DurableContext::random), [`now`](DurableContext::now)) and checkpoint modes ([`CheckpointMode`]) are new.
//!
//! **Concurrency.** There is one thread and no runtime to start. `future()`, `spawn()`, `tokio::join!` and `futures::join!` work;
//! timers, sockets and `spawn` of other runtimes do not exist. Nothing but operations suspends a handler.
//!
//! **Logging.** Lines of the `tracing` crate and standard output go to the host, which drops those that a replay repeats.

mod batch;
#[cfg(target_family = "wasm")]
#[allow(missing_docs, clippy::all, clippy::pedantic)] // generated
#[doc(hidden)]
pub mod bindings;
mod body;
pub mod builders;
mod callback;
mod checkpointing;
mod child;
mod combinator;
mod context;
mod deterministic;
mod engine;
mod entry;
mod error;
mod execution;
mod executor;
#[cfg(target_family = "wasm")]
mod export;
mod future;
mod group;
mod invoke;
mod lambda_context;
#[cfg(target_family = "wasm")]
mod log;
pub mod logging;
pub mod observability;
mod options;
mod output;
pub mod plugin;
mod reactor;
mod registry;
#[cfg(feature = "replay-filter")]
mod replay_filter;
mod retry;
#[doc(hidden)]
pub mod runtime;
mod saga;
mod scope;
mod section;
pub mod serdes;
mod step;
mod wait;
mod wait_for_condition;
mod with_retry;

#[cfg(test)]
mod tests;

/// The examples of the reference are compiled with those of the documentation.
#[cfg(doctest)]
#[doc = include_str!("../../docs/operations.md")]
mod operations_doc {}

/// So are those of the page for code that comes from other crates.
#[cfg(doctest)]
#[doc = include_str!("../../docs/porting.md")]
mod porting_doc {}

pub use durawasm_guest_macros::durable_execution;

pub use self::builders::StepOptions;
pub use self::builders::callback::{Callback, CallbackId};
pub use self::checkpointing::CheckpointMode;
pub use self::context::{DurableContext, StepContext};
pub use self::deterministic::{ParseUuidError, Uuid};
pub use self::error::{
    CallbackError, CallbackErrorKind, ChildContextError, ChildContextErrorKind, CombinatorError,
    CombinatorErrorKind, FunctionNotFound, InvalidArgumentError, InvokeError, InvokeErrorKind, JoinFailed,
    MaxChecksExceeded, NonDeterministicExecutionError, NonDeterministicExecutionErrorKind, OperationError,
    OperationErrorKind, OperationMismatch, ReplayedFailure, RetriesExhausted, StepError, StepErrorKind,
    TypedError, UnexpectedStatus, UnrecognizedStatus, WaitError, WaitErrorKind, WaitForConditionError,
    WaitForConditionErrorKind, WireError,
};
pub use self::execution::ExecutionMode;
pub use self::future::{Branch, DurableFuture, Settled};
pub use self::lambda_context::{ClientContext, CognitoIdentity, LambdaConfig, LambdaContext};
pub use self::options::{Options, OptionsBuilder, OptionsValidationError};
pub use self::plugin::Plugin;
#[cfg(feature = "replay-filter")]
pub use self::replay_filter::ReplayFilterLayer;
pub use self::retry::RetryDecision;
pub use self::saga::{CompensationItem, CompensationResult, CompensationStatus};
pub use self::serdes::{JsonSerdes, Serdes};
pub use self::step::StepSemantics;

/// [`OperationError`], under the name that it has in `durable-lambda-core` and `durable-execution-sdk`.
pub type DurableError = OperationError;

/// The error of handlers and step bodies: anything, boxed.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What the macros of this crate expand to, and what runners start. No promise of stability.
#[doc(hidden)]
pub mod __private {
    #[cfg(target_family = "wasm")]
    pub use crate::bindings;
    pub use crate::entry::{Function, Kind, check_names, run};
    #[cfg(target_family = "wasm")]
    pub use crate::export::{Exported, Functions};
    pub use crate::options::IntoOptions;
}
