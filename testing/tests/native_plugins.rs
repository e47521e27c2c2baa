//! Plugins of native handlers: what they are told, and what becomes of their failures.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use durawasm_core::{
    invocation::{LogBuffer, LogLevel},
    orchestrator::{Environment, EnvironmentOptions},
    protocol::ExecutionStatus,
    server::StartExecution,
};
use durawasm_guest::{
    BoxError, DurableContext, Options, Plugin,
    plugin::{InvocationEndInfo, OperationChangeInfo, OperationEndInfo, UserFunctionInfo},
};
use durawasm_testing::native::NativeHandler;
use serde_json::{Value, json};

/// A step, and a child context with a wait of an hour.
async fn waits(_nothing: (), ctx: DurableContext) -> Result<u32, BoxError> {
    let one = ctx.step(|_| async { Ok(1) }).name("one").await?;
    let inside = |ctx: DurableContext| async move {
        ctx.wait(Duration::from_hours(1)).name("hour").await?;
        Ok(2)
    };
    Ok(one + ctx.run_in_child_context(inside).name("child").await?)
}

/// Runs it with a plugin. Returns the warnings.
async fn watched<P: Plugin>(plugin: impl Fn() -> P + Send + Sync + 'static) -> Vec<String> {
    let log = Arc::new(LogBuffer::default());
    let mut environment = Environment::empty(EnvironmentOptions::default(), log.clone()).unwrap();
    let options = move || Options::builder().plugin(plugin());
    environment.register(NativeHandler::durable_with("waits", waits, options).into_function());
    let run = environment.run(StartExecution::new("waits", None)).await.unwrap();
    assert_eq!(run.view.status, ExecutionStatus::Succeeded, "{:?}", run.view.error);
    assert_eq!(serde_json::from_str::<Value>(run.view.result.as_deref().unwrap()).unwrap(), json!(3));
    let warnings = log.take().into_iter().filter(|line| line.level == LogLevel::Warn);
    warnings.map(|line| line.message).collect()
}

/// Notes the changes that the service reports, and the ends of operations with their results and times.
struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    fn add(&self, note: String) {
        self.0.lock().unwrap().push(note);
    }
}

impl Plugin for Notes {
    fn on_operation_change(&mut self, info: &OperationChangeInfo) -> Result<(), BoxError> {
        let mut changed: Vec<String> = (info.updated_operations().values())
            .map(|operation| format!("{} {}", operation.name().unwrap_or_default(), operation.status()))
            .collect();
        changed.sort();
        self.add(format!("changed {}", changed.join(", ")));
        Ok(())
    }

    fn on_operation_end(&mut self, info: &OperationEndInfo) -> Result<(), BoxError> {
        let (start, end) = (info.start_timestamp(), info.end_timestamp().unwrap());
        let seconds = (end.as_millis() - start.as_millis()) / 1000;
        let (name, result) = (info.name().unwrap(), info.result());
        self.add(format!("{name} ended after {seconds} s with {result:?}, year {:.4}", start.to_string()));
        Ok(())
    }

    fn on_invocation_end(&mut self, info: &InvocationEndInfo) -> Result<(), BoxError> {
        self.add(format!("end {}", info.status()));
        Ok(())
    }
}

#[tokio::test]
async fn a_plugin_is_told_changes_results_and_times() {
    let notes: Arc<Mutex<Vec<String>>> = Arc::default();
    let writing = notes.clone();
    let warnings = watched(move || Notes(writing.clone())).await;
    assert_eq!(warnings, [""; 0]);
    let expected = [
        "changed one SUCCEEDED",
        "one ended after 0 s with Some(\"1\"), year 2025",
        "changed child STARTED, hour STARTED",
        "end PENDING",
        "hour ended after 3600 s with None, year 2025",
        "changed child SUCCEEDED",
        "child ended after 3600 s with Some(\"2\"), year 2025",
        "end SUCCEEDED",
    ];
    assert_eq!(*notes.lock().unwrap(), expected);
}

/// Fails whenever code of the handler is about to run.
struct Fails;

impl Plugin for Fails {
    fn name(&self) -> &'static str {
        "fails"
    }

    fn on_user_function_start(&mut self, info: &UserFunctionInfo) -> Result<(), BoxError> {
        Err(format!("not {}", info.name().unwrap_or_default()).into())
    }
}

#[tokio::test]
async fn a_plugin_that_fails_is_warned_of() {
    let warning =
        |of: &str| format!("plugin fails failed in on_user_function_start, and is ignored: not {of}");
    // The code of the child context runs in both invocations.
    assert_eq!(watched(|| Fails).await, [warning("one"), warning("child"), warning("child")]);
}
