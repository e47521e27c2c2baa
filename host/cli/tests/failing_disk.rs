//! `durawasm serve` on a disk on which each write of the store fails in turn: the answer is a `ServiceException` and
//! nothing has changed, in memory and on disk; what was acknowledged is there after a start without the limit, once.
//!
//! The disk is a limit on the size of the process's files (`RLIMIT_FSIZE`): a write beyond it fails, or writes only a
//! part. A commit appends frames to the write-ahead log, so limits that grow cut a commit at each of its writes.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail in any way")]

mod common;
mod serving;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use common::{err, out, root};
use durawasm_core::server::Saved;
use durawasm_store::StoreFile;
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::{Value, json};
use serving::{Answer, Serving, arn_path, callback_path, durawasm, guests, until};
use tempfile::TempDir;

/// The bytes of a frame of the log: its head, which is one write, and a page, which is another.
const HEAD: u64 = 24;
const FRAME: u64 = HEAD + 4096;

/// What of a commit fits on the disk: each number of its writes, and parts of the next one.
fn cuts() -> impl Iterator<Item = u64> {
    (0..).flat_map(|frame| [0, 1, HEAD, HEAD + 2000].map(|part| frame * FRAME + part))
}

/// A command that runs durawasm so that a limit of its files' sizes does not end it, but fails its writes.
fn without_signal(script: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("trap '' XFSZ; {script} exec \"$@\""), "sh"]);
    command.arg(env!("CARGO_BIN_EXE_durawasm")).args(arguments).current_dir(root()).stdin(Stdio::null());
    command
}

/// What a store has, as a process finds it that opens a copy of it: the executions, by their ARNs. They are whole.
fn kept(store: &Path) -> BTreeMap<String, Saved> {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy.db");
    // As after a kill: what other processes share of the log is gone.
    for end in ["", "-wal"] {
        let (from, mut to) = (format!("{}{end}", store.display()), copy.clone().into_os_string());
        to.push(end);
        if Path::new(&from).exists() {
            fs::copy(from, to).unwrap();
        }
    }
    let file = StoreFile::open(&copy).unwrap();
    let reader = file.reader().unwrap();
    let (good, flaws) = reader.verify().unwrap();
    assert!(flaws.is_empty(), "{flaws:?}");
    let listed = reader.list().unwrap();
    assert_eq!(listed.len(), good);
    let whole = |arn: String| (arn.clone(), reader.load(&arn).unwrap().unwrap());
    listed.into_iter().map(|listed| whole(listed.arn)).collect()
}

/// A server on a disk that can be filled.
struct Disk {
    serving: Serving,
    folder: TempDir,
}

