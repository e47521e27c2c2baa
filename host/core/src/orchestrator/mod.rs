//! The orchestrator: one execution's life, from its start to its end.
//!
//! It invokes, waits, and invokes again, as the server says; it runs the targets of chained invokes; it knows no wire
//! format and no wasm.

mod attendant;
mod environment;
mod functions;
mod grants;
mod plain;
mod requests;
mod run;
mod scheduler;
mod scheduling;
mod scratch;
mod scripted;
mod targets;

pub use attendant::Attendant;
pub use environment::{Backend, Environment, EnvironmentError, EnvironmentOptions, TimeMode};
pub use functions::{
    Component, Function, Functions, Invocable, Invocation, Invoked, Listed, PlainInvoked, UnknownFunction,
    bare_name,
};
pub use grants::{FunctionGrants, Granter, SCRATCH};
pub use requests::{DirectoryRequest, GrantRequests, RequestError, VariableRequest};
pub use run::{Orchestrator, Run, RunError, Stall};
pub use scheduler::{OnError, QueueScheduler, Scheduler, StartInvocation, TimerScheduler, UpdateCheckpoint};
pub use scheduling::SharedScheduler;
pub use scripted::{Called, ScriptedFunction, stopped, timed_out};
