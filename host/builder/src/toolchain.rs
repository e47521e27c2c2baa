//! The choice of the Rust toolchain that builds guests.
//!
//! Toolchains are tried in a fixed order, and the first that has the standard library of a WASI target is used: the one
//! that is active in the crate's folder, the one named by `DURAWASM_GUEST_TOOLCHAIN`, every other that rustup lists,
//! and the private one that `scripts/setup` makes. This module does not install targets or toolchains.

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
    /// `wasm32-wasip1`: the linker makes a core module, which this crate converts to a component.
    #[serde(rename = "wasm32-wasip1")]
    Wasip1,
}

impl Target {
    /// All targets, in the order of preference.
    pub(super) const ALL: [Self; 2] = [Self::Wasip2, Self::Wasip1];

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

/// A toolchain that may be usable.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Candidate {
    /// The `cargo` and `rustc` that are active in the crate's folder.
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
    /// Finds the toolchain to build the crate in `dir` with. `target` and `only` restrict the choice.
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
        choose(candidates, target, only, |candidate, target| probe(environment, dir, candidate, target))
    }

    /// Its name for people: the one in rustup, or its folder.
    pub fn name(&self) -> String {
        let in_rustup =
            self.sysroot.parent().and_then(Path::file_name).is_some_and(|dir| dir == "toolchains");
        match (&self.candidate, self.sysroot.file_name()) {
            (Candidate::Named(name), _) => name.clone(),
            (_, Some(name)) if in_rustup => name.to_string_lossy().into_owned(),
            _ => self.sysroot.display().to_string(),
        }
    }

    /// The target for handlers.
    pub fn target(&self) -> Target {
        self.target
    }

    /// Creates a command of its cargo in `dir`, which uses its rustc.
    pub(super) fn cargo(&self, environment: &Environment, dir: &Path) -> Command {
        if self.candidate == Candidate::Active {
            return environment.command("cargo", dir);
        }
        // Programs are started by their paths, because `cargo` on the search path may not be rustup's.
        let program =
            |name: &str| self.sysroot.join("bin").join(format!("{name}{}", env::consts::EXE_SUFFIX));
        let own = program("cargo"); // a linked toolchain may have none
        let mut command =
            environment.command(if own.is_file() { own.as_os_str() } else { "cargo".as_ref() }, dir);
        command.env("RUSTC", program("rustc"));
        if let Candidate::Named(name) = &self.candidate {
            command.env("RUSTUP_TOOLCHAIN", name); // for build scripts that run plain `cargo` or `rustc`
        }
        command
    }
}

/// The candidates in the order in which they are tried. `list` is called only if the first ones are not usable.
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
    let others = iter::once_with(move || {
        let listed = list().into_iter().filter(|name| name != named).map(Candidate::Named);
        listed.chain(private.map(Candidate::Folder)).collect::<Vec<_>>()
    });
    first.into_iter().chain(others.take(usize::from(only.is_none())).flatten())
}

/// Returns the first candidate that has `target`, or any target in the order of preference. `probe` returns the folder
/// of a toolchain that has the target.
fn choose(
    candidates: impl Iterator<Item = Candidate>,
    target: Option<Target>,
    only: Option<&str>,
    mut probe: impl FnMut(&Candidate, Target) -> Option<PathBuf>,
) -> Result<Toolchain, BuildError> {
    let targets = target.map_or(Target::ALL.to_vec(), |target| vec![target]);
    let mut looked_at = Vec::new();
    for candidate in candidates {
        for &target in &targets {
            if let Some(sysroot) = probe(&candidate, target) {
                return Ok(Toolchain { candidate, sysroot, target });
            }
        }
        looked_at.push(candidate.to_string());
    }
    let targets: Vec<_> = targets.into_iter().map(Target::triple).collect();
    let install = targets.first().copied().unwrap_or_default();
    let install = only.map_or(install.to_owned(), |name| format!("--toolchain {name} {install}"));
    Err(BuildError::NoToolchain { targets: targets.join(" or "), looked_at: looked_at.join(", "), install })
}

/// Returns the folder of the toolchain, if it exists and has the target's standard library.
fn probe(environment: &Environment, dir: &Path, candidate: &Candidate, target: Target) -> Option<PathBuf> {
    let mut rustc = match candidate {
        Candidate::Active => environment.command("rustc", dir),
        Candidate::Named(name) => {
            let mut rustup = environment.command("rustup", dir);
            rustup.args(["run", name, "rustc"]);
            rustup
        }
        Candidate::Folder(path) => environment.command(path.join("bin").join("rustc"), dir),
    };
    rustc.args(["--print", "sysroot", "--print", "target-libdir", "--target", target.triple()]);
    let printed = stdout(&mut rustc).ok()?;
    let (sysroot, libraries) = printed.trim_end().split_once('\n')?;
    has_std(Path::new(libraries.trim_end())).then(|| PathBuf::from(sysroot.trim_end()))
}

