//! Guests that misbehave: each causes a named error, and never a panic or a hang of the host.

use std::time::Duration;

use crate::common::{bounded, error, handler, history, value};
use durawasm_testing::{
    ExecutionStatus, InvocationRetry, LocalDurableTestRunner, OperationStatus, SandboxLimits,
};
use serde_json::json;

fn tight() -> SandboxLimits {
    SandboxLimits {
        cpu: Duration::from_millis(200),
        memory: 32 << 20,
        log: 20_000,
        ..SandboxLimits::default()
    }
}

#[tokio::test]
async fn what_misbehaves_ends_as_a_named_error() {
    for (function, kind, says) in [
        ("panics", "Runtime.ExitError", "panicked at testing/guests/src/hostile.rs"),
        ("panics_in_step", "Runtime.ExitError", "panicked"),
        ("exits", "Runtime.ExitError", "exited, with failure"),
        ("spins", "Sandbox.CpuLimitExceeded", "computed for longer"),
        ("spins_in_step", "Sandbox.CpuLimitExceeded", "computed for longer"),
        ("allocates", "Sandbox.MemoryLimitExceeded", "more memory"),
    ] {
        let runner = bounded(function, &tight())
            .invocation_retry(InvocationRetry { max_retries: 1, first_delay_seconds: 1 });
        let result = runner.run(()).await.unwrap();
        assert_eq!(result.get_status(), ExecutionStatus::Failed);
        let (found, message) = error(&result);
        assert!(found == kind && message.contains(says), "{function}: {found}: {message}");
        assert_eq!(result.get_invocations().len(), 2, "{function} is tried once more");
        assert!(result.get_invocations().iter().all(|i| i.error.is_some()));
    }
}

#[tokio::test]
async fn a_panic_shows_where_in_the_handler() {
    let result = handler("panics").run(()).await.unwrap();
    let frames = &result.get_error().unwrap().stack_trace;
    assert!(
        frames.first().is_some_and(|f| f.contains("durawasm_test_guests") || f.contains("durawasm_guest")),
        "{frames:#?}"
    );
}

#[tokio::test]
async fn an_interrupted_at_most_once_step_does_not_run_again() {
    let result = handler("at_most_once_panics").run(()).await.unwrap();
    assert_eq!(error(&result).0, "StepInterrupted", "{:?}", error(&result));
    let started = history(&result).iter().filter(|e| e.starts_with("StepStarted")).count();
    assert_eq!((started, result.get_invocations().len()), (1, 2), "{:#?}", history(&result));
}

#[tokio::test]
async fn a_handler_that_does_something_else_on_replay_is_found_out() {
    let result = handler("divergent").run(()).await.unwrap();
    let (kind, message) = error(&result);
    assert_eq!(kind, "NonDeterministicExecutionError");
    assert!(message.contains("\"live\"") && message.contains("\"replayed\""), "{message}");
}

#[tokio::test]
async fn what_never_completes_is_no_hang() {
    for (function, kind) in [("hangs_on_foreign_future", "HandlerStalled"), ("hangs_in_step", "StepStalled")]
    {
        let result = handler(function).run(()).await.unwrap();
        assert_eq!(error(&result).0, kind, "{function}: {:?}", error(&result));
    }
}

#[tokio::test]
async fn an_execution_that_takes_too_long_times_out() {
    let runner = handler("two_steps_and_wait").execution_timeout(Duration::from_mins(1));
    let result = runner.run(3600).await.unwrap();
    assert_eq!(result.get_status(), ExecutionStatus::TimedOut);
    assert_eq!(history(&result).last().unwrap(), "ExecutionTimedOut +60");

    // The timeout also applies during an invocation: the instance is dropped while it sleeps, and time advances no
    // further.
    let runner = handler("sleeps_in_step").execution_timeout(Duration::from_mins(1));
    let result = runner.run(7200).await.unwrap();
    assert_eq!(result.get_status(), ExecutionStatus::TimedOut);
    assert_eq!(history(&result).last().unwrap(), "ExecutionTimedOut +60", "{:#?}", history(&result));
    let step = result.get_operation("sleep").unwrap();
    assert_eq!(step.status, OperationStatus::Started, "what it did after that is not recorded");
}

#[tokio::test]
async fn a_file_that_is_no_handler_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let real =
        std::fs::read(LocalDurableTestRunner::build(concat!(env!("CARGO_MANIFEST_DIR"), "/guests")).unwrap())
            .unwrap();
    let component = b"\0asm\x0d\0\x01\0";
    let cases: [(&str, &[u8], &str); 5] = [
        ("empty", b"", "not a valid"),
        ("text", b"hello", "not a valid"),
        ("module", b"\0asm\x01\0\0\0", "not a valid"),
        ("component", component, "does not export"),
        ("cut", &real[..real.len() / 2], "not a valid"),
    ];
    for (name, bytes, says) in cases {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let error = LocalDurableTestRunner::from_component(&path).err().unwrap().to_string();
        assert!(error.contains(says) && !error.contains('\n'), "{name}: {error}");
    }
    let error = LocalDurableTestRunner::from_component(dir.path().join("none")).err().unwrap();
    assert!(error.to_string().contains("cannot read"), "{error}");
}

#[tokio::test]
async fn an_unknown_function_and_an_event_that_is_not_json() {
    let error = handler("nothing").run(()).await.unwrap_err();
    assert!(error.to_string().contains("there is no function \"nothing\""), "{error}");
    let result = handler("bad_event").run_text("{".to_owned()).await;
    match result {
        Ok(result) => assert_eq!(crate::common::error(&result).0, "InvalidEvent"),
        Err(error) => assert!(error.to_string().contains("JSON"), "{error}"),
    }
}

#[tokio::test]
async fn logs_are_bounded() {
    let limits = SandboxLimits { log: 200, ..SandboxLimits::default() };
    let result = bounded("prints", &limits).run(()).await.unwrap();
    assert_eq!(error(&result).0, "Sandbox.LogLimitExceeded");
    assert_eq!(value(&handler("prints").run(()).await.unwrap()), json!(null));
}
