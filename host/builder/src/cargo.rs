//! `cargo build` of a handler's package.
//!
//! Guests have a target folder of their own, `guest` inside the workspace's. So building a guest does not wait for the
//! lock of a host build and does not invalidate its artifacts. Concurrent builds of guests are serialized by cargo's
//! lock. Cargo's JSON messages are parsed here; its output for people goes to this process's stderr or, line by line,
//! to the caller.

use std::{
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
};

use serde::Deserialize;

use super::{BuildError, BuildEvent, BuildOptions, CargoOutput, Profile, Toolchain};
use super::{cancel::Cancel, environment::Environment, package::Package};

/// A line of cargo's stdout, a JSON object. Only the members that are read are declared.
#[derive(Deserialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
enum Message {
    CompilerArtifact {
        package_id: String,
        filenames: Vec<PathBuf>,
    },
    #[serde(other)]
    Other,
}

/// Builds the package's library with a command of [`command`], and returns the path of the WebAssembly file: a component or
/// a core module.
pub(super) fn build(
    mut command: Command,
    package: &Package,
    cancel: &Cancel,
    output: &mut dyn FnMut(BuildEvent<'_>),
) -> Result<PathBuf, BuildError> {
    let start = |source| BuildError::Start { program: "cargo".to_owned(), source };
    let cancelled = || BuildError::Cancelled { package: package.name.clone() };
    let mut running = cancel.spawn(&mut command).map_err(start)?.ok_or_else(cancelled)?;
    let (messages, words) = (running.stdout.take(), running.stderr.take());
    let mut first_error = FirstError::default();
    let wasm = thread::scope(|scope| {
        let wasm = scope.spawn(|| wasm_of(messages?, &package.id));
        for line in words.into_iter().flat_map(lines) {
            let line = String::from_utf8_lossy(&line);
            let line = line.trim_end_matches('\r');
            first_error.look_at(line);
            output(BuildEvent::CargoLine(&without_colours(line)));
        }
        wasm.join().ok().flatten()
    });
    let status = running.wait().map_err(start)?;
    if !status.success() && cancel.is_cancelled() {
        return Err(cancelled());
    }
    let package = package.name.clone();
    if !status.success() {
        return Err(BuildError::Compile { package, status, reason: first_error.into_reason() });
    }
    wasm.ok_or(BuildError::NoWasm { package })
}

/// The command that builds the package's library.
pub(super) fn command(
    environment: &Environment,
    toolchain: &Toolchain,
    package: &Package,
    target_dir: &Path,
    options: &BuildOptions,
) -> Command {
    let dir = package.manifest.parent().unwrap_or(Path::new("."));
    let mut cargo = toolchain.cargo(environment, dir);
    cargo.args(["build", "--lib", "--message-format=json-render-diagnostics", "--package", &package.id]);
    cargo.args(["--target", toolchain.target().triple()]);
    cargo.arg("--manifest-path").arg(&package.manifest).arg("--target-dir").arg(target_dir);
    cargo.env("CARGO_BUILD_BUILD_DIR", target_dir); // a build folder that is configured for hosts has their lock
    if options.profile == Profile::Release {
        cargo.arg("--release");
    }
    if !options.features.is_empty() {
        cargo.arg("--features").arg(options.features.join(","));
    }
    cargo.stdout(Stdio::piped()).stderr(match options.cargo_output {
        CargoOutput::Inherit => Stdio::inherit(),
        CargoOutput::Forward => Stdio::piped(),
    });
    cargo
}

/// The .wasm file that cargo reports for the package. Reads to the end, so that cargo does not block.
fn wasm_of(messages: impl Read, package: &str) -> Option<PathBuf> {
    let is_wasm = |file: &PathBuf| file.extension().is_some_and(|extension| extension == "wasm");
    let files = lines(messages).filter_map(|line| match serde_json::from_slice(&line) {
        Ok(Message::CompilerArtifact { package_id, filenames }) if package_id == package => {
            filenames.into_iter().find(is_wasm)
        }
        _ => None, // other packages, other messages, and words that a tool prints between them
    });
    files.last()
}

/// The lines of a stream, until its end or an error.
fn lines(stream: impl Read) -> impl Iterator<Item = Vec<u8>> {
    BufReader::new(stream).split(b'\n').map_while(Result::ok)
}

/// The first error in cargo's output, with its source location.
#[derive(Default)]
struct FirstError {
    message: Option<String>,
    place: Option<String>,
}

impl FirstError {
    fn look_at(&mut self, line: &str) {
        let line = without_colours(line);
        if self.message.is_none() {
            self.message = line.starts_with("error").then(|| line.clone());
        } else if self.place.is_none() {
            self.place = line.trim_start().strip_prefix("--> ").map(str::to_owned);
        }
    }

    fn into_reason(self) -> String {
        match (self.message, self.place) {
            (Some(message), Some(place)) => format!("{message} ({place})"),
            (Some(message), None) => message,
            _ => "cargo's output says why".to_owned(),
        }
    }
}

/// Removes the escape sequences of colours, which `CARGO_TERM_COLOR=always` adds.
fn without_colours(line: &str) -> String {
    let mut parts = line.split('\u{1b}');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |plain, part| plain + part.split_once('m').map_or("", |(_, rest)| rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wasm_of_the_package_is_found_among_other_messages() {
        let messages = concat!(
            r#"{"reason":"compiler-artifact","package_id":"dep","target":{"kind":["lib"]},"filenames":["/t/dep.wasm"]}"#,
            "\n",
            r#"{"reason":"build-script-executed","package_id":"mine","linked_libs":[]}"#,
            "\nsome tool's words \u{fffd}\n",
            r#"{"reason":"compiler-artifact","package_id":"mine","filenames":["/t/build-script-build"]}"#,
            "\n",
            r#"{"reason":"compiler-artifact","package_id":"mine","filenames":["/t/libm.rlib","/t/m.wasm"],"fresh":true}"#,
            "\n",
            r#"{"reason":"build-finished","success":true}"#,
        );
        assert_eq!(wasm_of(messages.as_bytes(), "mine"), Some("/t/m.wasm".into()));
        assert_eq!(wasm_of(messages.as_bytes(), "other"), None);
        assert_eq!(wasm_of(&b"\xff\n\n{"[..], "mine"), None);
    }

    #[test]
    fn the_first_error_is_the_reason() {
        let mut error = FirstError::default();
        for line in [
            "warning: unused",
            " --> src/a.rs:1:1",
            "\u{1b}[1m\u{1b}[91merror[E0425]\u{1b}[0m: cannot find `x`",
            "  \u{1b}[94m--> \u{1b}[0msrc/lib.rs:3:5",
            "error: could not compile",
        ] {
            error.look_at(line);
        }
        assert_eq!(error.into_reason(), "error[E0425]: cannot find `x` (src/lib.rs:3:5)");
        assert_eq!(FirstError::default().into_reason(), "cargo's output says why");
    }
}
