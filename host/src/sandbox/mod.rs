//! The sandbox: wasmtime, instances, limits, virtual clocks and random.
//!
//! It reaches the replay engine only through the WIT bindings, and the outside only through what it is handed.

mod advice;
mod bindings;
mod cache;
mod clocks;
mod component;
mod convert;
mod engine;
mod error;
mod faults;
mod grants;
mod invoke;
mod isolation;
mod limits;
mod linker;
mod log;
mod observing;
mod operations;
mod output;
mod randomness;
mod resources;
mod services;
mod state;
mod waiting;

pub use cache::default_cache_directory;
pub use component::{Handler, Sandbox, SandboxOptions};
pub use error::SandboxError;
pub use faults::{Blow, Disturbance, Fate, Faults};
pub use grants::{Access, GrantError, Grants};
pub use invoke::{FunctionInfo, InvocationEnd, InvocationReport};
pub use isolation::Isolation;
pub use limits::SandboxLimits;
pub use log::{LogBuffer, LogLevel, LogLine, LogSink, LogSource};
pub use state::Surroundings;
