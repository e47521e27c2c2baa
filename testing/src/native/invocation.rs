//! One invocation of a native function: a thread, and the future that represents it to the orchestrator.
//!
//! Invariants: an invocation has one thread, which ends before the invocation does; after the future is dropped, the
//! thread cannot send requests any more, and ends at its next call of its context.

use std::sync::Arc;

use durawasm_core::{
    invocation::{InvocationBounds, InvocationReport, load},
    orchestrator::Invocation,
    protocol::{ErrorObject, error_types},
};
use durawasm_guest::__private::Function;

use super::{durable::Durable, service::Requests, thread};

/// The stack size of a handler, in bytes. The operating system commits memory only for the part that is used.
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
    // The output of a native handler is not captured, so the log contains only the warnings of plugins.
    let bounds = InvocationBounds { log: usize::MAX, ..InvocationBounds::default() };
    let loaded = load(id, input, limits, bounds, &around).await;
    let (driver, event) = loaded.map_err(|error| error.to_error())?;
    let arn = driver.facts().arn.clone();
    let (service, requests) = Requests::new(around.client, around.clock.clone(), arn);
    let durable = Durable::new(driver, around.clock, service.clone());
    let durable =
        durable.map_err(|error| ErrorObject::new(error_types::CONTRACT_VIOLATION, error.to_string()))?;
    let run = move || service.over(thread::invoke(&function, &event, durable));
    // A thread inherits the output capture of the test from the thread that starts it.
    let name = function_name.replace('\0', "");
    let thread = std::thread::Builder::new().name(name).stack_size(STACK).spawn(run);
    thread.map_err(|error| {
        ErrorObject::new(error_types::THREAD_FAILED, format!("no thread could be started: {error}"))
    })?;
    Ok(requests)
}
