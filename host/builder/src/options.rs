//! What a build is told and what it reports: options, and events of its progress.

use std::{fmt, path::PathBuf};

use serde::Serialize;

use super::{Target, Toolchain};

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

/// Where cargo's output for people goes: progress, warnings, errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CargoOutput {
    /// To this process's stderr, with colours and a progress bar if that is a terminal.
    #[default]
    Inherit,
    /// Line by line to the caller, as [`BuildEvent::CargoLine`].
    Forward,
}

/// The options of a build.
#[derive(Debug, Clone, Default)]
pub struct BuildOptions {
    /// The crate's folder, or its `Cargo.toml`.
    pub path: PathBuf,
    /// The package to build, if the path allows several.
    pub package: Option<String>,
    /// The profile.
    pub profile: Profile,
    /// Additional cargo features, besides the default ones.
    pub features: Vec<String>,
    /// The target. By default `DURAWASM_GUEST_TARGET`, or else the preferred one that is available.
    pub target: Option<Target>,
    /// The name of the only rustup toolchain to try. By default all are tried, the active one first.
    pub toolchain: Option<String>,
    /// Cargo's target folder. By default `guest` in the workspace's target folder. If another package with a library of
    /// the same name was built there before, the package gets its own folder inside it.
    pub target_dir: Option<PathBuf>,
    /// Where cargo's output goes.
    pub cargo_output: CargoOutput,
}

impl BuildOptions {
    /// Options for an optimized build of the crate at `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), ..Self::default() }
    }
}

/// A progress event of a build. `Display` describes it in one line.
#[derive(Debug)]
pub enum BuildEvent<'a> {
    /// Cargo starts.
    Compiling {
        /// The package.
        package: &'a str,
        /// The profile.
        profile: Profile,
        /// The toolchain and target.
        toolchain: &'a Toolchain,
    },
    /// A line of cargo's output, without the line end. It has no colours. Only with [`CargoOutput::Forward`].
    CargoLine(&'a str),
    /// The core module is being converted to a component.
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