impl Disk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let serving = Self::serve(&folder);
        Self { serving, folder }
    }

    fn serve(folder: &TempDir) -> Serving {
        let function = format!("sequence={}#sequence", guests());
        let more = ["--no-config", "--quiet", "--function", &function];
        let arguments = Serving::arguments(&folder.path().join("s.db"), &more);
        let arguments: Vec<&str> = arguments.iter().map(|argument| &**argument).collect();
        let said = fs::File::options().append(true).create(true).open(folder.path().join("stderr")).unwrap();
        let mut command = without_signal("", &arguments);
        command.stderr(said);
        Serving::started(command)
    }

    fn store(&self) -> PathBuf {
        self.folder.path().join("s.db")
    }

    fn log_size(&self) -> u64 {
        fs::metadata(self.folder.path().join("s.db-wal")).unwrap().len()
    }

    /// Limits the sizes of the server's files, or lifts the limit.
    fn limit(&self, bytes: Option<u64>) {
        let limit = Rlimit { current: bytes, maximum: None };
        prlimit(Some(Pid::from_child(&self.serving.process)), Resource::Fsize, limit).unwrap();
    }

    /// Sends a request while more and more of its commit fits on the disk, until it is accepted. Nothing else may be
    /// under way. Returns the answer, and how many bytes had to fit.
    fn until_it_fits(&self, status: u16, send: impl Fn(&Serving) -> Answer) -> (Answer, u64) {
        let (before, size) = (kept(&self.store()), self.log_size());
        for cut in cuts() {
            self.limit(Some(size + cut));
            let answer = send(&self.serving);
            if answer.status == status {
                self.limit(None);
                assert!(cut > FRAME, "several writes have failed before");
                return (answer, cut);
            }
            let what = format!("{cut} bytes of the commit: {answer:?}");
            assert_eq!(answer.status, 500, "{what}");
            assert_eq!(answer.header("x-amzn-errortype"), Some("ServiceException"), "{what}");
            assert!(!answer.body.contains("s.db"), "clients are not told of files: {what}");
            let id = answer.header("x-amzn-requestid").unwrap();
            assert!(
                self.said().contains(&format!("request {id} failed: {}", self.store().display())),
                "{what}"
            );
            assert_eq!(kept(&self.store()), before, "{what}");
            assert!(cut < 100 * FRAME, "{what}");
        }
        unreachable!()
    }

    /// The answer to a request for what is there.
    fn read(&self, path: &str) -> Value {
        let answer = self.serving.exchange("GET", path, &[], "").unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        serde_json::from_str(&answer.body).unwrap()
    }

    fn events(&self, arn: &str) -> Vec<Value> {
        let history = self.read(&history_path(arn));
        history["Events"].as_array().unwrap().clone()
    }

    /// The id of an execution's callback, once nothing of the execution is under way.
    fn callback(&self, arn: &str) -> String {
        until(format_args!("a callback of {arn}"), || self.find_callback(arn))
    }

    /// The same, if nothing is under way now. While commits fail, requests that are processed with them fail as well.
    fn find_callback(&self, arn: &str) -> Option<String> {
        let answer = self.serving.exchange("GET", &history_path(arn), &[], "").unwrap();
        if answer.status == 500 {
            return None;
        }
        let history: Value = serde_json::from_str(&answer.body).unwrap();
        let events = history["Events"].as_array().unwrap();
        let waits = events.last().unwrap()["EventType"] == "InvocationCompleted";
        let started =
            events.iter().find(|event| event["EventType"] == "CallbackStarted").filter(|_| waits)?;
        Some(started["CallbackStartedDetails"]["CallbackId"].as_str().unwrap().to_owned())
    }

    /// What the server has said so far.
    fn said(&self) -> String {
        fs::read_to_string(self.folder.path().join("stderr")).unwrap()
    }

    /// Returns once a commit of an execution has failed, or all of them up to its callback fitted.
    fn failed_or_waits(&self, arn: &str) {
        until(format_args!("a failure or a callback of {arn}"), || {
            let failed = self.said().contains(&format!("{arn} cannot continue: "));
            (failed || self.find_callback(arn).is_some()).then_some(())
        });
    }

    /// The execution, once it has ended and nothing of it is under way.
    fn ended(&self, arn: &str) -> Value {
        until(format_args!("the end of {arn}"), || {
            let view = self.read(&arn_path(arn, ""));
            let events = self.events(arn);
            let last: Vec<_> = events.iter().rev().take(2).map(|event| event["EventType"].clone()).collect();
            (view["Status"] != "RUNNING" && last.contains(&json!("InvocationCompleted"))).then_some(view)
        })
    }
}

fn history_path(arn: &str) -> String {
    arn_path(arn, "/history?MaxItems=1000")
}

/// A step, a callback, a step.
fn event() -> String {
    json!([{"step": ["a", 1]}, {"callback": ["asked", 0]}, {"step": ["b", 2]}]).to_string()
}

fn start(serving: &Serving, name: &str) -> Answer {
    let headers = [("x-amz-invocation-type", "Event"), ("x-amz-durable-execution-name", name)];
    serving
        .exchange("POST", "/2015-03-31/functions/sequence:$LATEST/invocations", &headers, &event())
        .unwrap()
}

