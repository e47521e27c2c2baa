//! The environment variables of guest builds: the same whether the host was started from a shell or by cargo.
//!
//! `cargo run` and `cargo test` set variables of the outer build for their child processes: the toolchain that rustup
//! has chosen, the outer package's variables, flags for the host's target, and library folders. With these a guest
//! would be built by another compiler, with other flags, or again without need. Only variables of the outer build are
//! removed: the user's own settings (`CARGO_HOME`, `CARGO_TARGET_DIR`, `CARGO_PROFILE_*`, `CARGO_TERM_*`,
//! `CARGO_TARGET_WASM32_WASIP2_RUSTFLAGS`, ...) are kept.

use std::{
    collections::BTreeMap,
    env,
    ffi::{OsStr, OsString},
    path::Path,
    process::{Command, Stdio},
};

/// Variables that cargo, rustup or a build script set, or that are meant for the host's target.
const REMOVED: [&str; 20] = [
    "CARGO",
    "CARGO_BUILD_RUSTC",
    "CARGO_BUILD_RUSTC_WORKSPACE_WRAPPER",
    "CARGO_BUILD_RUSTDOC",
    "CARGO_BUILD_RUSTFLAGS",
    "CARGO_BUILD_TARGET",
    "CARGO_CRATE_NAME",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_MAKEFLAGS",
    "CARGO_PRIMARY_PACKAGE",
    "CARGO_TARGET_TMPDIR",
    "OUT_DIR",
    "RUSTC",
    "RUSTC_LINKER",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTC_WRAPPER",
    "RUSTDOC",
    "RUSTFLAGS",
    "RUSTUP_TOOLCHAIN_SOURCE",
    "RUST_RECURSION_COUNT",
];

/// Prefixes of the variables that cargo sets for one package.
const REMOVED_PREFIXES: [&str; 5] =
    ["CARGO_BIN_", "CARGO_CFG_", "CARGO_FEATURE_", "CARGO_MANIFEST_", "CARGO_PKG_"];

/// Lists of folders to which cargo adds folders of the toolchain and of the outer build.
const LIBRARY_PATHS: [&str; 2] = ["LD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH"];

/// The only variables of guest builds.
#[derive(Debug, Clone)]
pub(super) struct Environment(BTreeMap<OsString, OsString>);

impl Environment {
    /// This process's environment, cleaned.
    pub(super) fn of_this_process() -> Self {
        Self::clean(env::vars_os(), env::current_exe().ok().as_deref())
    }

    /// Removes the variables of the outer build from `outer`; `exe` is the running program.
    fn clean(outer: impl IntoIterator<Item = (OsString, OsString)>, exe: Option<&Path>) -> Self {
        let mut variables: BTreeMap<OsString, OsString> = outer.into_iter().collect();
        let is = |name: &str, value: &str| variables.get(OsStr::new(name)).is_some_and(|v| v == value);
        // Within cargo, the toolchain variable is the user's choice only if the user has set it in the environment.
        let inside_cargo = variables.contains_key(OsStr::new("CARGO"));
        let chosen_by_rustup = inside_cargo && !is("RUSTUP_TOOLCHAIN_SOURCE", "env");
        if chosen_by_rustup {
            variables.remove(OsStr::new("RUSTUP_TOOLCHAIN"));
        }
        if inside_cargo {
            for name in LIBRARY_PATHS.map(OsStr::new) {
                let Some(value) = variables.remove(name) else { continue };
                if let Some(left) = without_build_folders(&value, exe) {
                    variables.insert(name.to_owned(), left);
                }
            }
        }
        variables.retain(|name, _| {
            name.to_str().is_none_or(|name| {
                !REMOVED.contains(&name) && !REMOVED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
            })
        });
        // A missing toolchain must be reported, not downloaded.
        variables.insert("RUSTUP_AUTO_INSTALL".into(), "0".into());
        Self(variables)
    }

    /// The value of a variable, unless it is empty.
    pub(super) fn get(&self, name: &str) -> Option<&OsStr> {
        self.0.get(OsStr::new(name)).map(OsString::as_os_str).filter(|value| !value.is_empty())
    }

    /// Creates a command with these variables, without input, that runs in `dir`.
    pub(super) fn command(&self, program: impl AsRef<OsStr>, dir: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().envs(&self.0).current_dir(dir).stdin(Stdio::null());
        command
    }
}

