//! One invocation of a native function: a thread, and the future that stands for it.
//!
//! Always true: an invocation has one thread, which is gone when the invocation is over; when the future is dropped the thread
//! is on its own, can send nothing any more and ends at its next call.

use std::sync::Arc;

use durawasm_guest::__private::Function;
use durawasm_host::{
    orchestrator::Invocation,
    protocol::ErrorObject,
    replay::{Engine, load_state},
    sandbox::{InvocationEnd, InvocationReport, SandboxLimits},
};

use super::{
    durable::{Durable, Facts},
    observing::Observation,
    service::Requests,
    thread,
};

/// How much stack a handler has. Memory is used only as far as the stack is.
const STACK: usize = 8 << 20;

/// Runs one invocation.
pub(super) async fn invoke(function: Arc<Function>, invocation: Invocation<'_>) -> InvocationReport {
    let crashed = |error| InvocationReport { end: InvocationEnd::Crashed(error), checkpoints: 0 };
    match start(function, invocation).await {
        Ok(requests) => requests.serve().await.unwrap_or_else(|| {
            crashed(ErrorObject::new("Runtime.ExitError", "the handler's thread ended without a word"))
        }),
        Err(error) => crashed(error),
    }
}

/// Starts the invocation's thread.
async fn start(function: Arc<Function>, invocation: Invocation<'_>) -> Result<Requests, ErrorObject> {
    let Invocation { function: function_name, id, input, limits, around } = invocation;
    let loaded = load_state(&input, &*around.client).await;
    let (operations, event) = loaded.map_err(|error| error.to_error())?;
    let bounds = SandboxLimits::default();
    let engine = Engine::new(operations, limits.clone(), bounds.operations);
    let engine = engine.with_news(&input.updated_operation_ids);
    let arn = input.durable_execution_arn;
    let facts = Arc::new(Facts {
        arn: arn.clone(),
        invocation_id: id,
        started: engine.time(),
        deadline: around.clock.precise_now().saturating_add(bounds.wall),
        clock: around.clock.clone(),
        log: around.log,
        faults: around.faults.clone(),
        isolation: around.isolation,
    });
    let observation = Observation::new(engine.is_blank(), input.updated_operation_ids);
    let (service, requests) = Requests::new(around.client, around.faults, around.clock, arn);
    let durable = Durable::new(engine, facts, service.clone(), input.checkpoint_token, observation);
    let durable =
        durable.map_err(|error| ErrorObject::new("Durable.ContractViolation", error.to_string()))?;
    let run = move || service.over(thread::invoke(&function, &event, durable));
    // What is not captured goes where the test's own output goes: threads inherit that from where they are started.
    let name = function_name.replace('\0', "");
    let thread = std::thread::Builder::new().name(name).stack_size(STACK).spawn(run);
    thread.map_err(|error| {
        ErrorObject::new("Runtime.ThreadFailed", format!("no thread could be started: {error}"))
    })?;
    Ok(requests)
}
