//! Plugins: cases 10-x. Each handler stands beside the plugins that watch it, which print a JSON object for what they
//! see.

pub mod dumps;

use std::time::Duration;

use durable::plugin::{
    InvocationEndInfo, InvocationInfo, OperationChangeInfo, OperationEndInfo, OperationInfo, OperationType,
    UserFunctionEndInfo, UserFunctionInfo,
};
use durable::{BoxError, DurableContext, Plugin, WireError};
use serde_json::{Map, Value, json};

use crate::parallel::returning;
use crate::retries::{a_second_apart, never};
use crate::step::greet;

/// What a plugin calls itself, and the execution that it watches.
pub struct Recorder {
    plugin: &'static str,
    execution_arn: String,
}

impl Default for Recorder {
    fn default() -> Self {
        Self::named("CONFPLUGIN")
    }
}

impl Recorder {
    fn named(plugin: &'static str) -> Self {
        Self { plugin, execution_arn: String::new() }
    }

    /// Remembers the execution, for the records to come.
    fn remember(&mut self, info: &InvocationInfo) {
        info.execution_arn().clone_into(&mut self.execution_arn);
    }

    /// Prints a record, without fields that are null.
    fn print(&self, hook: &str, fields: &[(&str, Value)]) {
        let head = [
            ("plugin", json!(self.plugin)),
            ("hook", json!(hook)),
            ("durableExecutionArn", json!(self.execution_arn)),
        ];
        let fields = head.iter().chain(fields).filter(|(_, value)| !value.is_null());
        let record: Map<String, Value> =
            fields.map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        println!("{}", Value::Object(record));
    }
}

/// The text for a parent, a result or an error that is not there.
fn or_none(text: Option<&str>) -> Value {
    json!(text.unwrap_or("NONE"))
}

fn message(error: Option<&WireError>) -> Option<&str> {
    error.and_then(WireError::error_message)
}

fn is_step(operation: &OperationInfo) -> bool {
    operation.operation_type() == OperationType::Step
}

/// Records where invocations start and end: which is the first, and how each ends.
#[derive(Default)]
pub struct Invocations(Recorder);

impl Plugin for Invocations {
    fn on_invocation_start(&mut self, info: &InvocationInfo) -> Result<(), BoxError> {
        self.0.remember(info);
        self.0.print("invocation-start", &[("first", json!(info.is_first_invocation()))]);
        Ok(())
    }

    fn on_invocation_end(&mut self, info: &InvocationEndInfo) -> Result<(), BoxError> {
        self.0.print("invocation-end", &[("status", json!(info.status().as_str()))]);
        Ok(())
    }
}

/// One step that greets the event, and logs.
pub async fn case_10_1(event: String, ctx: DurableContext) -> Result<String, BoxError> {
    let greeting = ctx
        .step(move |_| async move {
            tracing::info!("Greeting step running for: {event}");
            Ok(greet(&event))
        })
        .await?;
    Ok(greeting)
}

/// Records where steps start and end.
#[derive(Default)]
pub struct Steps(Recorder);

impl Plugin for Steps {
    fn on_invocation_start(&mut self, info: &InvocationInfo) -> Result<(), BoxError> {
        self.0.remember(info);
        Ok(())
    }

    fn on_operation_start(&mut self, info: &OperationInfo) -> Result<(), BoxError> {
        if is_step(info) {
            self.0.print("operation-start", &[("op", json!(info.id()))]);
        }
        Ok(())
    }

    fn on_operation_end(&mut self, info: &OperationEndInfo) -> Result<(), BoxError> {
        if is_step(info) {
            let status = json!(info.status().as_str());
            self.0.print("operation-end", &[("op", json!(info.id())), ("status", status)]);
        }
        Ok(())
    }
}

/// One step that greets the event.
pub async fn case_10_2(event: String, ctx: DurableContext) -> Result<String, BoxError> {
    Ok(ctx.step(move |_| async move { Ok(greet(&event)) }).await?)
}

/// Records where attempts of steps start and end.
#[derive(Default)]
pub struct Attempts(Recorder);

impl Plugin for Attempts {
    fn on_invocation_start(&mut self, info: &InvocationInfo) -> Result<(), BoxError> {
        self.0.remember(info);
        Ok(())
    }

