//! The thread of an invocation: runs the handler, repeatedly if a fresh run is required, and reports the outcome.
//!
//! Invariants: unless the handler computes endlessly, the invocation ends with an output or a named error; all updates
//! reported by then have been sent, and no value of the handler remains.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use durawasm_core::{
    invocation::{Ended, InvocationReport, Returned},
    protocol::{ErrorObject, InvocationResult, error_types},
};
use durawasm_guest::{
    __private::{Function, run},
    runtime::{Outcome, Runtime},
};

use super::{
    convert,
    durable::Durable,
    host::Host,
    shared_run::{SharedRun, panic_message},
};

/// The outcome of a run of the handler: its value, or a panic.
type HandlerReturned = Result<Outcome, Box<dyn Any + Send>>;

/// Runs the invocation to its end.
pub(super) fn invoke(function: &Function, event: &str, mut durable: Durable) -> InvocationReport {
    // Tokio's timers register with a runtime that is never driven, so a body that awaits one stalls, which is detected
    // and reported. Without a runtime they would panic.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let _timers = runtime.as_ref().ok().map(tokio::runtime::Runtime::enter);
    loop {
        let (over, returned) = run_once(function, event, durable);
        let Some(mut over) = over else {
            return InvocationReport::crashed(ErrorObject::new(
                error_types::EXIT,
                "the handler's run was taken over twice",
            ));
        };
        let stopped = match over.driver.take_ended() {
            Some(Ended::StepTimedOut(step)) => Some(step),
            Some(Ended::Replayed) => None,
            ended => return finish(over, ended, returned),
        };
        durable = match over.restarted(stopped) {
            Ok(fresh) => fresh,
            Err((why, checkpoints)) => {
                return InvocationReport { result: InvocationResult::Crashed(why.into_error()), checkpoints };
            }
        };
    }
}

/// Runs the handler once, until it returns, panics or is unwound.
fn run_once(function: &Function, event: &str, durable: Durable) -> (Option<Durable>, HandlerReturned) {
    let shared = Arc::new(SharedRun::new(durable));
    let host: Arc<dyn Runtime> = Arc::new(Host(Arc::clone(&shared)));
    // Unwind-safe: no state of the handler is accessed after a panic.
    let returned =
        catch_unwind(AssertUnwindSafe(|| run(std::slice::from_ref(function), host, function.name(), event)));
    (shared.over().map(|durable| *durable), returned)
}

/// Sends the remaining updates, and determines the outcome of the invocation.
fn finish(mut durable: Durable, ended: Option<Ended>, returned: HandlerReturned) -> InvocationReport {
    // The reason for ending the run takes precedence over what the handler returned.
    let returned = match (ended, returned) {
        (Some(Ended::Suspended), _) => Returned::Suspended,
        (Some(ended), _) => Returned::Crashed(ended.into_error()),
        (None, Err(panic)) => Returned::Crashed(ErrorObject::new(error_types::EXIT, panic_message(&*panic))),
        (None, Ok(outcome)) => Returned::Value(outcome.map_err(|error| convert::error_in(&error))),
    };
    let result = match durable.flush() {
        Ok(()) => durable.driver.conclude(returned),
        Err(why) => InvocationResult::Crashed(why.into_error()),
    };
    InvocationReport { result, checkpoints: durable.driver.checkpoints() }
}
