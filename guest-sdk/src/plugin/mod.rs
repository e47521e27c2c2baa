//! Plugins: code that watches an execution and is no part of it, for logs, metrics and traces.
//!
//! Implement [`Plugin`], and register it with the handler's [`Options`](crate::Options). Its hooks are called where
//! invocations, operations and the handler's own functions start and end.
//!
//! ```
//! use durawasm_guest::plugin::{InvocationInfo, OperationEndInfo};
//! use durawasm_guest::{BoxError, DurableContext, Options, Plugin, durable_execution};
//!
//! /// Prints what ends, and how long it took.
//! #[derive(Default)]
//! struct Durations {
//!     arn: String,
//! }
//!
//! impl Plugin for Durations {
//!     fn on_invocation_start(&mut self, info: &InvocationInfo) -> Result<(), BoxError> {
//!         self.arn = info.execution_arn().to_owned();
//!         Ok(())
//!     }
//!
//!     fn on_operation_end(&mut self, info: &OperationEndInfo) -> Result<(), BoxError> {
//!         let end = info.end_timestamp().ok_or("it has not ended")?;
//!         let took = end.as_millis() - info.start_timestamp().as_millis();
//!         println!("{}: {} {} after {took} ms", self.arn, info.operation_type(), info.status());
//!         Ok(())
//!     }
//! }
//!
//! #[durable_execution(options = Options::builder().plugin(Durations::default()).build())]
//! async fn greet(name: String, ctx: DurableContext) -> Result<String, BoxError> {
//!     Ok(ctx.step(move |_| async move { Ok(format!("Hello, {name}")) }).await?)
//! }
//! ```
//!
//! # What always holds
//! - **A plugin never affects the execution.** An error that a hook returns becomes a warning in the log. A hook that
//!   panics in a component loses its instance, which cannot unwind: the invocation is tried again at once without
//!   plugins, from what is on record, and the history shows nothing of it. (A step's body that was under way beside it
//!   counts as interrupted.)
//! - **Hooks are not replayed code.** They see live clocks and random numbers, and what they print or log is kept while
//!   the handler replays. What the handler sees of time and chance is the same with plugins as without. (The standard
//!   library is an exception: each `HashMap` made in a hook changes the iteration order of maps that the handler makes
//!   later, as those made in step bodies do. Use a `BTreeMap` in hooks.)
//! - **An invocation has plugins of its own**: the options are evaluated when it begins, and what a plugin keeps ends
//!   with it.
//! - Hooks are called one after another on the handler's thread; several plugins in the order in which they were
//!   registered.
//!
//! # When hooks are called
//!
//! | hook | called |
//! |---|---|
//! | [`on_invocation_start`](Plugin::on_invocation_start) | before the handler's code |
//! | [`on_operation_start`](Plugin::on_operation_start) | when the handler starts an operation, in each invocation in which it does and the operation is not over yet |
//! | [`on_user_function_start`](Plugin::on_user_function_start), [`on_user_function_end`](Plugin::on_user_function_end) | around each attempt of a step, each check of a condition, and the code of a child context, branch or iteration |
//! | [`on_operation_change`](Plugin::on_operation_change) | when the service has answered a checkpoint |
//! | [`on_operation_end`](Plugin::on_operation_end) | once for an operation: in the invocation that first finds it over |
//! | [`on_invocation_end`](Plugin::on_invocation_end) | after the handler has returned, or when it is about to be suspended |
//!
//! A fresh instance can take over within an invocation: when a step's body took too long, and under isolation by step.
//! The plugins are then made anew, [`on_invocation_start`](Plugin::on_invocation_start) is called again with the same
//! request id, and nothing is called in the instance that was given up. The end of an operation is told once all the
//! same.
//!
//! An invocation that traps, exits or is cut off by a limit ends without a hook. What is recorded with its end has no
//! `on_operation_end` either. A step that runs into its timeout takes its instance with it: the invocation goes on in
//! another, with new plugins, which are told of its start again.

mod hooks;
mod info;
mod observed;
mod observer;

pub use self::hooks::Plugin;
pub use self::info::{
    InvocationEndInfo, InvocationInfo, InvocationStatus, OperationChangeInfo, OperationEndInfo,
    OperationInfo, Operations, UserFunctionEndInfo, UserFunctionInfo, UserFunctionOutcome,
};
pub(crate) use self::observed::ObservedRuntime;
pub(crate) use self::observer::Observer;
pub use crate::contract::{OperationStatus, OperationType};
pub use crate::values::Timestamp;
