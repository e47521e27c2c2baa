//! The sandbox: wasmtime, instances, limits, virtual clocks and randomness.
//!
//! It uses the invocation driver only to implement the WIT, and accesses everything else through parameters.

mod advice;
mod bindings;
mod cache;
mod capacity;
mod clocks;
mod component;
mod convert;
mod disk;
mod engine;
mod environment;
mod error;
mod grants;
mod http;
mod http_client;
mod invoke;
mod limits;
mod linker;
mod listing;
mod observing;
mod operations;
mod output;
mod randomness;
mod requests;
mod requirements;
mod resources;
mod services;
mod state;
mod traffic;
mod usage;
mod waiting;
mod watchdog;
mod writers;

pub use cache::default_cache_directory;
pub use component::{
    COMPILER_COMMAND, Handler, Sandbox, SandboxOptions, compiler_process, serve_as_compiler,
};
pub use durawasm_compiler::{Bounds as CompileBounds, CompileError, CompilerProcess};
pub use error::{LoadError, SandboxError};
pub use limits::{HttpLimits, SandboxLimits};
pub use usage::SandboxUsage;
