//! The orchestrator: runs one execution from its start to its end.
//!
//! It invokes, waits and invokes again as the server requires, and runs the targets of chained invokes. It depends
//! neither on the wire format nor on WebAssembly.

mod answer_text;
mod attendant;
mod direct;
mod environment;
mod functions;
mod grants;
mod invokes;
mod lookup;
mod plain;
mod requests;
mod run;
mod scheduler;
mod scheduling;
mod scratch;
mod scripted;
mod targets;
mod versions;

pub use answer_text::{parse_answer, parse_answer_for_all, parse_function_answer};
pub use attendant::Attendant;
pub use environment::{Backend, Environment, EnvironmentError, EnvironmentOptions, TimeMode};
pub use functions::{
    Component, Function, Functions, Invocable, Invocation, Invoked, Listed, PlainInvoked, UnknownFunction,
    bare_name,
};
pub use grants::{FunctionGrants, GrantProvider, OwnGrants, SCRATCH};
pub use plain::plain_arn;
pub use requests::{DirectoryRequest, GrantRequests, RequestError, VariableRequest};
pub use run::{Orchestrator, Progress, Run, RunError, Stall};
pub use scheduler::{OnError, QueueScheduler, Scheduler, StartInvocation, TimerScheduler, UpdateCheckpoint};
pub use scheduling::SharedScheduler;
pub use scripted::{Called, ScriptedFunction, stopped, timed_out};
pub use versions::{CODE_RETRY_SECONDS, Loading, Version, VersionError, Versions, qualifier};
