//! `run --store` and `durawasm store`: executions that go on in another process, and files that are not what they
//! should be.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail in any way")]

mod common;

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Output, Stdio},
    sync::OnceLock,
};

use common::{err, json_of, out, root};
use serde_json::{Value, json};
use tempfile::TempDir;

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_durawasm"));
    command.args(arguments).current_dir(folder).stdin(Stdio::null());
    command
}

fn durawasm(folder: &Path, arguments: &[&str]) -> Output {
    command(folder, arguments).output().unwrap()
}

/// The component of the test handlers. The first test builds it.
fn guests() -> &'static str {
    static GUESTS: OnceLock<String> = OnceLock::new();
    GUESTS.get_or_init(|| {
        let built = json_of(&durawasm(&root(), &["build", "testing/guests", "--json"]));
        built["path"].as_str().unwrap().to_owned()
    })
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or_else(|| panic!("{output:?}"))
}

/// A workflow of the test handlers, to be kept under this name in `s.db`.
fn kept(nodes: &Value, name: &str, more: &[&str]) -> Vec<String> {
    let nodes = nodes.to_string();
    let fixed =
        ["run", guests(), "-f", "workflow", "-e", &nodes, "--skip-time", "--store", "s.db", "--name", name];
    fixed.iter().chain(more).map(ToString::to_string).collect()
}

fn run(folder: &TempDir, arguments: &[String]) -> Output {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    durawasm(folder.path(), &arguments)
}

/// Runs a command, and kills it after so many bodies have written a line. Returns the lines, and its output if it ended
/// before.
fn killed_after(lines: usize, folder: &TempDir, arguments: &[String]) -> (Vec<String>, Option<Vec<u8>>) {
    let mut child: Child = Command::new(env!("CARGO_BIN_EXE_durawasm"))
        .args(arguments)
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let written = |line: &String| line.contains(" again ") || line.contains(" once ");
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok).filter(written);
    let mut seen: Vec<String> = log.by_ref().take(lines).collect();
    // SIGKILL: nothing of the process runs afterwards.
    child.kill().unwrap();
    seen.extend(log);
    let ended = child.wait_with_output().unwrap();
    let whole = serde_json::from_slice::<Value>(&ended.stdout).is_ok();
    (seen, whole.then_some(ended.stdout))
}

/// What an execution came to, without what depends on where it was killed.
fn came_to(report: &Value) -> Value {
    let operation = |operation: &Value| {
        json!([operation["Name"], operation["Type"], operation["Status"], operation["ParentId"]])
    };
    let operations: Vec<Value> =
        report["operations"].as_array().unwrap().iter().skip(1).map(operation).collect();
    json!({ "status": report["status"], "result": report["result"], "error": report["error"], "operations": operations })
}

/// Workflows without concurrency, whose course does not depend on where they are killed.
fn workflows() -> Vec<Value> {
    vec![
        json!([{ "step": { "fails": 0, "once": false } }, { "wait": 5 }, { "step": { "fails": 2, "once": false } }, { "wait": 86400 }]),
        json!([
            { "child": [{ "step": { "fails": 1, "once": false } }, { "invoke": { "plain": false } }] },
            { "condition": 3 },
            { "caught": { "invoke": { "plain": true } } },
            { "caught": "fails" },
        ]),
        json!([
            { "batch": { "items": [{ "step": { "fails": 0, "once": false } }, { "wait": 7 }, { "step": { "fails": 1, "once": false } }], "parallel": false, "flat": false, "concurrency": 1, "enough": null } },
            { "saga": 2 },
        ]),
    ]
}

/// However often the process is killed, and wherever, the execution comes to what it would have come to.
#[test]
fn killed_executions_go_on_to_the_same_end() {
    let mut kills = 0;
    for (number, nodes) in workflows().iter().enumerate() {
        let folder = tempfile::tempdir().unwrap();
        let whole = run(&folder, &kept(nodes, "whole", &["--json"]));
        let expected = came_to(&json_of(&whole));
        for first in 1..4 {
            let arguments = kept(nodes, &format!("killed-{number}-{first}"), &["--json"]);
            // Now early, now late; a process that is killed after one body may not get further than the one before.
            let mut lines = (1..4).cycle().skip(first);
            let report = loop {
                let (_, ended) = killed_after(lines.next().unwrap(), &folder, &arguments);
                if let Some(report) = ended {
                    break report;
                }
                kills += 1;
                assert!(kills < 200, "the processes get further");
                let checked = durawasm(folder.path(), &["store", "check", "s.db"]);
                assert_eq!(code(&checked), 0, "{}", out(&checked));
            };
            assert_eq!(came_to(&serde_json::from_slice(&report).unwrap()), expected, "{nodes}");
        }
    }
    assert!(kills > 10, "{kills}");
}

