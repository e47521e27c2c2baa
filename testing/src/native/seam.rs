//! Where the handler's calls meet the invocation: each runs on its state, or ends the run.
//!
//! Invariants:
//! - a run ends by unwinding, with a payload that no hook sees and nothing prints; why it ended is kept here, and
//!   counts whatever the handler does about the unwinding;
//! - once a run has ended, every call of it unwinds again;
//! - a call from a destructor while its thread unwinds does nothing, and returns something harmless.

use std::{
    any::Any,
    panic::resume_unwind,
    sync::{Mutex, MutexGuard, PoisonError},
};

use durawasm_core::{invocation::Ended, replay::ScopeKey};

use super::{
    durable::Durable,
    service::{Service, given_up},
};

/// What a run is unwound with.
struct Unwinding;

/// One run of a handler, seen from its calls.
pub(super) struct Seam {
    /// The run; none once it is over.
    state: Mutex<Option<Box<Durable>>>,
    service: Service,
    /// The execution's own scope.
    pub(super) root: ScopeKey,
}

impl Seam {
    pub(super) fn new(durable: Durable) -> Self {
        let (service, root) = (durable.service.clone(), durable.driver.engine().root());
        Self { state: Mutex::new(Some(Box::new(durable))), service, root }
    }

    fn state(&self) -> MutexGuard<'_, Option<Box<Durable>>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does what the handler calls for. Unwinds where the run has ended, or ends with it.
    pub(super) fn call<T>(
        &self,
        harmless: impl FnOnce() -> T,
        act: impl FnOnce(&mut Durable) -> Result<T, Ended>,
    ) -> T {
        if std::thread::panicking() {
            return harmless();
        }
        self.attempt(act).unwrap_or_else(|| unwind())
    }

    /// The same for what is told to the host alone: it never unwinds, so that destructors may call it.
    pub(super) fn tell(&self, act: impl FnOnce(&mut Durable)) {
        let told = self.attempt(|durable| {
            act(durable);
            Ok(())
        });
        let _: Option<()> = told;
    }

    /// None where the run has ended.
    fn attempt<T>(&self, act: impl FnOnce(&mut Durable) -> Result<T, Ended>) -> Option<T> {
        let mut state = self.state();
        let durable = state.as_mut().filter(|durable| durable.driver.ended().is_none())?;
        let done = if self.service.is_gone() { Err(given_up()) } else { act(durable) };
        done.map_err(|why| durable.driver.end(why)).ok()
    }

    /// The run is over: its state. To be asked once.
    pub(super) fn over(&self) -> Option<Box<Durable>> {
        self.state().take()
    }
}

fn unwind() -> ! {
    resume_unwind(Box::new(Unwinding))
}

/// What a panic of the handler has to say.
pub(super) fn panic_message(panic: &(dyn Any + Send)) -> String {
    if panic.is::<Unwinding>() {
        return "the handler used a context of an earlier invocation".to_owned();
    }
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("the handler panicked: {}", text.unwrap_or("with a value that is no text"))
}
