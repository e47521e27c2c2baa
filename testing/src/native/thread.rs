//! What an invocation's thread does: runs the handler, again where a fresh run is due, and says what came of it.
//!
//! Always true: whatever the handler does short of computing for ever, the invocation ends as an output or as a named error;
//! what was reported by then has been sent, and nothing of the handler is left.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use durawasm_guest::{
    __private::{Function, run},
    runtime::{Outcome, Runtime},
};
use durawasm_host::{
    protocol::{ErrorObject, InvocationOutput},
    replay::{Divergence, Ended},
    sandbox::InvocationEnd,
};

use super::{
    convert,
    durable::Durable,
    host::Host,
    seam::{Seam, panic_message},
};

/// What a run of the handler comes to: a value, or a panic.
type Returned = Result<Outcome, Box<dyn Any + Send>>;

/// Runs the invocation to its end.
pub(super) fn invoke(function: &Function, event: &str, mut durable: Durable) -> InvocationEnd {
    // Tokio's timers find a runtime that nobody drives, so a body that awaits one waits for ever, and is told so. Without any
    // runtime they would panic instead.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let _timers = runtime.as_ref().ok().map(tokio::runtime::Runtime::enter);
    loop {
        let (over, ended, returned) = run_once(function, event, durable);
        let Some(over) = over else { return InvocationEnd::Crashed(out_of_turn()) };
        let stopped = match ended {
            Some(Ended::StepTimedOut(step)) => Some(step),
            Some(Ended::Replayed) => None,
            ended => return finish(over, ended, returned),
        };
        durable = match over.restarted(stopped) {
            Ok(fresh) => fresh,
            Err(why) => return InvocationEnd::Crashed(error_of(why)),
        };
    }
}

/// Runs the handler once, until it returns, panics or is unwound.
fn run_once(
    function: &Function,
    event: &str,
    durable: Durable,
) -> (Option<Durable>, Option<Ended>, Returned) {
    let seam = Arc::new(Seam::new(durable));
    let host: Arc<dyn Runtime> = Arc::new(Host(Arc::clone(&seam)));
    // Nothing of the handler is looked at after it has panicked.
    let returned =
        catch_unwind(AssertUnwindSafe(|| run(std::slice::from_ref(function), host, function.name(), event)));
    let (durable, ended) = seam.over();
    (durable.map(|durable| *durable), ended, returned)
}

/// Sends what is left to send, and decides what the invocation comes to.
fn finish(mut durable: Durable, ended: Option<Ended>, returned: Returned) -> InvocationEnd {
    let unreachable = ended.as_ref().is_some_and(Ended::is_unreachable);
    // Why the run was ended counts, whatever the handler made of it.
    let comes_to = match (ended, returned) {
        (Some(Ended::Suspended), _) => Ok(None),
        (Some(ended), _) => Err(error_of(ended)),
        (None, Err(panic)) => Err(ErrorObject::new("Runtime.ExitError", panic_message(&*panic))),
        (None, Ok(outcome)) => Ok(Some(outcome)),
    };
    if !unreachable && let Err(why) = durable.flush() {
        return InvocationEnd::Crashed(error_of(why));
    }
    match comes_to {
        Err(error) if error.error_type.as_deref() == Some(Divergence::TYPE) => {
            InvocationEnd::Output(InvocationOutput::failed(error))
        }
        Err(error) => InvocationEnd::Crashed(error),
        Ok(None) => InvocationEnd::Output(InvocationOutput::pending()),
        Ok(Some(outcome)) => {
            let outcome = outcome.map_err(|error| convert::error_in(&error));
            InvocationEnd::Output(durable.engine.conclude(outcome))
        }
    }
}

/// What a run that was ended so comes to.
fn error_of(ended: Ended) -> ErrorObject {
    ended.into_error().unwrap_or_else(out_of_turn)
}

fn out_of_turn() -> ErrorObject {
    ErrorObject::new("Runtime.ExitError", "the handler's run was ended out of turn")
}