fn arn_of(answer: &Answer) -> String {
    answer.header("x-amz-durable-execution-arn").unwrap().to_owned()
}

fn post(serving: &Serving, path: &str, body: &str) -> Answer {
    serving.exchange("POST", path, &[], body).unwrap()
}

#[test]
fn each_write_of_each_request_fails_in_turn() {
    let mut disk = Disk::new();
    let answer = |id: &str| callback_path(id, "succeed");

    let (started, size) = disk.until_it_fits(202, |serving| start(serving, "answered"));
    let answered = arn_of(&started);
    let id = disk.callback(&answered);
    disk.until_it_fits(200, |serving| post(serving, &answer(&id), "\"yes\""));
    let ended = disk.ended(&answered);

    let stopped = arn_of(&start(&disk.serving, "stopped"));
    disk.callback(&stopped);
    disk.until_it_fits(200, |serving| post(serving, &arn_path(&stopped, "/stop"), ""));

    let paused = arn_of(&start(&disk.serving, "paused"));
    let paused_id = disk.callback(&paused);
    disk.until_it_fits(202, |serving| post(serving, &arn_path(&paused, "/pause"), "{}"));
    disk.until_it_fits(202, |serving| post(serving, &arn_path(&paused, "/resume"), "{}"));
    disk.until_it_fits(202, |serving| post(serving, &arn_path(&paused, "/pause"), "{}"));

    let deleted = arn_of(&start(&disk.serving, "deleted"));
    disk.callback(&deleted);
    assert_eq!(post(&disk.serving, &arn_path(&deleted, "/stop"), "").status, 200);
    disk.until_it_fits(202, |serving| serving.exchange("DELETE", &arn_path(&deleted, ""), &[], "").unwrap());

    // The commits of the handler fail: executions that were started wait until there is space.
    let (mut waiting, mut room) = (Vec::new(), size);
    while waiting.len() < 5 {
        room += 3 * FRAME + 500;
        assert!(room < size + 100 * FRAME, "{} of the starts have fitted", waiting.len());
        disk.limit(Some(disk.log_size() + room));
        let started = start(&disk.serving, &format!("waiting-{}", waiting.len()));
        if started.status == 202 {
            waiting.push(arn_of(&started));
            disk.failed_or_waits(waiting.last().unwrap());
        }
        disk.limit(None);
        if let Some(arn) = waiting.last() {
            disk.callback(arn);
        }
    }

    // One that is refused, and then the process is killed.
    disk.limit(Some(0));
    assert_eq!(start(&disk.serving, "refused").status, 500);
    let before = kept(&disk.store());
    disk.serving.kill();
    assert_eq!(kept(&disk.store()), before);

    let serving = Disk::serve(&disk.folder);
    disk.serving = serving;
    let again = |name: &str| arn_of(&start(&disk.serving, name));
    assert_eq!(again("answered"), answered);
    assert_eq!(disk.ended(&answered), ended);
    assert_eq!(ended["Result"], json!([1, "yes", 2]).to_string());
    assert_eq!(disk.ended(&stopped)["Status"], "STOPPED");
    assert_eq!(disk.read(&arn_path(&paused, ""))["Status"], "PAUSED");
    assert_eq!(post(&disk.serving, &arn_path(&paused, "/resume"), "{}").status, 202);
    assert_eq!(disk.serving.send("GET", &arn_path(&deleted, ""), "").0, 404);
    let mut others = waiting;
    others.push(again("refused"));
    for (number, arn) in others.iter().enumerate() {
        if number < others.len() - 1 {
            assert_eq!(again(&format!("waiting-{number}")), *arn);
        }
        let id = disk.callback(arn);
        assert_eq!(post(&disk.serving, &answer(&id), "\"yes\"").status, 200);
    }
    assert_eq!(post(&disk.serving, &answer(&paused_id), "\"yes\"").status, 200);
    others.push(paused);
    for arn in &others {
        let view = disk.ended(arn);
        assert_eq!(view["Result"], ended["Result"], "{view}");
        let events = disk.events(arn);
        for (kind, count) in [("StepSucceeded", 2), ("CallbackStarted", 1), ("CallbackSucceeded", 1)] {
            let found = events.iter().filter(|event| event["EventType"] == kind).count();
            assert_eq!(found, count, "{kind} in {events:#?}");
        }
    }
    let listed = disk.read("/2025-12-01/functions/sequence/durable-executions?MaxItems=1000");
    assert_eq!(listed["DurableExecutions"].as_array().unwrap().len(), others.len() + 2, "each name is one");

    // At its end the process cannot move the log into the file. The next one finds it.
    let whole = kept(&disk.store());
    disk.limit(Some(0));
    let id = disk.serving.process.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    assert_eq!(disk.serving.process.wait().unwrap().code(), Some(0));
    assert_eq!(kept(&disk.store()), whole);
    let checked = durawasm(&["store", "check", disk.store().to_str().unwrap()]);
    assert_eq!(checked.status.code(), Some(0), "{}{}", out(&checked), err(&checked));

    let said = disk.said();
    assert!(said.contains(" cannot continue: "), "{said}");
    let store = disk.store().display().to_string();
    for line in said.lines() {
        let execution = line.split_once(" cannot continue: ServiceException: ");
        let request = || line.strip_prefix("request ")?.split_once(" failed: ");
        let (_, why) = execution.or_else(request).unwrap_or_else(|| panic!("{line}"));
        assert_eq!(why, format!("{store}: disk I/O error"));
    }
}

