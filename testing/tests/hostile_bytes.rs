//! Guests that make the host keep as much as it will: each is stopped by its budget of bytes, and only it.

use std::{fmt::Write as _, process::Command, sync::Arc};

use crate::common::{error, handler, value};
use durawasm_core::{
    budget::HostBudget,
    invocation::LogBuffer,
    orchestrator::{Environment, EnvironmentOptions},
    protocol::{ExecutionStatus, Limits},
    server::StartExecution,
};
use durawasm_sandbox::{Handler, Sandbox, SandboxLimits};
use durawasm_testing::LocalDurableTestRunner;
use serde_json::{Value, json};

const MIB: usize = 1 << 20;

/// What a guest hoards, how often at most, how large each is in bytes, and the error that ends it.
const HOARDS: [(&str, u32, usize, &str); 12] = [
    ("results", 1_000, 5 * MIB, "Execution.ByteLimitExceeded"),
    ("payloads", 1_000, 5 * MIB, "Execution.ByteLimitExceeded"),
    ("states", 1, 2 * MIB, "Execution.ByteLimitExceeded"),
    ("lines", 1_000_000, 60_000, "Execution.ByteLimitExceeded"),
    ("blank", 100_000, 0, "Execution.ByteLimitExceeded"),
    ("invocations", 1_000, 15 * MIB, "Execution.ByteLimitExceeded"),
    ("unsent", 1_000_000, 0, "Execution.ByteLimitExceeded"),
    ("operations", 100_000, 8 * MIB, "Sandbox.LogLimitExceeded"),
    ("fields", 100_000, 500_000, "Execution.ByteLimitExceeded"),
    ("unsent", 1_000, 5 * MIB, "Execution.ByteLimitExceeded"),
    ("initial", 1_000, 5 * MIB, "Execution.ByteLimitExceeded"),
    ("frames", 1_000_000, 1_000, "Execution.ByteLimitExceeded"),
];

fn hoard((how, times, bytes, _): (&str, u32, usize, &str)) -> Value {
    json!({ "how": how, "times": times, "bytes": bytes })
}

fn guests(limits: &SandboxLimits) -> Handler {
    let component = LocalDurableTestRunner::build(concat!(env!("CARGO_MANIFEST_DIR"), "/guests")).unwrap();
    let (sandbox, _) = Sandbox::with_default_cache(limits).unwrap();
    sandbox.load(&std::fs::read(component).unwrap()).unwrap()
}

/// An environment with the test handlers, in which all executions share the budget.
async fn environment(guests: &Handler, execution_bytes: usize, host: &HostBudget) -> Environment {
    let limits = Limits { execution_bytes, ..Limits::default() };
    let options = EnvironmentOptions { limits, host: host.clone(), ..EnvironmentOptions::default() };
    Environment::new(options, std::slice::from_ref(guests), Arc::new(LogBuffer::default())).await.unwrap()
}

fn start(event: &Value) -> StartExecution {
    StartExecution::new("hoards", Some(event.to_string()))
}