/// At-most-once bodies run at most once an attempt, wherever the process is killed.
#[test]
fn at_most_once_bodies_never_run_twice() {
    let once = json!({ "caught": { "step": { "fails": 0, "once": true } } });
    let nodes = json!([once, { "wait": 5 }, once, once]);
    for lines in 1..5 {
        let folder = tempfile::tempdir().unwrap();
        let arguments = kept(&nodes, "once", &["--json"]);
        let (mut bodies, mut processes) = (0, 0);
        loop {
            let (log, ended) = killed_after(lines, &folder, &arguments);
            bodies += log.iter().filter(|line| line.contains("once ")).count();
            processes += 1;
            if let Some(report) = ended {
                let report: Value = serde_json::from_slice(&report).unwrap();
                assert_eq!(report["status"], "SUCCEEDED");
                let steps = report["operations"].as_array().unwrap().iter();
                let attempts: u64 = steps
                    .filter(|operation| operation["Type"] == "STEP")
                    .map(|operation| operation["StepDetails"]["Attempt"].as_u64().unwrap())
                    .sum();
                assert!(bodies <= usize::try_from(attempts).unwrap(), "{bodies} bodies, {attempts} attempts");
                break;
            }
            assert!(processes < 50);
        }
    }
}

#[test]
fn an_answer_that_comes_later_continues_the_execution() {
    let folder = tempfile::tempdir().unwrap();
    let nodes = json!([{ "step": { "fails": 0, "once": false } }, "wait_for_callback"]);
    // Its callback times out after an hour of skipped time unless it is answered.
    let arguments = kept(&nodes, "n", &["-q"]);
    let waits = run(&folder, &arguments);
    if code(&waits) == 5 {
        assert!(
            err(&waits).contains("It is kept in s.db: the same command with --answer continues it"),
            "{}",
            err(&waits)
        );
    }
    let listed = json_of(&durawasm(folder.path(), &["store", "list", "s.db", "--json"]));
    assert_eq!((&listed[0]["name"], &listed[0]["function"]), (&json!("n"), &json!("workflow")));
    let answered = run(&folder, &kept(&nodes, "n", &["-q", "--answer", "outside=success:\"yes\"", "--json"]));
    let report = json_of(&answered);
    assert_eq!(report["status"], "SUCCEEDED", "{report}");
    // It is over: nothing runs again, and the same is reported.
    let again = run(&folder, &kept(&nodes, "n", &["--json"]));
    assert_eq!(json_of(&again)["events"], report["events"]);
    assert!(err(&again).contains("n has ended before"), "{}", err(&again));
}

#[test]
fn another_command_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let nodes = json!([{ "wait": 5 }]);
    assert_eq!(code(&run(&folder, &kept(&nodes, "n", &["-q"]))), 0);
    let of = |change: &dyn Fn(&mut Vec<String>)| {
        let mut arguments = kept(&nodes, "n", &["-q"]);
        change(&mut arguments);
        run(&folder, &arguments)
    };
    let real = of(&|arguments| arguments.retain(|argument| argument != "--skip-time"));
    let event = of(&|arguments| arguments[5] = "[]".to_owned());
    let grants = of(&|arguments| arguments.extend(["--env".to_owned(), "A=b".to_owned()]));
    let limits = of(&|arguments| arguments.extend(["--memory".to_owned(), "64".to_owned()]));
    let unnamed = of(&|arguments| arguments.retain(|argument| argument != "--name" && argument != "n"));
    for (refused, why) in [
        (real, "n began in skipped time: continue it with --skip-time"),
        (event, "n began with another event, [{\"wait\":5}]; state the same"),
        (grants, "n began with other grants or limits; state the same"),
        (limits, "n began with other grants or limits"),
        (unnamed, "--name <NAME>"),
    ] {
        assert_eq!(code(&refused), 2, "{}", err(&refused));
        assert!(err(&refused).contains(why), "{}", err(&refused));
    }
}

