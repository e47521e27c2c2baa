//! The actions that each type of operation allows in each of its states.

use super::effect::{Begin, Effect};
use crate::protocol::{
    Limits, OperationAction as Action, OperationStatus as Status, OperationType as Type, OperationUpdate,
    ServiceError, invalid, is_function_name, is_tenant_id,
};

/// Returns the effect of the update on an operation of this type and status; `None` if the operation does not exist.
pub(super) fn effect(
    update: OperationUpdate,
    current: Option<(Type, Status)>,
) -> Result<Effect, ServiceError> {
    if let Some((kind, _)) = current
        && kind != update.kind
    {
        return invalid(format!("operation {} is a {kind}, not a {}", update.id, update.kind));
    }
    let status = current.map(|(_, status)| status);
    match update.kind {
        Type::Execution => execution(update),
        Type::Context => context(update, status),
        Type::Step => step(update, status),
        Type::Wait => wait(update, status),
        Type::Callback => callback(update, status),
        Type::ChainedInvoke => invoke(update, status),
    }
}

fn begin(update: OperationUpdate, begin: Begin) -> Effect {
    let OperationUpdate { parent_id, name, sub_type, .. } = update;
    Effect::Begin { parent_id, name, sub_type, begin }
}

fn refuse<T>(update: &OperationUpdate, status: Option<Status>, what: &str) -> Result<T, ServiceError> {
    let stands = status.map_or("does not exist".to_owned(), |status| format!("is {status}"));
    invalid(format!("{what}: operation {} {stands}.", update.id))
}

fn wrong_action<T>(update: &OperationUpdate) -> Result<T, ServiceError> {
    let action = match update.action {
        Action::Start => "START",
        Action::Succeed => "SUCCEED",
        Action::Fail => "FAIL",
        Action::Retry => "RETRY",
        Action::Cancel => "CANCEL",
    };
    invalid(format!("Invalid {} action: {action}, of operation {}.", update.kind, update.id))
}

/// The handler may use any id, because there is only one EXECUTION.
fn execution(update: OperationUpdate) -> Result<Effect, ServiceError> {
    match update.action {
        Action::Succeed => Ok(Effect::Decide(Ok(update.payload))),
        Action::Fail => Ok(Effect::Decide(Err(update.error.unwrap_or_default()))),
        Action::Start | Action::Retry | Action::Cancel => wrong_action(&update),
    }
}

fn context(update: OperationUpdate, status: Option<Status>) -> Result<Effect, ServiceError> {
    match (update.action, status) {
        (Action::Start, None) => Ok(begin(update, Begin::Context)),
        (Action::Start, Some(_)) => refuse(&update, status, "Cannot start a CONTEXT that already exists"),
        (Action::Succeed, Some(Status::Started)) => Ok(Effect::ContextSucceed {
            replay_children: update.context_options.is_some_and(|options| options.replay_children),
            result: update.payload,
        }),
        (Action::Fail, Some(Status::Started)) => Ok(Effect::ContextFail(update.error.unwrap_or_default())),
        (Action::Succeed | Action::Fail, _) => {
            refuse(&update, status, "Invalid current CONTEXT state to close")
        }
        (Action::Retry | Action::Cancel, _) => wrong_action(&update),
    }
}

fn step(update: OperationUpdate, status: Option<Status>) -> Result<Effect, ServiceError> {
    let open = matches!(status, Some(Status::Started | Status::Ready));
    match update.action {
        Action::Start => match status {
            None => Ok(begin(update, Begin::Step)),
            Some(Status::Ready) => Ok(Effect::StartAttempt),
            Some(_) => refuse(&update, status, "Invalid current STEP state to start"),
        },
        Action::Succeed if open => Ok(Effect::StepSucceed(update.payload)),
        Action::Fail if open => Ok(Effect::StepFail(update.error.unwrap_or_default())),
        Action::Succeed | Action::Fail => refuse(&update, status, "Invalid current STEP state to close"),
        Action::Retry if open => {
            let delay = update.step_options.and_then(|options| options.next_attempt_delay_seconds);
            let delay_seconds = delay_in_range(&update, "StepOptions.NextAttemptDelaySeconds", delay)?;
            let outcome = update.error.map_or(Ok(update.payload), Err);
            Ok(Effect::StepRetry { delay_seconds, outcome })
        }
        Action::Retry => refuse(&update, status, "Invalid current STEP state to re-attempt"),
        Action::Cancel => wrong_action(&update),
    }
}