#[tokio::test]
async fn what_hoards_ends_with_the_limit_and_the_number_reached() {
    let guests = guests(&SandboxLimits::default());
    let mut wrong = Vec::new();
    for hoards in HOARDS {
        let (how, .., kind) = hoards;
        let host = HostBudget::default();
        let environment = environment(&guests, 32 * MIB, &host).await;
        let view = environment.run(start(&hoard(hoards))).await.unwrap().view;
        let error = view.error.unwrap_or_default();
        let message = error.error_message.unwrap_or_default();
        let numbers: Vec<usize> = message
            .split(|c: char| !c.is_ascii_digit())
            .filter_map(|number| number.parse().ok())
            .filter(|number| *number > MIB)
            .collect();
        let told = matches!(numbers[..], [reached, limit] if reached > limit && limit >= 16 * MIB);
        let ended =
            view.invocations.iter().filter_map(|invocation| invocation.error.as_ref()?.error_type.as_deref());
        let crashed = ended.filter(|ended| *ended == kind).count();
        let retried = kind.starts_with("Execution") && crashed > 1;
        let used = host.used();
        drop(environment);
        let as_expected = view.status == ExecutionStatus::Failed
            && error.error_type.as_deref() == Some(kind)
            && told
            && !retried
            && used <= 36 * MIB
            && host.used() == 0;
        if !as_expected {
            let kept = format!("{crashed} crashed, {used} bytes kept, {} left", host.used());
            wrong.push(format!("{how}: {} {:?}: {message}; {kept}", view.status, error.error_type));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn a_bystander_goes_on_while_the_host_is_full() {
    let guests = guests(&SandboxLimits::default());
    let host = HostBudget::new(40 * MIB);
    let environment = environment(&guests, 30 * MIB, &host).await;
    // It fills the host's budget, but not its own, and waits.
    let waiting = StartExecution::new("two_steps_and_wait", Some("10".to_owned()));
    let bystander = environment.server().start_execution(waiting.clone()).await.unwrap();
    let filler =
        environment.server().start_execution(start(&json!({ "how": "", "times": 0 }))).await.unwrap();
    let filling = environment.server().budget(&filler).await.unwrap();
    filling.charge(29 * MIB).unwrap();
    let kept = environment.server().budget(&bystander).await.unwrap().used();
    let hoards = environment.run(start(&hoard(("results", 100, 3 * MIB, "")))).await.unwrap().view;
    let error = hoards.error.unwrap();
    assert_eq!(error.error_type.as_deref(), Some("Sandbox.HostByteLimitExceeded"), "{error}");
    assert_eq!(hoards.invocations.len(), 3, "there may be room later, so it is tried again");
    assert_eq!(environment.server().budget(&bystander).await.unwrap().used(), kept);
    let run = environment.run(waiting).await.unwrap().view;
    assert_eq!(run.status, ExecutionStatus::Succeeded, "{:?}", run.error);
}

#[tokio::test]
async fn nothing_starts_and_no_answer_is_kept_where_there_is_no_room() {
    let guests = guests(&SandboxLimits::default());
    let host = HostBudget::new(MIB);
    let environment = environment(&guests, 2 * MIB, &host).await;
    let large = StartExecution::new("hoards", Some(format!("\"{}\"", "x".repeat(MIB))));
    let refused = environment.run(large).await.unwrap_err().to_string();
    assert!(refused.contains("at most 1048576"), "{refused}");
    assert_eq!(host.used(), 0);

    let runner = handler("hoards").execution_bytes(8 * MIB).answer_all("answer", "1s", "x".repeat(MIB - 2));
    let event = json!({ "how": "callbacks", "times": 500 });
    let result = runner.unwrap().run(event).await.unwrap();
    let (kind, message) = error(&result);
    assert_eq!(kind, "Execution.ByteLimitExceeded", "{message}");

    // A runner's bound of all executions is the lower one here.
    let runner = handler("hoards").host_bytes(MIB);
    let refused = runner.run_text(format!("\"{}\"", "x".repeat(MIB))).await.unwrap_err().to_string();
    assert!(refused.contains("at most 1048576"), "{refused}");
}

#[tokio::test]
async fn a_tree_of_executions_is_bounded_in_number_and_depth() {
    let result = handler("multiplies").invokes(50).run(30).await.unwrap();
    assert_eq!(value(&result), json!(50));
    let result = handler("multiplies").invoke_depth(2).run(30).await.unwrap();
    assert_eq!(value(&result), json!(110));
    let chain = json!({ "function": "counts_down", "payload": 5 });
    for (runner, kind, number) in [
        (handler("invokes").invoke_depth(3), "Invoke.DepthExceeded", "4 functions"),
        (handler("invokes").invokes(3), "Invoke.CountExceeded", "number 4"),
    ] {
        let result = runner.run(&chain).await.unwrap();
        let text = value(&result).to_string();
        assert!(text.contains(number), "{kind}: {text}");
    }
}

#[tokio::test]
async fn many_operations_fit_the_default_budget() {
    let result = handler("hoards").run(json!({ "how": "unsent", "times": 100_000 })).await.unwrap();
    assert_eq!(value(&result), json!(100_000));
}

/// In a process of its own, because its memory is measured: everything at the default limits.
#[test]
#[ignore = "run by the next test, in another process"]
fn hoarding() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let guests = guests(&SandboxLimits::default());
        let host = HostBudget::default();
        let limit = Limits::default().execution_bytes;
        let mut told = String::new();
        for hoards in HOARDS {
            let environment = environment(&guests, limit, &host).await;
            let view = environment.run(start(&hoard(hoards))).await.unwrap().view;
            assert_eq!(view.status, ExecutionStatus::Failed, "{hoards:?}");
            writeln!(told, "{} {} MiB", hoards.0, peak() >> 20).unwrap();
        }
        let environment = environment(&guests, limit, &host).await;
        let tree = StartExecution::new("multiplies", Some("100".to_owned()));
        environment.run(tree).await.unwrap();
        writeln!(told, "multiplies {} MiB", peak() >> 20).unwrap();
        println!("{told}peak {}", peak());
    });
}

/// The most memory that this process has had, in bytes.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() << 10
}

#[test]
#[cfg(target_os = "linux")]
fn the_default_limits_hold_in_the_memory_of_a_small_machine() {
    // Built before, so that the other process only runs it.
    LocalDurableTestRunner::build(concat!(env!("CARGO_MANIFEST_DIR"), "/guests")).unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["hostile_bytes::hoarding", "--exact", "--ignored", "--nocapture"]);
    let output = command.output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}\n{}", String::from_utf8_lossy(&output.stderr));
    let peak = told.lines().find_map(|line| line.strip_prefix("peak ")).unwrap();
    let peak: usize = peak.parse().unwrap();
    // The budget of one execution after another, and then a tree of executions that takes most of the host's.
    assert!(peak < 1900 * MIB, "{told}");
}
