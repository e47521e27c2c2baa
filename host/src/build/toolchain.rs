//! Which Rust toolchain builds guests.
//!
//! Toolchains are looked at in a fixed order, and the first that has the standard library of a WASI target is taken:
//! the one that is active in the crate's folder, the one named by `DURAWASM_GUEST_TOOLCHAIN`, every other that rustup
//! lists, and the private one that `scripts/setup` makes. Looking changes nothing: no target and no toolchain is ever
//! installed from here.

use std::{
    env,
    ffi::OsStr,
    fmt, io, iter,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    str::FromStr,
};

use serde::Serialize;

use super::{BuildError, environment::Environment};

/// The name under which `scripts/setup` links the private toolchain in rustup, unless `DURAWASM_GUEST_TOOLCHAIN` says
/// otherwise.
const PRIVATE_NAME: &str = "durawasm-guest";

/// A compilation target that handlers can be built for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Target {
    /// `wasm32-wasip2`: the linker makes the component.
    #[serde(rename = "wasm32-wasip2")]
    Wasip2,
    /// `wasm32-wasip1`: the linker makes a core module, and the component is made here.
    #[serde(rename = "wasm32-wasip1")]
    Wasip1,
}

impl Target {
    /// All targets, the preferred one first.
    const ALL: [Self; 2] = [Self::Wasip2, Self::Wasip1];

    /// Its name, as rustc spells it.
    pub fn triple(self) -> &'static str {
        match self {
            Self::Wasip2 => "wasm32-wasip2",
            Self::Wasip1 => "wasm32-wasip1",
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.triple())
    }
}

impl FromStr for Target {
    type Err = BuildError;

    fn from_str(text: &str) -> Result<Self, BuildError> {
        Self::ALL
            .into_iter()
            .find(|target| target.triple() == text)
            .ok_or_else(|| BuildError::UnknownTarget { target: text.to_owned() })
    }
}

/// A place where a toolchain may be.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Candidate {
    /// Whatever `cargo` and `rustc` are in the crate's folder.
    Active,
    /// A toolchain known to rustup.
    Named(String),
    /// A toolchain's folder.
    Folder(PathBuf),
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Active => f.write_str("the active toolchain"),
            Self::Named(name) => write!(f, "toolchain {name}"),
            Self::Folder(path) => write!(f, "{}", path.display()),
        }
    }
}

/// A toolchain that has the standard library of a WASI target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toolchain {
    candidate: Candidate,
    sysroot: PathBuf,
    target: Target,
}

impl Toolchain {
    /// Finds the toolchain to build the crate in `dir` with. A `target` or the name of a toolchain that the caller gives
    /// leaves no choice about it.
    pub(super) fn find(
        environment: &Environment,
        dir: &Path,
        target: Option<Target>,
        only: Option<&str>,
    ) -> Result<Self, BuildError> {
        let target = match (target, environment.get("DURAWASM_GUEST_TARGET")) {
            (None, Some(name)) => Some(name.to_string_lossy().parse()?),
            (target, _) => target,
        };
        let named = environment.get("DURAWASM_GUEST_TOOLCHAIN").map(OsStr::to_string_lossy);
        let named = named.as_deref().unwrap_or(PRIVATE_NAME);
        let list = || rustup_list(environment).unwrap_or_default();
        let candidates = candidates(only, named, list, private_folder(environment));
        choose(candidates, target, |candidate, target| probe(environment, dir, candidate, target))
    }

    /// What a person calls it: its name in rustup, or its folder.
    pub fn name(&self) -> String {
        let in_rustup = self.sysroot.parent().and_then(Path::file_name).is_some_and(|dir| dir == "toolchains");
        match (&self.candidate, self.sysroot.file_name()) {
            (Candidate::Named(name), _) => name.clone(),
            (_, Some(name)) if in_rustup => name.to_string_lossy().into_owned(),
            _ => self.sysroot.display().to_string(),
        }
    }

    /// The target that it builds handlers for.
    pub fn target(&self) -> Target {
        self.target
    }

    /// Its cargo, in `dir`, bound to use its rustc.
    pub(super) fn cargo(&self, environment: &Environment, dir: &Path) -> Command {
        if self.candidate == Candidate::Active {
            return environment.command("cargo", dir);
        }
        // The programs are named by their paths: `cargo` on the search path need not be rustup's.
        let program = |name: &str| self.sysroot.join("bin").join(format!("{name}{}", env::consts::EXE_SUFFIX));
        let own = program("cargo"); // a linked toolchain may have none
        let mut command = environment.command(if own.is_file() { own.as_os_str() } else { "cargo".as_ref() }, dir);
        command.env("RUSTC", program("rustc"));
        if let Candidate::Named(name) = &self.candidate {
            command.env("RUSTUP_TOOLCHAIN", name); // for build scripts that run plain `cargo` or `rustc`
        }
        command
    }
}

/// The order in which toolchains are looked at. `list` is called only when the first ones do not do.
fn candidates(
    only: Option<&str>,
    named: &str,
    list: impl FnOnce() -> Vec<String>,
    private: Option<PathBuf>,
) -> impl Iterator<Item = Candidate> {
    let first = match only {
        Some(name) => vec![Candidate::Named(name.to_owned())],
        None => vec![Candidate::Active, Candidate::Named(named.to_owned())],
    };
    let free = only.is_none();
    let others = iter::once_with(move || if free { list() } else { Vec::new() })
        .flatten()
        .filter(move |name| name != named)
        .map(Candidate::Named)
        .collect_lazily();
    first.into_iter().chain(others).chain(private.filter(|_| free).map(Candidate::Folder))
}
