//! Errors of building a handler crate.

use std::{io, path::PathBuf, process::ExitStatus};

use super::{ContractError, InspectError};

/// Why a handler crate was not built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// There is no crate at the path.
    #[error("there is no handler crate at {}: {reason}; give the folder of a crate, or its Cargo.toml", path.display())]
    NoCrate {
        /// The given path.
        path: PathBuf,
        /// What was found instead.
        reason: String,
    },

    /// The target is not one for handlers.
    #[error(
        "handlers cannot be built for target {target:?}; use wasm32-wasip2 or wasm32-wasip1 (DURAWASM_GUEST_TARGET or the build's options)"
    )]
    UnknownTarget {
        /// The given target.
        target: String,
    },

    /// No toolchain has the standard library for a WASI target.
    #[error(
        "no Rust toolchain here can build handlers: none has the standard library of {targets} (looked at: {looked_at}); \
         run `rustup target add {install}`, or `scripts/setup` in durawasm's repository where that cannot download"
    )]
    NoToolchain {
        /// The suitable targets.
        targets: String,
        /// The toolchains that were tried, in order.
        looked_at: String,
        /// The arguments of the rustup command that would install one.
        install: String,
    },

    /// A program could not be started.
    #[error(
        "{program} could not be started: {source}; install Rust (https://rustup.rs) and make sure that cargo is on PATH"
    )]
    Start {
        /// The program.
        program: String,
        /// The reason.
        source: io::Error,
    },

    /// Cargo does not accept the crate's manifest.
    #[error("cargo cannot read {}: {reason}", manifest.display())]
    Manifest {
        /// The manifest.
        manifest: PathBuf,
        /// The error of cargo.
        reason: String,
    },

    /// The requested package is not in the workspace.
    #[error("the workspace of {} has no package {package:?}; it has {}", manifest.display(), list(available))]
    UnknownPackage {
        /// The manifest.
        manifest: PathBuf,
        /// The requested package.
        package: String,
        /// The packages of the workspace.
        available: Vec<String>,
    },

    /// The manifest names no package, and several packages of its workspace are candidates.
    #[error("several handler crates belong to {}: {}; choose one with --package NAME", manifest.display(), packages.join(", "))]
    SeveralPackages {
        /// The manifest.
        manifest: PathBuf,
        /// The candidates.
        packages: Vec<String>,
    },

    /// The package has no library that can become a component.
    #[error(
        "{} has no `cdylib` library, so there is no handler to build; add `[lib]` with `crate-type = [\"cdylib\"]`{}",
        manifest.display(),
        if others.is_empty() { String::new() } else { format!(", or choose --package {}", others.join(", ")) }
    )]
    NoHandler {
        /// The manifest.
        manifest: PathBuf,
        /// Packages of the same workspace that have one.
        others: Vec<String>,
    },

    /// Cargo failed. Its output went where the build's options say.
    #[error("cargo could not build package {package} ({status}): {reason}")]
    Compile {
        /// The package.
        package: String,
        /// The exit status of cargo.
        status: ExitStatus,
        /// The first error, if cargo's output was read.
        reason: String,
    },

    /// The build was cancelled.
    #[error("the build of package {package} was cancelled")]
    Cancelled {
        /// The package.
        package: String,
    },

    /// Cargo succeeded without reporting a WebAssembly file.
    #[error(
        "cargo built package {package} but reported no .wasm file; its library must have `crate-type = [\"cdylib\"]`"
    )]
    NoWasm {
        /// The package.
        package: String,
    },

    /// The core module cannot be converted to a component.
    #[error("{} cannot be made into a component: {reason}", wasm.display())]
    Componentize {
        /// The core module.
        wasm: PathBuf,
        /// The error of the encoder.
        reason: String,
    },

    /// The output is not a component that can be run.
    #[error("{}: {source}", wasm.display())]
    Inspect {
        /// The file that cargo produced.
        wasm: PathBuf,
        /// The reason.
        source: InspectError,
    },

    /// The output is a component, but not a durable handler.
    #[error("{}: {source}", wasm.display())]
    Contract {
        /// The file that cargo produced.
        wasm: PathBuf,
        /// The reason.
        source: ContractError,
    },

    /// A file could not be read or written.
    #[error("{} cannot be {action}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// `read` or `written`.
        action: &'static str,
        /// The reason.
        source: io::Error,
    },
}

/// Joins names to one line.
fn list(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