/// Each write of a start fails in turn: of one that makes the store, and of one that finds it with an execution in it.
#[test]
fn each_write_of_a_start_fails_in_turn() {
    let disk = Disk::new();
    let arn = arn_of(&start(&disk.serving, "kept"));
    disk.callback(&arn);
    let executions = kept(&disk.store());
    // The log of a new store grows to some 100 KiB; frames of about 4 KiB are cut at different places.
    let enough = (0..1000).step_by(3).find(|limit| !fails_to_start(None, *limit, &executions)).unwrap();
    assert!(enough > 60, "{enough}");
    let size = u32::try_from(disk.log_size() / 1024).unwrap();
    let enough = (size..size + 1000).find(|limit| !fails_to_start(Some(&disk), *limit, &executions)).unwrap();
    assert!(enough > size, "{enough}");
}

/// Starts a server whose files have at most so many KiB, on a new store or on a copy. Returns whether that fails for want
/// of space; then the same start without a limit does not, and everything is there.
fn fails_to_start(earlier: Option<&Disk>, kibibytes: u32, executions: &BTreeMap<String, Saved>) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("s.db");
    if let Some(disk) = earlier {
        for end in ["", "-wal"] {
            let name = format!("s.db{end}");
            fs::copy(disk.folder.path().join(&name), folder.path().join(&name)).unwrap();
        }
    }
    // What comes after the opening of the store is not started.
    let arguments =
        ["serve", "--no-config", "--store", store.to_str().unwrap(), "--function", "a=nowhere.wasm"];
    let limited = without_signal(&format!("ulimit -f {};", kibibytes * 2), &arguments).output().unwrap();
    let said = err(&limited);
    assert_eq!((said.lines().count(), said.starts_with("error: ")), (1, true), "{kibibytes}: {said}");
    let fails = limited.status.code() == Some(6);
    if fails {
        assert!(said.contains(store.to_str().unwrap()), "{kibibytes}: {said}");
    } else {
        assert!(said.contains("there is no nowhere.wasm"), "{kibibytes}: {said}");
    }
    let free = durawasm(&arguments);
    assert!(err(&free).contains("there is no nowhere.wasm"), "{kibibytes}: {}", err(&free));
    let expected = if earlier.is_some() { executions.clone() } else { BTreeMap::new() };
    assert_eq!(kept(&store), expected, "{kibibytes}");
    fails
}
