//! Builds components from handler crates.
//!
//! [`build`] runs cargo with a toolchain that has a WASI target, converts the output to a component if the linker has
//! not, and checks that it is a durable handler; [`build_until`] does so unless another thread cancels it; [`find_sources`]
//! says where the sources are; [`inspect()`] lists the imports and exports of any component. This crate installs and
//! prints nothing and runs no code of a component: it only reads the bytes, which may be hostile.

mod cancel;
mod capability;
mod cargo;
mod componentize;
mod contract;
mod environment;
mod error;
mod inspect;
mod inspect_error;
mod options;
mod package;
mod place;
mod read;
mod sources;
mod stack;
mod toolchain;

use std::{fs, path::PathBuf};

pub use durawasm_complexity::MAX_COMPONENT_SIZE;
use serde::Serialize;

pub use self::{
    cancel::Cancel,
    capability::{Capability, CapabilityKind, Treatment},
    contract::{CONTRACT_PACKAGE, ContractError},
    error::BuildError,
    inspect::{ComponentSummary, Interface, Surface, inspect, inspect_file},
    inspect_error::InspectError,
    options::{BuildEvent, BuildOptions, CargoOutput, Profile},
    read::read_component,
    sources::Sources,
    toolchain::{Target, Toolchain},
};
use self::{
    environment::Environment,
    package::{Metadata, Package},
};

/// A component that was built, or was up to date.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BuiltComponent {
    /// The component's file: `<library>.wasm` in the target folder, `<library>.debug.wasm` for a debug build. Builds of
    /// other packages do not change it.
    pub path: PathBuf,
    /// Its size in bytes.
    pub size: u64,
    /// The package it was built from.
    pub package: String,
    /// The target it was compiled for.
    pub target: Target,
    /// The toolchain that compiled it.
    pub toolchain: String,
    /// Its imports and exports.
    pub summary: ComponentSummary,
    /// Whether the file had the same bytes already and was left alone.
    pub fresh: bool,
}

/// What an invocation of cargo is about.
struct Subject {
    environment: Environment,
    toolchain: Toolchain,
    metadata: Metadata,
    package: Package,
}

impl Subject {
    fn find(options: &BuildOptions) -> Result<Self, BuildError> {
        let environment = Environment::of_this_process();
        let manifest = package::manifest_at(&options.path)?;
        let dir = manifest.parent().unwrap_or(&manifest);
        let toolchain = Toolchain::find(&environment, dir, options.target, options.toolchain.as_deref())?;
        let metadata = package::metadata(&environment, &toolchain, &manifest)?;
        let package = package::choose(&metadata, &manifest, options.package.as_deref())?;
        Ok(Self { environment, toolchain, metadata, package })
    }
}

/// Where the sources of a handler crate are. Nothing is compiled, but the crate's toolchain file counts.
///
/// # Errors
/// When there is no such crate, or cargo cannot read its manifest.
pub fn find_sources(options: &BuildOptions) -> Result<Sources, BuildError> {
    let Subject { metadata, package, .. } = Subject::find(options)?;
    Ok(package::sources(&metadata, &package))
}

/// Builds a handler crate, and reports progress to `output`.
///
/// Blocks until cargo has finished. Builds of one workspace, in any process, are serialized.
///
/// # Errors
/// A [`BuildError`] says what is wrong, where, and what to do. A component that is not a durable handler is an error,
/// because nothing could run it.
pub fn build(
    options: &BuildOptions,
    output: &mut dyn FnMut(BuildEvent<'_>),
) -> Result<BuiltComponent, BuildError> {
    build_until(options, &Cancel::default(), output)
}

/// Builds a handler crate as [`build`] does, until another thread cancels it.
///
/// # Errors
/// As for [`build`], and [`BuildError::Cancelled`].
pub fn build_until(
    options: &BuildOptions,
    cancel: &Cancel,
    output: &mut dyn FnMut(BuildEvent<'_>),
) -> Result<BuiltComponent, BuildError> {
    let Subject { environment, toolchain, package, .. } = Subject::find(options)?;
    let shared = options.target_dir.clone().unwrap_or_else(|| package.target_directory.join("guest"));
    let folder = place::folder(&shared, &package)?;

    output(BuildEvent::Compiling { package: &package.name, profile: options.profile, toolchain: &toolchain });
    let command = cargo::command(&environment, &toolchain, &package, &folder, options);
    let wasm = cargo::build(command, &package, cancel, output)?;

    let mut bytes =
        fs::read(&wasm).map_err(|source| BuildError::File { path: wasm.clone(), action: "read", source })?;
    if componentize::is_core_module(&bytes) {
        output(BuildEvent::Componentizing);
        bytes = componentize::encode(&bytes, &wasm)?;
    }
    let summary = inspect(&bytes).map_err(|source| BuildError::Inspect { wasm: wasm.clone(), source })?;
    summary.contract_version().map_err(|source| BuildError::Contract { wasm: wasm.clone(), source })?;

    let path = componentize::path_for(&wasm, &folder, options.profile);
    let written = componentize::write_if_changed(&path, &bytes).map_err(|source| BuildError::File {
        path: path.clone(),
        action: "written",
        source,
    })?;
    Ok(BuiltComponent {
        path,
        size: summary.size,
        package: package.name,
        target: toolchain.target(),
        toolchain: toolchain.name(),
        summary,
        fresh: !written,
    })
}