/// Removes folders of a toolchain or of the build of `exe` from a list. `None` if nothing is left.
fn without_build_folders(list: &OsStr, exe: Option<&Path>) -> Option<OsString> {
    let of_toolchain = |dir: &Path| dir.iter().any(|part| part == "rustlib") || dir.join("rustlib").is_dir();
    let profile = exe.and_then(Path::parent).map(|dir| match dir.file_name() {
        Some(name) if name == "deps" => dir.parent().unwrap_or(dir),
        _ => dir,
    });
    let of_build = |dir: &Path| profile.is_some_and(|profile| dir.starts_with(profile));
    let kept: Vec<_> = env::split_paths(list)
        .filter(|dir| !dir.as_os_str().is_empty() && !of_toolchain(dir) && !of_build(dir))
        .collect();
    if kept.is_empty() { None } else { env::join_paths(kept).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clean(outer: &[(&str, &str)]) -> BTreeMap<String, String> {
        let outer = outer.iter().map(|(name, value)| (name.into(), value.into()));
        let exe = Path::new("/repo/target/debug/deps/durawasm-1234");
        Environment::clean(outer, Some(exe))
            .0
            .into_iter()
            .map(|(name, value)| (name.into_string().unwrap(), value.into_string().unwrap()))
            .filter(|(name, _)| name != "RUSTUP_AUTO_INSTALL")
            .collect()
    }

    #[test]
    fn traces_of_an_outer_build_are_gone_and_settings_stay() {
        let kept = [
            ("CARGO_HOME", "/home/me/.cargo"),
            ("CARGO_PROFILE_RELEASE_LTO", "true"),
            ("CARGO_TARGET_DIR", "/tmp/target"),
            ("CARGO_TARGET_WASM32_WASIP2_RUSTFLAGS", "-Cdebuginfo=1"),
            ("PATH", "/usr/bin"),
        ];
        let mut outer = kept.to_vec();
        outer.extend([
            ("CARGO", "/toolchains/stable/bin/cargo"),
            ("CARGO_BIN_EXE_durawasm", "/repo/target/debug/durawasm"),
            ("CARGO_ENCODED_RUSTFLAGS", "-Ctarget-cpu=native"),
            ("CARGO_MANIFEST_DIR", "/repo/host"),
            ("CARGO_PKG_NAME", "durawasm-host"),
            ("OUT_DIR", "/repo/target/debug/build/host/out"),
            ("RUSTC", "/toolchains/stable/bin/rustc"),
            ("RUSTFLAGS", "-Cinstrument-coverage"),
            ("RUSTUP_TOOLCHAIN", "stable"),
            ("RUSTUP_TOOLCHAIN_SOURCE", "default"),
            ("LD_LIBRARY_PATH", "/repo/target/debug/deps:/repo/target/debug:/t/lib/rustlib/x86_64/lib"),
        ]);
        let kept: BTreeMap<_, _> = kept.map(|(n, v)| (n.to_owned(), v.to_owned())).into();
        assert_eq!(clean(&outer), kept);
    }

    #[test]
    fn a_toolchain_that_the_user_asked_for_stays() {
        let user = ("RUSTUP_TOOLCHAIN", "nightly");
        assert_eq!(clean(&[user]).get("RUSTUP_TOOLCHAIN").unwrap(), "nightly");
        let inside = [user, ("CARGO", "cargo"), ("RUSTUP_TOOLCHAIN_SOURCE", "env")];
        assert_eq!(clean(&inside).get("RUSTUP_TOOLCHAIN").unwrap(), "nightly");
        assert_eq!(clean(&[user, ("CARGO", "cargo")]).get("RUSTUP_TOOLCHAIN"), None);
    }

    #[test]
    fn library_folders_of_the_user_stay() {
        let list = "/opt/lib:/repo/target/debug/deps::/opt/other";
        let inside = clean(&[("CARGO", "cargo"), ("LD_LIBRARY_PATH", list)]);
        assert_eq!(inside.get("LD_LIBRARY_PATH").unwrap(), "/opt/lib:/opt/other");
        assert_eq!(clean(&[("LD_LIBRARY_PATH", list)]).get("LD_LIBRARY_PATH").unwrap(), list);
    }
}
