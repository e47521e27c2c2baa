//! From a handler crate to a component.
//!
//! [`build`] runs cargo with a toolchain that has a WASI target, makes a component of what comes out if the linker has
//! not, and checks that it is a durable handler; [`inspect()`] says what any component imports and exports. Nothing is
//! installed, nothing is printed, and no code of the component runs: its bytes are only read, and may be hostile.

mod bounds;
mod capability;
mod cargo;
mod componentize;
mod contract;
mod environment;
mod error;
mod inspect;
mod package;
mod place;
mod read;
mod toolchain;

use std::{fmt, fs, path::PathBuf};

use serde::Serialize;

use self::environment::Environment;
pub use self::{
    capability::{Capability, CapabilityKind, Treatment},
    contract::{CONTRACT_PACKAGE, ContractError},
    error::BuildError,
    inspect::{
        ComponentSummary, InspectError, Interface, MAX_COMPONENT_SIZE, Surface, inspect, inspect_file,
    },
    read::read_component,
    toolchain::{Target, Toolchain},
};

/// How a handler is compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Profile {
    /// Optimized, as `cargo build --release`.
    #[default]
    Release,
    /// Quick to build and slow to run, as `cargo build`.
    Debug,
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Release => "release",
            Self::Debug => "debug",
        })
    }
}

/// Where cargo's words for people go: progress, warnings, errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CargoOutput {
    /// To this process's stderr, with colours and a progress bar if that is a terminal.
    #[default]
    Inherit,
    /// Line by line to the caller, as [`BuildEvent::CargoLine`].
    Forward,
}

/// What to build, and how.
#[derive(Debug, Clone, Default)]
pub struct BuildOptions {
    /// The crate's folder, or its `Cargo.toml`.
    pub path: PathBuf,
    /// The package to build, where the path leaves a choice.
    pub package: Option<String>,
    /// How it is compiled.
    pub profile: Profile,
    /// Cargo features to turn on beside the default ones.
    pub features: Vec<String>,
    /// The target; without it `DURAWASM_GUEST_TARGET`, or else the best that there is.
    pub target: Option<Target>,
    /// The name of the only rustup toolchain to look at; without it all are, the active one first.
    pub toolchain: Option<String>,
    /// Cargo's target folder; without it `guest` in the workspace's target folder. A package whose library has the name
    /// of another one's that was built there before has a folder of its own in it.
    pub target_dir: Option<PathBuf>,
    /// Where cargo's words go.
    pub cargo_output: CargoOutput,
}

impl BuildOptions {
    /// An optimized build of the crate at `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), ..Self::default() }
    }
}

/// What a build is doing. `Display` says it in one line.
#[derive(Debug)]
pub enum BuildEvent<'a> {
    /// Cargo starts.
    Compiling {
        /// The package.
        package: &'a str,
        /// How it is compiled.
        profile: Profile,
        /// With what, and for what target.
        toolchain: &'a Toolchain,
    },
    /// A line of cargo's, without the line's end. May have colours. Only with [`CargoOutput::Forward`].
    CargoLine(&'a str),
    /// The core module that cargo produced is made into a component.
    Componentizing,
}

impl fmt::Display for BuildEvent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Compiling { package, profile, toolchain } => {
                write!(
                    f,
                    "compiling {package} ({profile}) for {} with {}",
                    toolchain.target(),
                    toolchain.name()
                )
            }
            Self::CargoLine(line) => f.write_str(line),
            Self::Componentizing => f.write_str("making a component"),
        }
    }
}

/// A component that was built, or was up to date.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BuiltComponent {
    /// The component's file: `<library>.wasm` in the target folder, `<library>.debug.wasm` for a debug build. Builds of
    /// other packages leave it alone.
    pub path: PathBuf,
    /// Its size in bytes.
    pub size: u64,
    /// The package it was built from.
    pub package: String,
    /// The target it was compiled for.
    pub target: Target,
    /// The toolchain that compiled it.
    pub toolchain: String,
    /// What it imports and exports.
    pub summary: ComponentSummary,
    /// Whether the file was there already, byte for byte, and has been left alone.
    pub fresh: bool,
}

/// Builds the handler crate that `options` name, and tells `output` what is going on.
///
/// Blocks for as long as cargo takes. Builds of one workspace, in any process, take turns.
///
/// # Errors
/// A [`BuildError`] says what is wrong, where, and what to do. A component that is not a durable handler is an error
/// too: nothing could run it.
pub fn build(
    options: &BuildOptions,
    output: &mut dyn FnMut(BuildEvent<'_>),
) -> Result<BuiltComponent, BuildError> {
    let environment = Environment::of_this_process();
    let manifest = package::manifest_at(&options.path)?;
    let dir = manifest.parent().unwrap_or(&manifest);
    let toolchain = Toolchain::find(&environment, dir, options.target, options.toolchain.as_deref())?;
    let package = package::find(&environment, &toolchain, &manifest, options.package.as_deref())?;

    let shared = options.target_dir.clone().unwrap_or_else(|| package.target_directory.join("guest"));
    let folder = place::folder(&shared, &package)?;

    output(BuildEvent::Compiling { package: &package.name, profile: options.profile, toolchain: &toolchain });
    let wasm = cargo::build(&environment, &toolchain, &package, &folder, options, output)?;

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