/// After Ctrl-C, the execution continues with the component that it began with, whatever is at its path by then.
#[test]
fn the_component_that_it_began_with() {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(guests(), folder.path().join("handler.wasm")).unwrap();
    let arguments = |name| {
        [
            "run",
            "handler.wasm",
            "-f",
            "workflow",
            "-e",
            "[\"callback\"]",
            "--store",
            "s.db",
            "--name",
            name,
            "-q",
            "--no-input",
        ]
    };
    // Real time: the callback waits for a minute, so the process is interrupted.
    let mut child = command(folder.path(), &arguments("a")).stderr(Stdio::piped()).spawn().unwrap();
    while !fs::exists(folder.path().join("s.db")).unwrap()
        || json_of(&durawasm(folder.path(), &["store", "list", "s.db", "--json"]))
            .as_array()
            .is_none_or(Vec::is_empty)
    {
        assert!(child.try_wait().unwrap().is_none(), "it waits");
        std::thread::yield_now();
    }
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let interrupted = child.wait_with_output().unwrap();
    assert_eq!(code(&interrupted), 130);
    let kept = "It is kept in s.db: the same command continues it";
    assert!(err(&interrupted).contains(kept), "{}", err(&interrupted));
    fs::write(folder.path().join("handler.wasm"), "not a component").unwrap();
    let answered = [&arguments("a")[..], &["--answer", "outside=success:\"yes\"", "--json"]].concat();
    let answered = durawasm(folder.path(), &answered);
    assert_eq!(json_of(&answered)["status"], "SUCCEEDED", "{}", err(&answered));
    let other = durawasm(folder.path(), &arguments("b"));
    assert_eq!(code(&other), 4, "{}", err(&other));
}

#[test]
fn exported_executions_are_imported_and_checked() {
    let folder = tempfile::tempdir().unwrap();
    let nodes = &workflows()[1];
    let report = json_of(&run(&folder, &kept(nodes, "o-1", &["--json"])));
    let in_folder = |arguments: &[&str]| durawasm(folder.path(), arguments);
    assert_eq!(code(&in_folder(&["store", "export", "s.db", "o-1", "-o", "o-1.json"])), 0);
    let imported = in_folder(&["store", "import", "t.db", "o-1.json"]);
    assert_eq!(out(&imported), format!("imported {}\n", report["executionArn"].as_str().unwrap()));
    let twice = in_folder(&["store", "import", "t.db", "o-1.json"]);
    assert_eq!(code(&twice), 2);
    assert!(err(&twice).contains("the store has an execution arn:"), "{}", err(&twice));
    let (from, to) =
        (in_folder(&["store", "export", "s.db", "o-"]), in_folder(&["store", "export", "t.db", "o-1"]));
    assert_eq!(json_of(&from), json_of(&to));
    // The export is a history that `check` reads.
    let checked = in_folder(&["check", guests(), "-f", "workflow", "--history", "o-1.json", "--json"]);
    assert_eq!(code(&checked), 0, "{}{}", out(&checked), err(&checked));

    let text = fs::read_to_string(folder.path().join("o-1.json")).unwrap();
    for (damage, why) in [
        (text.replacen("durawasm.execution/1", "durawasm.execution/9", 1), "its format is"),
        (text.replacen("\"sequence\"", "\"sequences\"", 1), "cannot be read"),
        (text[..text.len() / 2].to_owned(), "no exported execution"),
    ] {
        fs::write(folder.path().join("bad.json"), damage).unwrap();
        let refused = in_folder(&["store", "import", "u.db", "bad.json"]);
        assert_eq!(code(&refused), 2, "{}", err(&refused));
        assert!(err(&refused).contains(why) && err(&refused).contains("bad.json"), "{}", err(&refused));
    }
    assert_eq!(json_of(&in_folder(&["store", "list", "u.db", "--json"])), json!([]));
}

#[test]
fn executions_are_deleted() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a-1", "a-2", "b"] {
        assert_eq!(
            code(&run(&folder, &kept(&json!([{ "step": { "fails": 0, "once": false } }]), name, &["-q"]))),
            0
        );
    }
    let in_folder = |arguments: &[&str]| durawasm(folder.path(), arguments);
    let ambiguous = in_folder(&["store", "delete", "s.db", "b", "a-"]);
    assert_eq!(code(&ambiguous), 2);
    assert!(err(&ambiguous).contains("a- may mean 2 executions, such as arn:"), "{}", err(&ambiguous));
    assert!(err(&in_folder(&["store", "delete", "s.db", "c"])).contains("there is no execution c"));
    let before = fs::metadata(folder.path().join("s.db")).unwrap().len();
    assert_eq!(out(&in_folder(&["store", "delete", "s.db", "b"])), "deleted 1 execution\n");
    // They ended in 2025, which is longer ago.
    assert_eq!(
        out(&in_folder(&["store", "delete", "s.db", "--ended-before", "1d"])),
        "deleted 2 executions\n"
    );
    assert_eq!(json_of(&in_folder(&["store", "list", "s.db", "--json"])), json!([]));
    // The component is in it, and goes with the last execution that began with it.
    let after = fs::metadata(folder.path().join("s.db")).unwrap().len();
    assert!(after * 4 < before, "{before} -> {after}");
}

