//! What an invocation's thread does: runs the handler, again where a fresh run is due, and says what came of it.
//!
//! Invariants: whatever the handler does short of computing for ever, the invocation ends as an output or as a named
//! error; what was reported by then has been sent, and nothing of the handler is left.

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
    seam::{Seam, panic_message},
};

/// What a run of the handler comes to: a value, or a panic.
type HandlerReturned = Result<Outcome, Box<dyn Any + Send>>;

/// Runs the invocation to its end.
pub(super) fn invoke(function: &Function, event: &str, mut durable: Durable) -> InvocationReport {
    // Tokio's timers find a runtime that nobody drives, so a body that awaits one waits for ever, and is told so.
    // Without any runtime they would panic instead.
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
    let seam = Arc::new(Seam::new(durable));
    let host: Arc<dyn Runtime> = Arc::new(Host(Arc::clone(&seam)));
    // Nothing of the handler is looked at after it has panicked.
    let returned =
        catch_unwind(AssertUnwindSafe(|| run(std::slice::from_ref(function), host, function.name(), event)));
    (seam.over().map(|durable| *durable), returned)
}

/// Sends what is left to send, and decides what the invocation comes to.
fn finish(mut durable: Durable, ended: Option<Ended>, returned: HandlerReturned) -> InvocationReport {
    let unreachable = ended.as_ref().is_some_and(Ended::is_unreachable);
    // Why the run was ended counts, whatever the handler made of it.
    let returned = match (ended, returned) {
        (Some(Ended::Suspended), _) => Returned::Suspended,
        (Some(ended), _) => Returned::Crashed(ended.into_error()),
        (None, Err(panic)) => Returned::Crashed(ErrorObject::new(error_types::EXIT, panic_message(&*panic))),
        (None, Ok(outcome)) => Returned::Value(outcome.map_err(|error| convert::error_in(&error))),
    };
    let sent = if unreachable { Ok(()) } else { durable.flush() };
    let result = match sent {
        Ok(()) => durable.driver.conclude(returned),
        Err(why) => InvocationResult::Crashed(why.into_error()),
    };
    InvocationReport { result, checkpoints: durable.driver.checkpoints() }
}
