//! Durable handlers in Rust, as WebAssembly components.
//!
//! A handler is an ordinary async function. The operations that it performs through its [`DurableContext`] are
//! recorded, so it survives suspensions, crashes and restarts: it runs again from its beginning, and operations that
//! have ended return their recorded outcomes.
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
//! Create a crate of type `cdylib`, and build it for `wasm32-wasip2` or with `cargo component build`. It then exports
//! the function under its name; [`durable_handlers!`] exports several. Natively the function stays an ordinary
//! function, and the crate `durawasm-testing` can run it, for debuggers and quick tests.
//!
//! **Compatibility with AWS's SDK.** Modules, types, methods and bounds are those of the crate
//! `aws-durable-execution-sdk`: a handler moves between the two by changing a `use`. Differences: the error of a failed
//! operation is always created from its record (a [`ReplayedFailure`]), never from the live value; a callback whose
//! answer cannot be deserialized fails in [`result`](builders::callback::Callback::result);
//! [`OperationErrorKind::InvalidArgument`] is new. Compensations
//! ([`run_compensations`](DurableContext::run_compensations)), deterministic values ([`uuid`](DurableContext::uuid),
//! [`random`](DurableContext::random), [`now`](DurableContext::now)) and checkpoint modes ([`CheckpointMode`]) are new.
//!
//! **Concurrency.** There is one thread, and no runtime to start. `future()`, `spawn()`, `tokio::join!` and
//! `futures::join!` work; timers, sockets and `spawn` of other runtimes do not exist. Only operations suspend a
//! handler.
//!
//! **Logging.** Events of the `tracing` crate and standard output go to the host, which drops those that a replay
//! repeats.

pub mod builders;
#[cfg(target_family = "wasm")]
mod component;
mod context;
mod contract;
mod engine;
mod entry;
mod error;
mod operations;
mod output;
pub mod plugin;
mod policy;
pub mod serdes;
mod values;

#[cfg(test)]
mod tests;

/// Compiles the examples of the reference with those of the documentation.
#[cfg(doctest)]
#[doc = include_str!("../../docs/operations.md")]
mod operations_doc {}

/// Compiles the examples of the page about porting code from other crates.
#[cfg(doctest)]
#[doc = include_str!("../../docs/porting.md")]
mod porting_doc {}

pub use durawasm_guest_macros::durable_execution;

pub use self::builders::StepOptions;
pub use self::builders::callback::{Callback, CallbackId};
#[cfg(target_family = "wasm")]
#[doc(hidden)]
pub use self::component::bindings;
pub use self::context::{
    Branch, CompensationItem, CompensationResult, CompensationStatus, DurableContext, DurableFuture,
    ExecutionMode, Settled, StepContext,
};
pub use self::contract::{
    CheckpointMode, ClientContext, CognitoIdentity, LambdaConfig, LambdaContext, StepSemantics,
};
pub use self::entry::{Options, OptionsBuilder, OptionsValidationError};
pub use self::error::{
    BoxError, CallbackError, CallbackErrorKind, ChildContextError, ChildContextErrorKind, CombinatorError,
    CombinatorErrorKind, DurableError, FunctionNotFound, InvalidArgumentError, InvokeError, InvokeErrorKind,
    JoinFailed, MaxChecksExceeded, NonDeterministicExecutionError, NonDeterministicExecutionErrorKind,
    OperationError, OperationErrorKind, OperationMismatch, ReplayedFailure, RetriesExhausted, StepError,
    StepErrorKind, TypedError, UnexpectedStatus, UnrecognizedStatus, WaitError, WaitErrorKind,
    WaitForConditionError, WaitForConditionErrorKind, WireError,
};
#[cfg(feature = "replay-filter")]
pub use self::output::ReplayFilterLayer;
pub use self::output::{logging, observability};
pub use self::plugin::Plugin;
pub use self::policy::RetryDecision;
pub use self::serdes::{JsonSerdes, Serdes};
pub use self::values::{ParseUuidError, Uuid};

/// The contract with the host: for runners, not for handlers. It follows the WIT package, not the stability promises of
/// this crate.
#[doc(hidden)]
pub mod runtime {
    pub use crate::contract::{
        Attempts, Beginning, Callback, CallbackOptions, CheckpointMode, Child, ChildResult, ChildState,
        Completed, Condition, ConditionState, EndStatus, ExecutionInfo, Identity, Interest, Invoke,
        InvokeOptions, ObservedOperation, Observing, Operation, Outcome, Pollable, Position, Runtime, Scope,
        Step, StepOptions, StepSemantics, StepState, Success,
    };
    pub use crate::error::InvalidArgument;
}

/// Used by the expansion of this crate's macros and by runners. No promise of stability.
#[doc(hidden)]
pub mod __private {
    #[cfg(target_family = "wasm")]
    pub use crate::component::bindings;
    #[cfg(target_family = "wasm")]
    pub use crate::entry::{Exported, Functions};
    pub use crate::entry::{Function, IntoOptions, Kind, check_names, run};
}
