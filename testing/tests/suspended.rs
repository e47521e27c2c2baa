//! The memory of executions that wait: no instances, and little beyond their history.

use std::{
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use durawasm_core::{
    budget::HostBudget,
    invocation::{LogLine, LogSink},
    orchestrator::{Environment, EnvironmentOptions, TimeMode},
    server::StartExecution,
};
use durawasm_sandbox::{Handler, Sandbox, SandboxLimits, SandboxUsage};
use durawasm_testing::LocalDurableTestRunner;
use futures_util::future::join_all;
use serde_json::{Value, json};

const DAY: u64 = 86_400;

/// How many executions are measured side by side. A tree has not quite as many: a run may invoke 10,000 functions.
const MANY: usize = 10_000;

/// The most that each may take, with its history, in bytes.
const MOST: usize = 16 << 10;

/// Counts the lines that those who wait have written, and keeps none.
#[derive(Default)]
struct Waiting(AtomicUsize);

impl LogSink for Waiting {
    fn write(&self, line: LogLine) {
        if !line.replayed {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn keeps(&self, _: &LogLine) -> bool {
        false
    }
}

struct Host {
    sandbox: Sandbox,
    guests: Handler,
}

/// What so many executions took, in bytes.
#[derive(Debug)]
struct Taken {
    executions: usize,
    resident: usize,
    charged: usize,
}

impl Host {
    fn new() -> Self {
        let component =
            LocalDurableTestRunner::build(concat!(env!("CARGO_MANIFEST_DIR"), "/guests")).unwrap();
        let (sandbox, _) = Sandbox::with_default_cache(&SandboxLimits::default()).unwrap();
        let guests = sandbox.load(&std::fs::read(component).unwrap()).unwrap();
        Self { sandbox, guests }
    }

    /// Runs executions in real time until `leaves` of them wait and no invocation is running.
    async fn until_all_wait(&self, leaves: usize, executions: usize, starts: Vec<StartExecution>) -> Taken {
        let (waiting, host) = (Arc::new(Waiting::default()), HostBudget::default());
        let options =
            EnvironmentOptions { time: TimeMode::Real, host: host.clone(), ..EnvironmentOptions::default() };
        let environment =
            Environment::new(options, std::slice::from_ref(&self.guests), waiting.clone()).await;
        let environment = environment.unwrap();
        let before = resident();
        let runs = join_all(starts.into_iter().map(|start| environment.run(start)));
        let all_wait = async {
            while waiting.0.load(Ordering::Relaxed) < leaves
                || self.sandbox.usage() != SandboxUsage::default()
            {
                tokio::task::yield_now().await;
            }
            // What follows an invocation is done in the same turn.
            tokio::task::yield_now().await;
            Taken { executions, resident: resident().saturating_sub(before), charged: host.used() }
        };
        tokio::select! {
            _ = runs => panic!("they wait for a day"),
            taken = all_wait => taken,
        }
    }

    /// Executions that wait for a day.
    async fn side_by_side(&self, number: usize) -> Taken {
        let start = || StartExecution::new("waits_for", Some(DAY.to_string()));
        self.until_all_wait(number, number, (0..number).map(|_| start()).collect()).await
    }

    /// An execution that invokes others, each of which invokes others that wait for a day.
    async fn nested(&self, number: usize) -> Taken {
        let leaf = json!({ "function": "waits_for", "payload": DAY });
        let branch = json!({ "function": "invokes_all", "payload": vec![leaf; number] });
        let tree = Value::from(vec![branch; number]).to_string();
        let start = StartExecution::new("invokes_all", Some(tree));
        self.until_all_wait(number * number, number * number + number + 1, vec![start]).await
    }
}

fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

/// Measures in a process of its own, in which nothing has taken memory before.
fn measure(what: impl AsyncFnOnce(&Host) -> Taken) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let host = Host::new();
        // What the first executions take is kept for all.
        host.side_by_side(100).await;
        host.nested(5).await;
        let Taken { executions, resident, charged } = what(&host).await;
        let (each, charge) = (resident / executions, charged / executions);
        println!("{executions} executions that wait: {each} bytes each, {charge} charged");
        assert!(each < MOST, "{each} bytes each");
        assert!(each <= charge && charge < 3 * each, "{each} bytes each, {charge} charged");
    });
}

#[test]
#[ignore = "run by the next test, in another process"]
fn child_side_by_side() {
    measure(async |host| host.side_by_side(MANY).await);
}

#[test]
#[ignore = "run by the next test, in another process"]
fn child_nested() {
    measure(async |host| host.nested(99).await);
}

#[test]
#[cfg(target_os = "linux")]
fn executions_that_wait_take_little() {
    LocalDurableTestRunner::build(concat!(env!("CARGO_MANIFEST_DIR"), "/guests")).unwrap();
    for child in ["suspended::child_side_by_side", "suspended::child_nested"] {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let output = command.args([child, "--exact", "--ignored", "--nocapture"]).output().unwrap();
        let told = String::from_utf8_lossy(&output.stdout);
        let complains = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && told.contains("bytes each"), "{told}\n{complains}");
    }
}
