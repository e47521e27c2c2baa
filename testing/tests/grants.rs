//! Grants: a handler can access what it was granted, and nothing else.

use std::{fs, sync::Arc};

use durawasm_core::{
    invocation::{Access, DiskQuota, Grants, LogBuffer},
    orchestrator::{Environment, EnvironmentOptions, FunctionGrants, Run, SCRATCH},
    protocol::ExecutionStatus,
    server::StartExecution,
};
use durawasm_sandbox::{Handler, Sandbox, SandboxOptions};
use durawasm_testing::LocalDurableTestRunner;
use serde_json::{Value, json};

fn component() -> Handler {
    let path = LocalDurableTestRunner::build(concat!(env!("CARGO_MANIFEST_DIR"), "/guests")).unwrap();
    let cache = durawasm_sandbox::default_cache_directory();
    Sandbox::new(SandboxOptions { cache, ..SandboxOptions::default() })
        .unwrap()
        .load(&fs::read(path).unwrap())
        .unwrap()
}

async fn environment(grants: FunctionGrants) -> Environment {
    let options = EnvironmentOptions { grants, ..EnvironmentOptions::default() };
    Environment::new(options, &[component()], Arc::new(LogBuffer::default())).await.unwrap()
}

async fn run(environment: &Environment, function: &str, event: Value) -> Run {
    environment.run(StartExecution::new(function, Some(event.to_string()))).await.unwrap()
}

fn result(run: &Run) -> Value {
    assert_eq!(run.view.status, ExecutionStatus::Succeeded, "{:?}", run.view.error);
    serde_json::from_str(run.view.result.as_deref().unwrap()).unwrap()
}

#[tokio::test]
async fn by_default_there_is_nothing() {
    let environment = environment(FunctionGrants::default()).await;
    let result = result(&run(&environment, "reaches", json!({"directory": SCRATCH})).await);
    assert_eq!((&result["variables"], &result["outside"]), (&json!({}), &json!(0)));
    for step in ["first", "second"] {
        assert!(result[step].is_string(), "{result}");
    }
}

#[tokio::test]
async fn variables_are_a_function_s_own() {
    let mut grants = FunctionGrants::default();
    grants.all.variable("A", "all").unwrap().variable("B", "all").unwrap();
    for (function, value) in [("reaches", "own"), ("empty", "other")] {
        let mut own = Grants::default();
        own.variable("B", value).unwrap();
        grants.by_function.insert(function.to_owned(), own.into());
    }
    let environment = environment(grants).await;
    let result = result(&run(&environment, "reaches", json!({"directory": SCRATCH})).await);
    assert_eq!(result["variables"], json!({"A": "all", "B": "own"}));
}

#[tokio::test]
async fn scratch_survives_the_invocations_of_its_execution_and_no_more() {
    let environment = environment(FunctionGrants { scratch: true, ..FunctionGrants::default() }).await;
    for _ in 0..2 {
        let run = run(&environment, "reaches", json!({"directory": SCRATCH})).await;
        assert_eq!(run.view.invocations.len(), 2);
        assert_eq!(result(&run), json!({"variables": {}, "first": 1, "second": 2, "outside": 0}));
    }
}

#[tokio::test]
async fn each_run_of_a_plain_function_has_scratch_of_its_own() {
    let environment = environment(FunctionGrants { scratch: true, ..FunctionGrants::default() }).await;
    let call = json!({"function": "plain_reaches", "payload": SCRATCH});
    for _ in 0..2 {
        let run = run(&environment, "invokes_all", json!([call, call])).await;
        assert_eq!(result(&run), json!([{"result": []}, {"result": []}]));
    }
}

#[tokio::test]
async fn a_granted_directory_is_real_and_may_be_read_only() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("lines"), "one\ntwo\n").unwrap();
    // A symbolic link that leads out of the directory cannot be followed.
    #[cfg(unix)]
    std::os::unix::fs::symlink("/etc/passwd", folder.path().join("passwd")).unwrap();
    for (access, first) in [(Access::ReadWrite, json!(3)), (Access::ReadOnly, Value::Null)] {
        let mut grants = FunctionGrants::default();
        grants.all.directory(folder.path(), "/data", access).unwrap();
        let result = result(&run(&environment(grants).await, "reaches", json!({"directory": "/data"})).await);
        assert_eq!(result["outside"], json!(0));
        if first.is_null() {
            assert!(result["first"].is_string(), "{result}");
        } else {
            assert_eq!(result["first"], first);
        }
    }
    assert_eq!(fs::read_to_string(folder.path().join("lines")).unwrap().lines().count(), 4);
}

