//! One invocation of a native function: a thread, and the future that stands for it.
//!
//! Invariants: an invocation has one thread, which is gone when the invocation is over; when the future is dropped the
//! thread is on its own, can send nothing any more and ends at its next call.

use std::sync::Arc;

use durawasm_core::{
    invocation::{InvocationBounds, InvocationReport, load},
    orchestrator::Invocation,
    protocol::{ErrorObject, error_types},
};
use durawasm_guest::__private::Function;

use super::{durable::Durable, service::Requests, thread};

/// How much stack a handler has. Memory is used only as far as the stack is.
const STACK: usize = 8 << 20;

/// Runs one invocation.
pub(super) async fn invoke(function: Arc<Function>, invocation: Invocation<'_>) -> InvocationReport {
    match start(function, invocation).await {
        Ok(requests) => requests.serve().await.unwrap_or_else(|| {
            let reason = "the handler's thread ended without a word";
            InvocationReport::crashed(ErrorObject::new(error_types::EXIT, reason))
        }),
        Err(error) => InvocationReport::crashed(error),
    }
}

/// Starts the invocation's thread.
async fn start(function: Arc<Function>, invocation: Invocation<'_>) -> Result<Requests, ErrorObject> {
    let Invocation { function: function_name, id, input, limits, around } = invocation;
    // What a native handler writes is not captured, so only the warnings of plugins are log lines.
    let bounds = InvocationBounds { log: usize::MAX, ..InvocationBounds::default() };
    let loaded = load(id, input, limits, bounds, &around).await;
    let (driver, event) = loaded.map_err(|error| error.to_error())?;
    let arn = driver.facts().arn.clone();
    let (service, requests) = Requests::new(around.client, around.clock.clone(), arn);
    let durable = Durable::new(driver, around.clock, service.clone());
    let durable =
        durable.map_err(|error| ErrorObject::new(error_types::CONTRACT_VIOLATION, error.to_string()))?;
    let run = move || service.over(thread::invoke(&function, &event, durable));
    // What is not captured goes where the test's own output goes: threads inherit that from where they are started.
    let name = function_name.replace('\0', "");
    let thread = std::thread::Builder::new().name(name).stack_size(STACK).spawn(run);
    thread.map_err(|error| {
        ErrorObject::new(error_types::THREAD_FAILED, format!("no thread could be started: {error}"))
    })?;
    Ok(requests)
}
