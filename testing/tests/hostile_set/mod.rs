//! The set of hostile guests, which is kept: each kind of misbehaviour that the sandbox contains. They run one after
//! another and 20 at once in one process, beside bystanders, and each ends as its row says. Afterwards nothing is left of
//! them: no memory, thread, descriptor, instance, byte of a budget or file.

#![allow(clippy::format_collect, reason = "the texts are small")]

mod components;
mod handlers;
pub mod loading;
mod row;
mod run;

use std::{
    collections::HashSet,
    fs,
    net::SocketAddr,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use durawasm_core::orchestrator::Run;
use durawasm_sandbox::SandboxUsage;
use futures_util::{StreamExt, stream};
use row::Row;
use run::Host;

use crate::cloud::http::{Answering, Received, Reply, Server};

const AT_ONCE: usize = 20;

/// How much more memory a round may leave behind than the one before, in bytes: what allocators keep differs with the
/// order in which threads run. A leak is left behind by every round, so one round of several within the margin is proof.
const MARGIN: usize = 24 << 20;

/// As many rounds run until one of them stays within the margin.
const MOST_ROUNDS: usize = 6;

fn rows(server: SocketAddr) -> Vec<Row> {
    [handlers::rows(), handlers::http(server), components::rows(), loading::rows()].concat()
}

#[test]
fn the_set_is_large_and_its_names_differ() {
    let rows = rows(SocketAddr::from(([127, 0, 0, 1], 1)));
    assert!(rows.len() >= 150, "{} rows", rows.len());
    let mut names = HashSet::new();
    for row in &rows {
        assert!(names.insert(&row.name), "two rows have the name {}", row.name);
    }
}

/// A server that answers with much, or not at all.
async fn server() -> Server {
    let answer = |received: Received| match received.path.first().map(String::as_str) {
        Some("never") => Box::pin(std::future::pending()) as Answering,
        Some("large") => {
            let reply = Reply { status: 200, headers: Vec::new(), body: "x".repeat(8 << 20) };
            Box::pin(async { reply })
        }
        _ => Box::pin(async { Reply { status: 200, headers: Vec::new(), body: String::new() } }),
    };
    Server::start(Arc::new(answer)).await
}

/// Runs all rows one after another, and then 20 at once beside bystanders. Returns what was wrong.
async fn round(alone: &mut Option<Vec<Run>>) -> Vec<String> {
    let server = server().await;
    let host = Host::new(server.address);
    let rows = rows(server.address);
    let expected = host.bystanders().await;
    assert_eq!(*alone.get_or_insert_with(|| expected.clone()), expected, "another round, another history");

    let mut wrong = Vec::new();
    for row in &rows {
        wrong.extend(host.run(row).await.err().map(|wrong| format!("alone: {wrong}")));
    }
    let done = AtomicBool::new(false);
    let all = async {
        let ends: Vec<_> =
            stream::iter(&rows).map(|row| host.run(row)).buffer_unordered(AT_ONCE).collect().await;
        done.store(true, Ordering::Relaxed);
        ends
    };
    let beside = async {
        while !done.load(Ordering::Relaxed) {
            assert!(host.bystanders().await == expected, "a bystander has another history");
        }
    };
    let (ends, ()) = tokio::join!(all, beside);
    wrong.extend(ends.into_iter().filter_map(Result::err).map(|wrong| format!("among others: {wrong}")));

    drop(server);
    settles("what the sandboxes hold", || {
        let held = host.usage();
        (held.iter().any(|usage| *usage != SandboxUsage::default())).then(|| format!("{held:#?}"))
    });
    assert_eq!(host.budget.used(), 0, "bytes of the host's budget are left");
    wrong
}

/// Waits until nothing is left: threads and connections end a moment after they are told to.
fn settles(what: &str, left: impl Fn() -> Option<String>) {
    let until = Instant::now() + Duration::from_mins(1);
    while let Some(left) = left() {
        assert!(Instant::now() < until, "{what}: {left}");
        std::thread::yield_now();
    }
}

/// The names of what is in a folder of this process's in `/proc`.
fn entries(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(format!("/proc/self/{folder}")).unwrap();
    let name = |entry: fs::DirEntry| {
        let path = entry.path();
        let of_thread = fs::read_to_string(path.join("comm")).ok();
        let of_file = fs::read_link(&path).ok().map(|file| file.display().to_string());
        of_thread.or(of_file).unwrap_or_default()
    };
    entries.filter_map(Result::ok).map(name).collect()
}

fn resident() -> usize {
    let pages = fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

/// In a process of its own, because its memory, threads and descriptors are counted.
#[test]
#[ignore = "run by the next test, in another process"]
fn child_with_hostile_guests() {
    // The first round makes what a process keeps: compiler threads and tokio's descriptors.
    let mut kept = None;
    let mut memory: Vec<usize> = Vec::new();
    let mut alone = None;
    for number in 1..=MOST_ROUNDS {
        let began = Instant::now();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let wrong = runtime.block_on(round(&mut alone));
        assert!(wrong.is_empty(), "round {number}: {} wrong: {wrong:#?}", wrong.len());
        drop(runtime);
        let (threads, files) = *kept.get_or_insert_with(|| (entries("task").len(), entries("fd").len()));
        for (what, before) in [("task", threads), ("fd", files)] {
            settles(what, || {
                let now = entries(what);
                (now.len() > before).then(|| format!("{before} before, now {now:?}"))
            });
        }
        let scratch: Vec<_> = fs::read_dir(std::env::temp_dir()).unwrap().collect();
        assert!(scratch.is_empty(), "{scratch:?}");
        memory.push(resident());
        println!("round {number}: {:?}, {} MiB resident", began.elapsed(), resident() >> 20);
        if let [_, .., before, after] = memory[..]
            && after <= before + MARGIN
        {
            println!("nothing is left");
            return;
        }
    }
    panic!("every round leaves memory behind, in bytes: {memory:?}");
}

#[test]
#[cfg(target_os = "linux")]
fn hostile_guests_end_as_they_must_and_leave_nothing() {
    // Built before, so that the other process only runs them.
    for folder in ["guests", "http-guests"] {
        run::built(folder);
    }
    let scratch = tempfile::tempdir().unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["hostile_set::child_with_hostile_guests", "--exact", "--ignored", "--nocapture"]);
    // The allocator gives back what is freed: without the second, blocks of up to 32 MiB stay in heaps, and without the
    // first, there is a heap for each thread.
    command.env("MALLOC_ARENA_MAX", "2").env("MALLOC_MMAP_THRESHOLD_", "131072");
    let output = command.env("TMPDIR", scratch.path()).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    let complains = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && told.contains("nothing is left"), "{told}\n{complains}");
    println!("{told}");
}