#[tokio::test]
async fn a_directory_that_is_not_there_is_a_named_error() {
    let mut grants = FunctionGrants::default();
    grants.all.directory("/no/such/directory", "/data", Access::ReadOnly).unwrap();
    let run = run(&environment(grants).await, "empty", Value::Null).await;
    let error = run.view.error.unwrap();
    assert_eq!(error.error_type.as_deref(), Some("Sandbox.GrantFailed"));
    assert!(error.error_message.unwrap().contains("/no/such/directory"));
}

#[tokio::test]
async fn time_stands_still_while_a_file_is_written() {
    let environment = environment(FunctionGrants { scratch: true, ..FunctionGrants::default() }).await;
    let run = run(&environment, "reaches", json!({"directory": SCRATCH, "bytes": 30_000_000})).await;
    assert_eq!(result(&run)["first"], json!(1));
    let first = run.view.operations.iter().find(|o| o.name.as_deref() == Some("first")).unwrap();
    assert_eq!(first.end_timestamp, Some(first.start_timestamp));
}

#[tokio::test]
async fn a_guest_does_not_hold_all_files_there_can_be() {
    let environment = environment(FunctionGrants { scratch: true, ..FunctionGrants::default() }).await;
    let some = run(&environment, "holds_files", json!(100)).await;
    assert_eq!(result(&some), json!(100));
    let many = run(&environment, "holds_files", json!(100_000)).await;
    assert!((100..256).contains(&result(&many).as_u64().unwrap()), "{:?}", many.view.result);
}

const KIB: u64 = 1024;

/// Fills a directory with a quota of 1,000 KiB and 20 files. Returns how often that succeeded in each of two
/// invocations, and the kind of the error that ended it.
async fn filled(how: &str, times: usize, kib: u64) -> [(u64, Value); 2] {
    let disk = DiskQuota { bytes: 1_000 * KIB, files: 20 };
    let environment = environment(FunctionGrants { scratch: true, disk, ..FunctionGrants::default() }).await;
    let event = json!({"directory": SCRATCH, "how": how, "times": times, "bytes": kib * KIB});
    let filled = result(&run(&environment, "fills", event).await);
    ["first", "again"].map(|step| (filled[step]["done"].as_u64().unwrap(), filled[step]["error"].clone()))
}

#[tokio::test]
async fn a_directory_does_not_grow_beyond_its_quota() {
    let full = json!("no storage space");
    for (how, kib, first, again) in [
        ("files", 100, 10, 10),
        ("files", 1, 20, 20),
        ("appends", 300, 3, 0),
        ("sizes", 400, 2, 2),
        ("seeks", 400, 2, 2),
        ("directories", 0, 20, 0),
        ("holds", 300, 3, 3),
    ] {
        let [one, two] = filled(how, 100, kib).await;
        assert_eq!((one, two.0), ((first, full.clone()), again), "{how} {kib}: {two:?}");
    }
}

#[tokio::test]
async fn space_that_is_given_back_can_be_used_again() {
    for how in ["replaces", "renames", "removes", "fails"] {
        let done = filled(how, 100, 300).await;
        assert_eq!(done, [(100, Value::Null), (100, Value::Null)], "{how}");
    }
}

#[tokio::test]
async fn a_granted_directory_has_the_quota_on_top_of_what_is_there() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("large"), vec![0; 5 << 20]).unwrap();
    let mut grants =
        FunctionGrants { disk: DiskQuota { bytes: 1_000 * KIB, files: 20 }, ..FunctionGrants::default() };
    grants.all.directory(folder.path(), "/data", Access::ReadWrite).unwrap();
    let environment = environment(grants).await;
    for how in ["files", "removes"] {
        let event = json!({"directory": "/data", "how": how, "times": 12, "bytes": 100 * KIB});
        let run = result(&run(&environment, "fills", event).await);
        let done = if how == "files" { 10 } else { 12 };
        assert_eq!(run["first"]["done"], json!(done), "{how}: {run}");
    }
    assert_eq!(fs::metadata(folder.path().join("9")).unwrap().len(), 100 * KIB);
    assert!(
        fs::metadata(folder.path().join("10")).is_ok_and(|file| file.len() == 0)
            || !folder.path().join("10").exists()
    );
}