    fn on_user_function_start(&mut self, info: &UserFunctionInfo) -> Result<(), BoxError> {
        if info.operation_type() == OperationType::Step {
            self.0.print("attempt-start", &[("n", json!(info.attempt())), ("op", json!(info.id()))]);
        }
        Ok(())
    }

    fn on_user_function_end(&mut self, info: &UserFunctionEndInfo) -> Result<(), BoxError> {
        if info.operation_type() == OperationType::Step {
            let outcome = json!(info.outcome().as_str());
            self.0.print(
                "attempt-end",
                &[("n", json!(info.attempt())), ("outcome", outcome), ("op", json!(info.id()))],
            );
        }
        Ok(())
    }
}

/// One step whose first attempt fails.
pub async fn case_10_3(_event: Value, ctx: DurableContext) -> Result<String, BoxError> {
    let outcome = ctx
        .step(|step| async move {
            if step.attempt() == 1 {
                return Err("Operation failed".into());
            }
            Ok("Operation succeeded".to_owned())
        })
        .retry_strategy_config(a_second_apart(2))
        .await?;
    Ok(outcome)
}

/// Records where invocations start and end, as one of several plugins.
pub struct OneOfSeveral(Recorder);

impl OneOfSeveral {
    /// Under this name.
    pub fn named(plugin: &'static str) -> Self {
        Self(Recorder::named(plugin))
    }
}

impl Plugin for OneOfSeveral {
    fn on_invocation_start(&mut self, info: &InvocationInfo) -> Result<(), BoxError> {
        self.0.remember(info);
        self.0.print("invocation-start", &[]);
        Ok(())
    }

    fn on_invocation_end(&mut self, info: &InvocationEndInfo) -> Result<(), BoxError> {
        self.0.print("invocation-end", &[("status", json!(info.status().as_str()))]);
        Ok(())
    }
}

/// One step that greets the event.
pub async fn case_10_5(event: String, ctx: DurableContext) -> Result<String, BoxError> {
    Ok(ctx.step(move |_| async move { Ok(greet(&event)) }).await?)
}

/// One wait of two seconds.
pub async fn case_10_6(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    ctx.wait(Duration::from_secs(2)).await?;
    Ok(())
}

/// Records how steps change.
#[derive(Default)]
pub struct StepChanges(Recorder);

impl Plugin for StepChanges {
    fn on_invocation_start(&mut self, info: &InvocationInfo) -> Result<(), BoxError> {
        self.0.remember(info);
        Ok(())
    }

    fn on_operation_change(&mut self, info: &OperationChangeInfo) -> Result<(), BoxError> {
        for step in info.updated_operations().values().filter(|operation| is_step(operation)) {
            let in_full_map = info.operations().contains_key(step.id());
            self.0.print(
                "operation-change",
                &[
                    ("op", json!(step.id())),
                    ("status", json!(step.status().as_str())),
                    ("in_full_map", json!(in_full_map)),
                ],
            );
        }
        Ok(())
    }
}

/// One step that greets the event.
pub async fn case_10_8(event: String, ctx: DurableContext) -> Result<String, BoxError> {
    Ok(ctx.step(move |_| async move { Ok(greet(&event)) }).await?)
}

/// Records, where an invocation starts, which waits have ended since the previous one.
#[derive(Default)]
pub struct EndedWaits(Recorder);

impl Plugin for EndedWaits {
    fn on_invocation_start(&mut self, info: &InvocationInfo) -> Result<(), BoxError> {
        self.0.remember(info);
        let updated = info.updated_operations().values();
        for wait in updated.filter(|operation| operation.operation_type() == OperationType::Wait) {
            self.0.print(
                "updated-on-invoke",
                &[
                    ("op", json!(wait.id())),
                    ("status", json!(wait.status().as_str())),
                    ("first", json!(info.is_first_invocation())),
                ],
            );
        }
        Ok(())
    }
}

/// One wait of two seconds.
pub async fn case_10_9(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    ctx.wait(Duration::from_secs(2)).await?;
    Ok(())
}

/// Records where operations end, and to which context they belong.
#[derive(Default)]
pub struct Parents(Recorder);

