//! No checkpoint server's thread outlives its server. This is the only test of its process, because it counts the
//! threads of the whole process.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail in any way")]
#![cfg(target_os = "linux")]

mod common;

use common::handler;
use durawasm_testing::{LocalDurableTestRunner, TestEnvironmentConfig};
use serde_json::json;

/// The names of this process's threads that belong to checkpoint servers.
fn threads() -> Vec<String> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let name = |task: std::io::Result<std::fs::DirEntry>| {
        // A thread may end between the listing and the read.
        std::fs::read_to_string(task.ok()?.path().join("comm")).ok()
    };
    let names = tasks.filter_map(name).map(|name| name.trim().to_owned());
    names.filter(|name| name.starts_with("checkpoint-serv")).collect()
}

/// Whether no such thread is left. A thread that has ended may be listed for a moment longer.
fn none_is_left() -> bool {
    (0..1_000_000).any(|_| threads().is_empty())
}

#[tokio::test]
async fn teardown_and_drop_leave_no_thread() {
    assert_eq!(threads(), [""; 0]);
    for _ in 0..5 {
        LocalDurableTestRunner::setup_test_environment(TestEnvironmentConfig::default()).await.unwrap();
        let runner = handler("sequence");
        runner.run(json!([{"wait": ["w", 5]}])).await.unwrap();
        // A thread has its name a moment after it was started.
        assert!(
            (0..1_000_000).any(|_| threads() == ["checkpoint-serv"]),
            "the environment's: {:?}",
            threads()
        );
        LocalDurableTestRunner::teardown_test_environment().await.unwrap();
        assert!(none_is_left(), "{:?}", threads());
    }
    let runners: Vec<_> = (0..10).map(|_| handler("sequence")).collect();
    for runner in &runners {
        runner.run(json!([{"step": ["s", 5]}])).await.unwrap();
    }
    assert!(
        (0..1_000_000).any(|_| threads().len() == 10),
        "each keeps the server of its last run: {:?}",
        threads()
    );
    // A run that is dropped leaves no thread running.
    let held = runners[0].operation("never");
    let run = runners[0].run(json!([{"callback": ["never", 0]}]));
    assert!(tokio::time::timeout(std::time::Duration::from_millis(100), run).await.is_err());
    drop((held, runners));
    assert!(none_is_left(), "{:?}", threads());
}
