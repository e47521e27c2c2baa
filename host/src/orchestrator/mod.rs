//! The orchestrator: one execution's life, from its start to its end.
//!
//! It invokes, waits, and invokes again, as the server says; it runs the targets of chained invokes; it knows no wire
//! format and no wasm.

mod environment;
mod functions;
mod grants;
mod plain;
mod run;
mod scratch;
mod scripted;
mod targets;

pub use environment::{Environment, EnvironmentError, EnvironmentOptions, TimeMode};
pub use functions::{Function, Functions, Invocable, Invocation, Invoked, UnknownFunction};
pub use grants::{FunctionGrants, Granter, SCRATCH};
pub use run::{Orchestrator, Run, RunError, Stall};
pub use scripted::ScriptedFunction;