/// Whether the folder holds a compiled standard library, `libstd-<hash>.rlib`.
fn has_std(libraries: &Path) -> bool {
    let is_std = |file: &Path| {
        file.extension().is_some_and(|extension| extension == "rlib")
            && file.file_stem().and_then(OsStr::to_str).is_some_and(|name| name.starts_with("libstd-"))
    };
    libraries.read_dir().is_ok_and(|mut files| files.any(|file| file.is_ok_and(|file| is_std(&file.path()))))
}

/// The names of all toolchains in rustup. The command runs in a folder without an override, because a broken override
/// is an error.
fn rustup_list(environment: &Environment) -> io::Result<Vec<String>> {
    let mut rustup = environment.command("rustup", &env::temp_dir());
    let printed = stdout(rustup.args(["toolchain", "list"]).env_remove("RUSTUP_TOOLCHAIN"))?;
    Ok(parse_list(&printed))
}

/// The names in the output of `rustup toolchain list`, such as `stable-x86_64-unknown-linux-gnu (active, default)`.
fn parse_list(printed: &str) -> Vec<String> {
    let lines = printed.lines().filter(|line| !line.starts_with("no installed toolchains"));
    lines.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

/// Where `scripts/setup` puts the private toolchain.
fn private_folder(environment: &Environment) -> Option<PathBuf> {
    let home = environment.get("DURAWASM_HOME").map(PathBuf::from).or_else(|| {
        let cache = environment.get("XDG_CACHE_HOME").map(PathBuf::from);
        cache.or_else(|| Some(env::home_dir()?.join(".cache"))).map(|cache| cache.join("durawasm"))
    })?;
    Some(home.join("guest-toolchain").join("toolchain"))
}

/// Returns the output of a command that starts and succeeds. Its stderr is ignored.
fn stdout(command: &mut Command) -> io::Result<String> {
    let output = command.stderr(Stdio::null()).output()?;
    if !output.status.success() {
        return Err(io::Error::other(output.status.to_string()));
    }
    String::from_utf8(output.stdout).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(only: Option<&str>) -> Vec<String> {
        let list = || parse_list("stable-x86 (active, default)\nmine\nnightly-x86\n");
        candidates(only, "mine", list, Some("/private".into())).map(|c| c.to_string()).collect()
    }

    #[test]
    fn the_active_toolchain_is_first_and_the_private_folder_last() {
        let all = [
            "the active toolchain",
            "toolchain mine",
            "toolchain stable-x86",
            "toolchain nightly-x86",
            "/private",
        ];
        assert_eq!(order(None), all);
        assert_eq!(order(Some("other")), ["toolchain other"]);
    }

    #[test]
    fn rustup_is_asked_for_its_list_only_when_needed() {
        let list = || panic!("asked");
        let found = choose(candidates(None, "mine", list, None), None, None, |candidate, _| {
            (*candidate == Candidate::Named("mine".to_owned())).then(|| "/t/mine".into())
        });
        assert_eq!(found.unwrap().name(), "mine");
        assert!(parse_list("no installed toolchains\n").is_empty());
    }

    #[test]
    fn wasip2_is_preferred_within_a_toolchain_and_the_first_toolchain_to_a_target() {
        let has = |wanted: Target| {
            move |candidate: &Candidate, target: Target| {
                let there = *candidate != Candidate::Active || target == Target::Wasip1;
                (there && (target == wanted || wanted == Target::Wasip2))
                    .then(|| "/r/toolchains/stable".into())
            }
        };
        let two = || [Candidate::Active, Candidate::Named("mine".to_owned())].into_iter();
        let found = choose(two(), None, None, has(Target::Wasip2)).unwrap();
        assert_eq!((found.name(), found.target()), ("stable".to_owned(), Target::Wasip1));
        let found = choose(two(), Some(Target::Wasip2), None, has(Target::Wasip2)).unwrap();
        assert_eq!((found.name(), found.target()), ("mine".to_owned(), Target::Wasip2));
    }

    #[test]
    fn without_a_toolchain_the_error_says_what_was_tried_and_what_to_do() {
        let error = choose(candidates(None, "mine", Vec::new, None), None, None, |_, _| None)
            .unwrap_err()
            .to_string();
        for part in [
            "wasm32-wasip2 or wasm32-wasip1",
            "the active toolchain, toolchain mine",
            "rustup target add wasm32-wasip2",
        ] {
            assert!(error.contains(part), "{error}");
        }
        assert!("wasm32-unknown-unknown".parse::<Target>().is_err());
    }
}
