//! The sandbox: wasmtime, instances, limits, virtual clocks and randomness.
//!
//! It uses the invocation driver only to implement the WIT, and accesses everything else through parameters.

mod advice;
mod bindings;
mod cache;
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
mod observing;
mod operations;
mod output;
mod randomness;
mod requests;
mod resources;
mod services;
mod state;
mod waiting;
mod writers;

pub use cache::default_cache_directory;
pub use component::{Handler, Sandbox, SandboxOptions};
pub use error::{LoadError, SandboxError};
pub use limits::{HttpLimits, SandboxLimits};
