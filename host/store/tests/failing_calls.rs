//! Each call that changes a file of a store fails in turn, once or for good: writes, flushes, truncations and removals.
//!
//! A process of its own opens a store and commits, with a library beside it that makes calls fail
//! (`failing_calls/calls.c`). Whatever fails, the process gets an error that names the file; and a process that opens the
//! store later finds what was acknowledged, and of a commit that was not either nothing or all.
#![cfg(all(target_os = "linux", target_env = "gnu"))]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail in any way")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use durawasm_core::{
    protocol::{ExecutionArn, ExecutionStatus, Timestamp},
    server::{Changes, Standing, Store, Summary},
};
use durawasm_store::{StoreFile, StoreReader};

/// How many commits the process makes.
const COMMITS: usize = 4;

fn arn(number: usize) -> ExecutionArn {
    ExecutionArn::new("f", "$LATEST", &format!("n{number}"), &format!("id-{number}"))
}

/// The execution that each commit changes.
const SHARED: usize = 99;

/// The changes of a commit: a new execution, of some pages, and the next event of the shared one.
fn changes(number: usize, place: usize) -> Vec<Changes> {
    let of = |execution: usize, operations, events| Changes {
        summary: Summary {
            arn: arn(execution),
            id: [u8::try_from(execution).unwrap(); 16],
            standing: Standing::Unpaused(ExecutionStatus::Running),
            start: Timestamp::from_millis(i64::try_from(execution).unwrap()),
            end: None,
            saved_at: Timestamp::from_millis(7),
            due: None,
            invoked_by: None,
        },
        execution: format!("execution {execution} of commit {number}"),
        operations,
        events,
        invocations: Vec::new(),
    };
    let large = (0..3).map(|place| (place, format!("{place} {}", "x".repeat(3000)))).collect();
    let event = vec![(place, event(number))];
    vec![of(number, large, Vec::new()), of(SHARED, Vec::new(), event)]
}

fn event(number: usize) -> String {
    format!("event of commit {number}")
}

/// Not a test of its own: what the process does. It says what came of each commit.
#[test]
#[ignore = "the other test runs it, in a process whose calls fail"]
fn commits() {
    let (Some(store), Some(said)) = (std::env::var_os("STORE"), std::env::var_os("SAID")) else { return };
    let store = PathBuf::from(store);
    let mut lines = Vec::new();
    let opened = StoreFile::open(&store).and_then(|file| Ok((file.store()?, file)));
    match opened {
        Err(error) => lines.push(format!("opening: {error}")),
        Ok((mut open, _file)) => {
            for number in 0..COMMITS {
                let place = lines.iter().filter(|line| *line == "ok").count();
                match open.commit(&changes(number, place), &[]) {
                    Ok(()) => lines.push("ok".to_owned()),
                    Err(error) => lines.push(format!("failed: {error}")),
                }
                // What failed is not there, and what did not is.
                for known in 0..=number {
                    if let Ok(found) = open.load(&arn(known)) {
                        let line = lines[known].as_str();
                        assert_eq!(found.is_some(), line == "ok", "{known} of {lines:?}");
                    }
                }
            }
        }
    }
    fs::write(said, lines.join("\n")).unwrap();
}

fn library(folder: &Path) -> PathBuf {
    let library = folder.join("calls.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/failing_calls/calls.c");
    // There is a C compiler: it has compiled SQLite.
    let mut cc = Command::new(std::env::var_os("CC").unwrap_or_else(|| "cc".into()));
    cc.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(source).arg("-ldl");
    let compiled = cc.output().unwrap();
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    library
}

/// What a store has after a process: the numbers of the commits that are there. Each is there as a whole.
fn found(store: &Path, what: &str) -> Vec<usize> {
    // A later process opens it, whatever happened.
    let file = StoreFile::open(store).unwrap_or_else(|error| panic!("{what}: {error}"));
    let reader = file.reader().unwrap();
    let shared = reader.load(arn(SHARED).as_str()).unwrap();
    let events = shared.map(|shared| shared.events).unwrap_or_default();
    let mut found = Vec::new();
    for number in 0..COMMITS {
        let saved = reader.load(arn(number).as_str()).unwrap();
        assert_eq!(saved.is_some(), events.contains(&event(number)), "{what}: {number} is half there");
        if let Some(saved) = saved {
            assert_eq!(saved.operations.len(), 3, "{what}: {number}");
            found.push(number);
        }
    }
    found
}

/// Runs the process with calls that fail. Returns whether the calls were made.
fn run(library: &Path, from: usize, count: usize) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let [store, said, told] = ["s.db", "said", "told"].map(|name| folder.path().join(name));
    let mut process = Command::new(std::env::current_exe().unwrap());
    process.args(["--exact", "commits", "--ignored"]).env("LD_PRELOAD", library);
    process.env("STORE", &store).env("SAID", &said).env("FAILING_TOLD", &told).env("FAILING_PATH", &store);
    process.env("FAILING_FROM", from.to_string()).env("FAILING_COUNT", count.to_string());
    let ended = process.output().unwrap();
    let what = format!("{count} calls from {from} on");
    assert!(ended.status.success(), "{what}: {}", String::from_utf8_lossy(&ended.stdout));
    let said = fs::read_to_string(said).unwrap();
    let lines: Vec<&str> = said.lines().collect();
    let acknowledged: Vec<usize> = (0..lines.len()).filter(|number| lines[*number] == "ok").collect();
    for line in lines.iter().filter(|line| **line != "ok") {
        assert!(line.contains(store.to_str().unwrap()), "{what}: the error names the file: {line}");
    }
    let found = found(&store, &what);
    assert!(acknowledged.iter().all(|number| found.contains(number)), "{what}: {found:?} of {lines:#?}");
    // One that was written and could not be flushed may be there: the disk has it, but has not said so.
    assert!(found.len() <= acknowledged.len() + 1, "{what}: {found:?} is there of {lines:#?}");
    let (_, flaws) = StoreReader::open(&store).unwrap().verify().unwrap();
    let damaged = flaws.iter().any(|flaw| matches!(flaw, durawasm_store::Flaw::File(_)));
    assert!(!damaged, "{what}: {flaws:?}");
    told.exists()
}

fn fail_in_turn(count: usize) {
    let folder = tempfile::tempdir().unwrap();
    let library = library(folder.path());
    let calls = (0..1000).find(|from| !run(&library, *from, count)).unwrap();
    assert!(calls > 60, "{calls} calls");
}

#[test]
fn each_call_fails_in_turn() {
    fail_in_turn(1);
}

#[test]
fn the_disk_is_gone_from_each_call_on() {
    fail_in_turn(1_000_000);
}
