//! Plugins that record everything they receive: cases 10-19 and on.

use std::time::Duration;

use durable::plugin::{
    InvocationEndInfo, InvocationInfo, OperationChangeInfo, OperationEndInfo, OperationInfo,
};
use durable::{BoxError, DurableContext, Plugin};
use serde_json::{Value, json};

use super::{Recorder, is_step, message};

/// Records everything that the invocation hooks receive.
#[derive(Default)]
pub struct InvocationDump(Recorder);

impl Plugin for InvocationDump {
    fn on_invocation_start(&mut self, info: &InvocationInfo) -> Result<(), BoxError> {
        self.0.remember(info);
        self.0.print(
            "invocation-start",
            &[
                ("isFirstInvocation", json!(info.is_first_invocation())),
                ("requestId", json!(info.request_id())),
                ("operationsCount", json!(info.operations().len())),
                ("updatedOperationsCount", json!(info.updated_operations().len())),
                ("executionStartTimestamp", json!(info.execution_start_timestamp().to_string())),
            ],
        );
        Ok(())
    }

    fn on_invocation_end(&mut self, info: &InvocationEndInfo) -> Result<(), BoxError> {
        self.0.print(
            "invocation-end",
            &[
                ("isFirstInvocation", json!(info.is_first_invocation())),
                ("requestId", json!(info.request_id())),
                ("operationsCount", json!(info.operations().len())),
                ("executionStartTimestamp", json!(info.execution_start_timestamp().to_string())),
                ("status", json!(info.status().as_str())),
                ("terminal", json!(info.status().is_terminal())),
                ("executionError", json!(message(info.error()))),
            ],
        );
        Ok(())
    }
}

/// One wait of two seconds; the result is made from the event.
pub async fn case_10_19(event: String, ctx: DurableContext) -> Result<String, BoxError> {
    ctx.wait(Duration::from_secs(2)).await?;
    Ok(format!("done-{event}"))
}

/// All members of an operation's information.
fn dump(info: &OperationInfo) -> Vec<(&'static str, Value)> {
    vec![
        ("id", json!(info.id())),
        ("name", json!(info.name())),
        ("type", json!(info.operation_type().as_str())),
        ("subType", json!(info.sub_type())),
        ("parentId", json!(info.parent_id())),
        ("status", json!(info.status().as_str())),
        ("startTimestamp", json!(info.start_timestamp().to_string())),
        ("endTimestamp", json!(info.end_timestamp().map(|time| time.to_string()))),
        ("error", json!(message(info.error()))),
        ("attempt", json!(info.attempt())),
        ("isReplay", json!(info.is_replay())),
    ]
}

/// Records everything that the operation hooks receive for steps.
#[derive(Default)]
pub struct OperationDump(Recorder);

impl Plugin for OperationDump {
    fn on_invocation_start(&mut self, info: &InvocationInfo) -> Result<(), BoxError> {
        self.0.remember(info);
        Ok(())
    }

    fn on_operation_start(&mut self, info: &OperationInfo) -> Result<(), BoxError> {
        if is_step(info) {
            self.0.print("operation-start", &dump(info));
        }
        Ok(())
    }

    fn on_operation_end(&mut self, info: &OperationEndInfo) -> Result<(), BoxError> {
        if is_step(info) {
            self.0.print("operation-end", &dump(info));
        }
        Ok(())
    }
}

/// One step with a name.
pub async fn case_10_20(_event: Value, ctx: DurableContext) -> Result<String, BoxError> {
    Ok(ctx.step(|_| async { Ok("task-a".to_owned()) }).name("greet").await?)
}

/// Records everything that the change hook receives for steps.
#[derive(Default)]
pub struct ChangeDump(Recorder);

impl Plugin for ChangeDump {
    fn on_invocation_start(&mut self, info: &InvocationInfo) -> Result<(), BoxError> {
        self.0.remember(info);
        Ok(())
    }

    fn on_operation_change(&mut self, info: &OperationChangeInfo) -> Result<(), BoxError> {
        for step in info.updated_operations().values().filter(|operation| is_step(operation)) {
            let mut fields = vec![
                ("executionArn", json!(info.execution_arn())),
                ("updatedOperationsCount", json!(info.updated_operations().len())),
                ("operationsCount", json!(info.operations().len())),
                ("inFullMap", json!(info.operations().contains_key(step.id()))),
            ];
            fields.extend(dump(step));
            self.0.print("operation-change", &fields);
        }
        Ok(())
    }
}

/// One step with a name.
pub async fn case_10_22(_event: Value, ctx: DurableContext) -> Result<String, BoxError> {
    Ok(ctx.step(|_| async { Ok("task-a".to_owned()) }).name("greet").await?)
}