impl Plugin for Parents {
    fn on_invocation_start(&mut self, info: &InvocationInfo) -> Result<(), BoxError> {
        self.0.remember(info);
        Ok(())
    }

    fn on_operation_end(&mut self, info: &OperationEndInfo) -> Result<(), BoxError> {
        self.0.print(
            "operation-end",
            &[
                ("op", json!(info.id())),
                ("parent", or_none(info.parent_id())),
                ("status", json!(info.status().as_str())),
            ],
        );
        Ok(())
    }
}

/// A child context with one step, which greets the event.
pub async fn case_10_11(event: String, ctx: DurableContext) -> Result<String, BoxError> {
    let greeting = ctx
        .run_in_child_context(|child| async move {
            Ok(child.step(move |_| async move { Ok(greet(&event)) }).await?)
        })
        .await?;
    Ok(greeting)
}

/// Records where the functions of branches start and end.
#[derive(Default)]
pub struct Branches(Recorder);

impl Plugin for Branches {
    fn on_invocation_start(&mut self, info: &InvocationInfo) -> Result<(), BoxError> {
        self.0.remember(info);
        Ok(())
    }

    fn on_user_function_start(&mut self, info: &UserFunctionInfo) -> Result<(), BoxError> {
        if info.sub_type() == Some("ParallelBranch") {
            let parent = or_none(info.parent_id());
            self.0.print("fn-start", &[("op", json!(info.id())), ("parent", parent)]);
        }
        Ok(())
    }

    fn on_user_function_end(&mut self, info: &UserFunctionEndInfo) -> Result<(), BoxError> {
        if info.sub_type() == Some("ParallelBranch") {
            let outcome = json!(info.outcome().as_str());
            self.0.print(
                "fn-end",
                &[("op", json!(info.id())), ("parent", or_none(info.parent_id())), ("outcome", outcome)],
            );
        }
        Ok(())
    }
}

/// Two branches without operations, one after the other.
pub async fn case_10_12(_event: Value, ctx: DurableContext) -> Result<Vec<String>, BoxError> {
    let branches = [returning("branch-0", "task-1"), returning("branch-1", "task-2")];
    Ok(ctx.parallel(branches).name("parallel").max_concurrency(1).await?)
}

/// Records with what steps end.
#[derive(Default)]
pub struct Outcomes(Recorder);

impl Plugin for Outcomes {
    fn on_invocation_start(&mut self, info: &InvocationInfo) -> Result<(), BoxError> {
        self.0.remember(info);
        Ok(())
    }

    fn on_operation_end(&mut self, info: &OperationEndInfo) -> Result<(), BoxError> {
        if is_step(info) {
            self.0.print(
                "operation-end",
                &[
                    ("op", json!(info.id())),
                    ("status", json!(info.status().as_str())),
                    ("result", or_none(info.result())),
                    ("error", or_none(message(info.error()))),
                ],
            );
        }
        Ok(())
    }
}

/// A step that succeeds, and one that fails for good.
pub async fn case_10_14(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    ctx.step(|_| async { Ok("task-a".to_owned()) }).await?;
    ctx.step(|_| async { Err::<(), _>("boom".into()) }).retry_strategy(never).await?;
    Ok(())
}

/// Records where invocations start, and whether the execution is over where they end.
#[derive(Default)]
pub struct Suspensions(Recorder);

impl Plugin for Suspensions {
    fn on_invocation_start(&mut self, info: &InvocationInfo) -> Result<(), BoxError> {
        self.0.remember(info);
        self.0.print("invocation-start", &[("first", json!(info.is_first_invocation()))]);
        Ok(())
    }

    fn on_invocation_end(&mut self, info: &InvocationEndInfo) -> Result<(), BoxError> {
        self.0.print(
            "invocation-end",
            &[
                ("first", json!(info.is_first_invocation())),
                ("terminal", json!(info.status().is_terminal())),
                ("status", json!(info.status().as_str())),
            ],
        );
        Ok(())
    }
}

/// One wait of two seconds.
pub async fn case_10_16(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    ctx.wait(Duration::from_secs(2)).await?;
    Ok(())
}
