//! Durable handlers in this process: the async function itself, compiled natively, against the same replay engine and
//! the same checkpoint server as a component of it.
//!
//! For debuggers, coverage and quick tests: nothing is built for WebAssembly, a breakpoint in the handler is hit, and a
//! history is the same as the component's, event for event.
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
//! disturbances, `ctx.now()`, `ctx.uuid()` and `ctx.random()`.
//!
//! # What is not
//!
//! There is no sandbox:
//!
//! - **Time and chance.** `SystemTime::now()`, `Instant::now()`, `HashMap` iteration order and other randomness are the
//!   machine's. Between operations only `ctx.now()`, `ctx.uuid()` and `ctx.random()` are the same on a replay. A
//!   `thread::sleep` in a step's body takes real time.
//! - **Suspension** is an unwinding of the invocation's thread that prints nothing: destructors run, which a
//!   component's do not. What the handler does about it, with `catch_unwind`, changes nothing: the invocation is over,
//!   and each later call of its context unwinds again; one that catches it in a loop for ever computes for ever. It
//!   needs a profile with `panic = "unwind"`, as tests have.
//! - **A panic** ends the invocation with `Runtime.ExitError`, and another is tried, as for a component. The message
//!   has no place in the source: the panic's own line on standard error does. A panic that the handler catches is its
//!   own affair; in a component nothing can be caught. A hook of a plugin that panics is warned of, and the others go
//!   on.
//! - **A step's timeout** cannot stop a body. What it took is looked at when the body returns or waits: if that was too
//!   long, the attempt counts as one that took too long, and the result is lost.
//! - **Other futures.** As in a component, a handler awaits operations, and what its own tasks complete. A timer of
//!   tokio's is not woken: a body that awaits one fails with `StepStalled`, and code between operations with
//!   `HandlerStalled` (in a component both panic, and the error says what to use instead). A body may block on a
//!   runtime of its own.
//! - **Limits** are not there, but that of the number of operations: a handler that computes for ever, or takes all
//!   memory, or calls `exit`, does it to the test. An invocation that is given up, because the execution timed out or
//!   the run was dropped, ends at its next call of its context; code that makes none is left alone on its thread, and
//!   can record nothing.
//! - **Lines** of standard output, standard error and `tracing` are not captured: they go where the test's own go, also
//!   those of replays.
//! - **Grants** are not there: the handler reaches what the test reaches.

mod bodies;
mod convert;
mod durable;
mod handler;
mod host;
mod invocation;
mod observing;
mod operation;
mod scope;
mod seam;
mod service;
mod thread;

pub use handler::{DurableHandler, NativeHandler};