fn wait(update: OperationUpdate, status: Option<Status>) -> Result<Effect, ServiceError> {
    match (update.action, status) {
        (Action::Start, None) => {
            let seconds = update.wait_options.and_then(|options| options.wait_seconds);
            let seconds = delay_in_range(&update, "WaitOptions.WaitSeconds", seconds)?;
            Ok(begin(update, Begin::Wait { seconds }))
        }
        (Action::Start, Some(_)) => refuse(&update, status, "Cannot start a WAIT that already exists"),
        (Action::Cancel, Some(Status::Started)) => Ok(Effect::CancelWait),
        (Action::Cancel, _) => {
            refuse(&update, status, "Cannot cancel a WAIT that does not exist or has already completed")
        }
        (Action::Succeed | Action::Fail | Action::Retry, _) => wrong_action(&update),
    }
}

fn callback(update: OperationUpdate, status: Option<Status>) -> Result<Effect, ServiceError> {
    match (update.action, status) {
        (Action::Start, None) => {
            let options = update.callback_options.unwrap_or_default();
            callback_limit(&update, "TimeoutSeconds", options.timeout_seconds)?;
            callback_limit(&update, "HeartbeatTimeoutSeconds", options.heartbeat_timeout_seconds)?;
            Ok(begin(update, Begin::Callback(options)))
        }
        (Action::Start, Some(_)) => refuse(&update, status, "Cannot start a CALLBACK that already exists"),
        (Action::Cancel, Some(Status::Started)) => Ok(Effect::CancelCallback),
        (Action::Cancel, _) => {
            refuse(&update, status, "Cannot cancel a CALLBACK that does not exist or has already completed")
        }
        (Action::Succeed | Action::Fail | Action::Retry, _) => wrong_action(&update),
    }
}

fn invoke(update: OperationUpdate, status: Option<Status>) -> Result<Effect, ServiceError> {
    match (update.action, status) {
        (Action::Start, None) => {
            let options = update.chained_invoke_options.clone().unwrap_or_default();
            if !is_function_name(&options.function_name) {
                let what = "is not the name of a function, 1 to 256 of A-Z a-z 0-9 - _ . : $";
                return invalid(format!(
                    "ChainedInvokeOptions.FunctionName of operation {} {what}",
                    update.id
                ));
            }
            if options.tenant_id.as_ref().is_some_and(|tenant| !is_tenant_id(tenant)) {
                let what = "is not a tenant id, 1 to 256 of A-Z a-z 0-9 . _ : / = + - @ and space";
                return invalid(format!("ChainedInvokeOptions.TenantId of operation {} {what}", update.id));
            }
            let payload = update.payload.clone();
            let (function_name, tenant_id) = (options.function_name, options.tenant_id);
            Ok(begin(update, Begin::Invoke { function_name, tenant_id, payload }))
        }
        (Action::Start, Some(_)) => {
            refuse(&update, status, "Cannot start a CHAINED_INVOKE that already exists")
        }
        (Action::Cancel, Some(Status::Started)) => Ok(Effect::CancelInvoke),
        (Action::Cancel, _) => refuse(
            &update,
            status,
            "Cannot cancel a CHAINED_INVOKE that does not exist or has already completed",
        ),
        (Action::Succeed | Action::Fail | Action::Retry, _) => wrong_action(&update),
    }
}

fn delay_in_range(update: &OperationUpdate, what: &str, seconds: Option<u64>) -> Result<u64, ServiceError> {
    let (least, most) = (Limits::DELAY_SECONDS.start(), Limits::DELAY_SECONDS.end());
    match seconds {
        Some(seconds) if Limits::DELAY_SECONDS.contains(&seconds) => Ok(seconds),
        Some(seconds) => {
            invalid(format!("{what} of operation {} is {seconds}; {least} to {most} is allowed", update.id))
        }
        None => {
            invalid(format!("{what} of operation {} is missing; {least} to {most} is allowed", update.id))
        }
    }
}

fn callback_limit(update: &OperationUpdate, what: &str, seconds: Option<u64>) -> Result<(), ServiceError> {
    match seconds.filter(|seconds| !Limits::CALLBACK_SECONDS.contains(seconds)) {
        None => Ok(()),
        Some(seconds) => {
            let most = Limits::CALLBACK_SECONDS.end();
            let id = &update.id;
            invalid(format!("CallbackOptions.{what} of operation {id} is {seconds}; 0 to {most} is allowed"))
        }
    }
}