#[test]
fn files_that_are_no_stores() {
    let folder = tempfile::tempdir().unwrap();
    let nodes = json!([]);
    assert_eq!(code(&run(&folder, &kept(&nodes, "n", &["-q"]))), 0);
    let path = |name: &str| folder.path().join(name);
    fs::write(
        path("text"),
        "this is no database, and it is longer than a page header needs to be to tell so.",
    )
    .unwrap();
    fs::create_dir(path("folder")).unwrap();
    // A database of another program, and one of a later version.
    let database = |name: &str, statements: &str| {
        rusqlite::Connection::open(path(name)).unwrap().execute_batch(statements).unwrap();
    };
    database("other.db", "CREATE TABLE t (x)");
    fs::copy(path("s.db"), path("newer.db")).unwrap();
    database("newer.db", "PRAGMA user_version = 99");
    for (file, exit, why) in [
        ("text", 2, "text: this is no store of durawasm; it was not changed"),
        ("other.db", 2, "other.db: this is no store of durawasm; it was not changed"),
        ("newer.db", 2, "newer.db: a later version of durawasm has written this store (version 99"),
        ("folder", 2, "folder: this is no store of durawasm"),
        ("nowhere/s.db", 2, "nowhere/s.db-lock: there is no such file"),
    ] {
        let before = fs::read(path(file)).ok();
        let mut arguments = kept(&nodes, "n", &["-q"]);
        arguments[8] = file.to_owned();
        let refused = run(&folder, &arguments);
        assert_eq!(code(&refused), exit, "{file}: {}", err(&refused));
        assert!(err(&refused).contains(why), "{}", err(&refused));
        assert_eq!(fs::read(path(file)).ok(), before, "{file} is as it was");
    }
    let missing = durawasm(folder.path(), &["store", "list", "nothing.db"]);
    assert_eq!((code(&missing), err(&missing).trim_end()), (2, "error: nothing.db: there is no such file"));
}

/// A store of which a page was overwritten: `check` says so, and what can be read is saved.
#[test]
fn damage_is_found() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a", "b"] {
        assert_eq!(code(&run(&folder, &kept(&workflows()[0], name, &["-q"]))), 0);
    }
    let path = folder.path().join("s.db");
    let database = rusqlite::Connection::open(&path).unwrap();
    database
        .execute_batch(
            "DELETE FROM log WHERE number = (SELECT number FROM log WHERE execution = 1 LIMIT 1 OFFSET 2);
             PRAGMA wal_checkpoint(TRUNCATE)",
        )
        .unwrap();
    drop(database);
    let checked = durawasm(folder.path(), &["store", "check", "s.db"]);
    assert_eq!(code(&checked), 1);
    assert!(out(&checked).contains(" is missing"), "{}", out(&checked));
    let refused = run(&folder, &kept(&workflows()[0], "a", &["-q"]));
    assert_eq!(code(&refused), 6, "{}", err(&refused));
    assert_eq!(code(&durawasm(folder.path(), &["store", "export", "s.db", "b"])), 0);

    // The middle of the file is overwritten.
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 40_000].fill(0xa5);
    fs::write(&path, bytes).unwrap();
    let checked = durawasm(folder.path(), &["store", "check", "s.db"]);
    assert_eq!(code(&checked), 1, "{}{}", out(&checked), err(&checked));
}

#[test]
fn one_process_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let nodes = json!([]);
    assert_eq!(code(&run(&folder, &kept(&nodes, "n", &["-q"]))), 0);
    let lock = fs::File::open(folder.path().join("s.db-lock")).unwrap();
    lock.try_lock().unwrap();
    let refused = run(&folder, &kept(&nodes, "m", &["-q"]));
    assert_eq!(code(&refused), 6);
    assert!(
        err(&refused).contains("s.db: another process has this store open; one at a time can"),
        "{}",
        err(&refused)
    );
    // Reading works meanwhile.
    assert_eq!(
        json_of(&durawasm(folder.path(), &["store", "list", "s.db", "--json"])).as_array().unwrap().len(),
        1
    );
    drop(lock);
    assert_eq!(code(&run(&folder, &kept(&nodes, "m", &["-q"]))), 0);
}
