//! Plugins: code that observes an execution without affecting it, for logs, metrics and traces.
//!
//! Implement [`Plugin`], and register it with the [`Options`](crate::Options) of the handler. Its hooks are called when
//! invocations, operations and functions of the handler start and end.
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
//! # Invariants
//! - **A plugin never affects the execution.** An error that a hook returns is logged as a warning. A component cannot
//!   unwind, so a hook that panics ends its instance: the invocation is retried immediately without plugins, from the
//!   recorded operations, and the history does not show it. (The body of a step that ran concurrently counts as
//!   interrupted.)
//! - **Hooks are not replayed code.** They see live clocks and random numbers, and their output is kept while the
//!   handler replays. The handler sees the same time and random numbers with plugins as without. (With a standard
//!   library whose hash keys cannot be controlled, each `HashMap` that a hook creates changes the iteration order of
//!   the handler's later maps. Use a `BTreeMap` in hooks.)
//! - **Each invocation has its own plugins**: the options are evaluated when it begins, and the state of a plugin ends
//!   with it.
//! - Hooks are called one after another on the thread of the handler, for several plugins in the order of registration.
//!
//! # When hooks are called
//!
//! | hook | called |
//! |---|---|
//! | [`on_invocation_start`](Plugin::on_invocation_start) | before the handler's code |
//! | [`on_operation_start`](Plugin::on_operation_start) | when the handler starts an operation, in each invocation in which it does so and the operation has not ended |
//! | [`on_user_function_start`](Plugin::on_user_function_start), [`on_user_function_end`](Plugin::on_user_function_end) | around each attempt of a step, each check of a condition, and the code of a child context, branch or iteration |
//! | [`on_operation_change`](Plugin::on_operation_change) | when the service has answered a checkpoint |
//! | [`on_operation_end`](Plugin::on_operation_end) | once per operation, in the invocation that first finds it ended |
//! | [`on_invocation_end`](Plugin::on_invocation_end) | after the handler has returned, or when it is about to be suspended |
//!
//! A fresh instance can take over within an invocation: if the body of a step took too long, and under isolation by
//! step. Then the plugins are created again, [`on_invocation_start`](Plugin::on_invocation_start) is called again with
//! the same request id, and no hook is called in the previous instance. The end of an operation is still reported only
//! once.
//!
//! An invocation that traps, exits or exceeds a limit ends without a call of a hook. Updates that are recorded with its
//! end have no `on_operation_end` either. A step that exceeds its timeout ends its instance: the invocation continues
//! in another instance, with new plugins, which get the start of the step again.

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
