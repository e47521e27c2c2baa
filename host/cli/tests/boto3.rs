//! `durawasm serve` with a client that others wrote: boto3 of the versions in `scripts/boto3-requirements.txt`, and the
//! page that says how to try it.
//!
//! The tests that use boto3 are Python modules in `boto3`, and each test here runs some of them with a server. Without
//! boto3 they are skipped, unless `DURAWASM_REQUIRE_BOTO3` is set.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail in any way")]

mod common;
mod serving;

use std::{
    ffi::OsStr,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use common::{err, out, root};
use serving::{Serving, durawasm, guests};

/// The functions that the Python modules use, with their names in the component of the test handlers.
const FUNCTIONS: [(&str, &str); 8] = [
    ("callback", "callback"),
    ("empty", "empty"),
    ("greet", "greet"),
    ("greet_by_invoke", "greet"),
    ("plain", "plain"),
    ("says", "says"),
    ("sequence", "sequence"),
    ("two_waits", "two_waits"),
];

/// The access key of the tests.
const KEY: &str = "AKIDEXAMPLE00001";
const SECRET: &str = "an-example-of-a-secret";

/// A Python that has boto3.
fn python() -> Option<PathBuf> {
    let found = Command::new(root().join("scripts/boto3")).arg("--check").output().unwrap();
    if found.status.success() {
        return Some(out(&found).trim_end().into());
    }
    let why = err(&found);
    assert!(std::env::var_os("DURAWASM_REQUIRE_BOTO3").is_none(), "{why}");
    eprintln!("skipped: {why}");
    None
}

/// A command whose AWS clients know nothing of the machine: no endpoint, no key, no region, no proxy.
fn isolated(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AWS_")) {
        command.env_remove(name);
    }
    for file in ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"] {
        command.env(file, "/dev/null");
    }
    command.envs([("NO_PROXY", "*"), ("PYTHONDONTWRITEBYTECODE", "1")]).stdin(Stdio::null());
    command
}

/// Runs the tests of these Python modules with a server.
fn run(python: &Path, serving: &Serving, modules: &[&str], notes: &Path) {
    let mut command = isolated(python);
    command.args(["-m", "unittest", "--verbose"]).args(modules);
    command.current_dir(root().join("host/cli/tests/boto3")).env("NOTES", notes).envs([
        ("AWS_ENDPOINT_URL_LAMBDA", &*serving.endpoint()),
        ("AWS_ACCESS_KEY_ID", KEY),
        ("AWS_SECRET_ACCESS_KEY", SECRET),
        ("AWS_DEFAULT_REGION", "us-east-1"),
    ]);
    let tested = command.output().unwrap();
    assert!(tested.status.success(), "{modules:?}:\n{}{}", out(&tested), err(&tested));
}

fn serve(store: &Path, more: &[&str]) -> Serving {
    let functions = FUNCTIONS.map(|(name, export)| format!("{name}={}#{export}", guests()));
    let functions = functions.iter().flat_map(|function| ["--function", function]);
    let arguments: Vec<&str> = ["--no-config", "--quiet"].into_iter().chain(functions).collect();
    Serving::start_on(store, &[&arguments, more].concat())
}

#[test]
fn boto3_uses_every_operation() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let serving = serve(&folder.path().join("s.db"), &[]);
    run(&python, &serving, &["invocations", "reads", "callbacks", "control"], Path::new(""));
}

#[test]
fn boto3_signs_as_the_server_verifies() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys.toml");
    fs::write(&keys, format!("[keys]\n{KEY} = {SECRET:?}\n")).unwrap();
    fs::set_permissions(&keys, fs::Permissions::from_mode(0o600)).unwrap();
    let serving = serve(Path::new(":memory:"), &["--credentials", keys.to_str().unwrap()]);
    run(&python, &serving, &["signatures"], Path::new(""));
}

#[test]
fn boto3_is_told_that_a_server_is_full() {
    let Some(python) = python() else { return };
    let serving = serve(Path::new(":memory:"), &["--max-executions", "1"]);
    run(&python, &serving, &["crowded"], Path::new(""));
}

#[test]
fn boto3_goes_on_after_the_server_was_killed_and_with_a_backup() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let [store, copy, notes] = ["s.db", "copy.db", "notes.json"].map(|name| folder.path().join(name));
    let mut serving = serve(&store, &[]);
    run(&python, &serving, &["restart_before"], &notes);
    // As `.backup` of the program sqlite3 does, while the server runs.
    let program = "import sqlite3, sys\nstore, copy = map(sqlite3.connect, sys.argv[1:])\nstore.backup(copy)";
    let made = isolated(&python).args(["-c", program]).args([&store, &copy]).output().unwrap();
    assert!(made.status.success(), "{}", err(&made));
    serving.kill();
    run(&python, &serve(&store, &[]), &["restart_after"], &notes);
    let checked = durawasm(&["store", "check", copy.to_str().unwrap()]);
    assert_eq!(out(&checked), "4 executions are whole; no damage was found\n", "{}", err(&checked));
    run(&python, &serve(&copy, &[]), &["restart_after"], &notes);
}

/// The blocks of a section of a page, each with its language.
fn blocks(page: &str, heading: &str) -> Vec<(String, String)> {
    let page = fs::read_to_string(root().join(page)).unwrap();
    let (_, section) = page.split_once(&format!("\n## {heading}\n")).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let blocks = section.split("```").skip(1).step_by(2);
    let blocks = blocks.map(|block| block.split_once('\n').unwrap());
    blocks.map(|(language, text)| (language.to_owned(), text.to_owned())).collect()
}

/// The texts of the page are run as they are. Only where the server listens and what it keeps are the test's own.
#[test]
fn the_page_says_how_to_try_it() {
    let Some(python) = python() else { return };
    let blocks = blocks("docs/serve.md", "Try it with boto3");
    let languages: Vec<&str> = blocks.iter().map(|(language, _)| &**language).collect();
    assert_eq!(languages, ["sh", "sh", "python", "text"]);
    let [(_, start), (_, environment), (_, program), (_, printed)] = &*blocks else { unreachable!() };
    let arguments: Vec<&str> = start.trim_end().strip_prefix("durawasm serve ").unwrap().split(' ').collect();
    let folder = tempfile::tempdir().unwrap();
    let serving = Serving::start_on(&folder.path().join("s.db"), &arguments);
    let stated = "http://127.0.0.1:9001";
    assert_eq!(environment.matches(stated).count(), 1, "{environment}");
    let file = folder.path().join("try.py");
    fs::write(&file, program).unwrap();
    let script = format!("{}\nexec \"$@\"", environment.replace(stated, &serving.endpoint()));
    let tried = isolated("sh").args(["-ec", &script, "sh"]).arg(&python).arg(&file).output().unwrap();
    assert_eq!(out(&tried), *printed, "{}", err(&tried));
}
