//! Durable handlers that run natively in the process of the test: the same async function, on the same replay engine
//! and the same checkpoint server as a component.
//!
//! Use it for debuggers, coverage and quick tests: nothing is compiled to WebAssembly, breakpoints in the handler work,
//! and the history equals the component's, event for event.
//!
//! ```
//! use durawasm_guest::{BoxError, DurableContext};
//! use durawasm_core::{invocation::LogBuffer, orchestrator::{Environment, EnvironmentOptions}, server::StartExecution};
//! use durawasm_testing::{ExecutionStatus, native::NativeHandler};
//! use std::{sync::Arc, time::Duration};
//!
//! async fn greet(name: String, ctx: DurableContext) -> Result<String, BoxError> {
//!     ctx.wait(Duration::from_secs(3600)).await?;
//!     Ok(format!("Hello, {name}"))
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut environment = Environment::empty(EnvironmentOptions::default(), Arc::new(LogBuffer::default()))?;
//! environment.register(NativeHandler::durable("greet", greet).into_function());
//! let run = environment.run(StartExecution::new("greet", Some("\"Ada\"".to_owned()))).await?;
//! assert_eq!(run.view.status, ExecutionStatus::Succeeded);
//! # Ok(())
//! # }
//! ```
//!
//! # What is the same
//!
//! Operations, their ids, order and results, checkpoints and their modes, suspension, retries, replays, plugins,
//! injected faults, `ctx.now()`, `ctx.uuid()` and `ctx.random()`.
//!
//! # What differs
//!
//! There is no sandbox:
//!
//! - **Time and randomness.** `SystemTime::now()`, `Instant::now()`, `HashMap` iteration order and other randomness are
//!   the machine's. Between operations only `ctx.now()`, `ctx.uuid()` and `ctx.random()` are the same on a replay. A
//!   `thread::sleep` in a step's body takes real time.
//! - **Suspension** unwinds the thread of the invocation without printing: destructors run, unlike in a component.
//!   Catching the unwinding with `catch_unwind` has no effect: the invocation has ended, and each later call of its
//!   context unwinds again. A handler that catches it in an endless loop never ends. Unwinding requires a profile with
//!   `panic = "unwind"`, the default for tests.
//! - **A panic** ends the invocation with `Runtime.ExitError`, and the invocation is retried, as for a component. The
//!   error's message does not contain the source location; the panic's line on standard error does. A handler can catch
//!   its own panics; in a component none can be caught. A plugin hook that panics causes a warning, and the other hooks
//!   run.
//! - **A step's timeout** cannot stop a body. The duration is checked when the body returns or waits: if it exceeds the
//!   timeout, the attempt fails with a timeout, and its result is discarded.
//! - **Other futures.** As in a component, a handler can await operations and what its own tasks complete. Timers of
//!   tokio are not driven: a body that awaits one fails with `StepStalled`, and code between operations with
//!   `HandlerStalled` (in a component both panic, and the error names the alternative). A body may block on its own
//!   runtime.
//! - **Limits** are not enforced, except the number of operations: a handler that computes endlessly, exhausts memory
//!   or calls `exit` affects the test process. An invocation that is abandoned, because the execution timed out or the
//!   run was dropped, ends at its next call of its context; code that makes no such call continues on its thread, and
//!   cannot record anything.
//! - **Output** on standard output, standard error and through `tracing` is not captured: it goes to the output of the
//!   test, including the output of replays.
//! - **Grants** do not apply: the handler can access whatever the test can.

mod bodies;
mod convert;
mod durable;
mod handler;
mod handles;
mod host;
mod invocation;
mod observing;
mod operation;
mod scope;
mod service;
mod shared_run;
mod thread;

pub use handler::{DurableHandler, NativeHandler};
