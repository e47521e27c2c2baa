//! Connects the calls of a handler with its invocation: each call accesses the run's state, or ends the run.
//!
//! Invariants:
//! - a run ends by unwinding, with a payload that no panic hook sees and nothing prints; the reason is stored here, and
//!   takes precedence over whatever the handler does about the unwinding;
//! - after a run has ended, each of its calls unwinds again;
//! - a call from a destructor during unwinding does nothing, and returns a neutral value.

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

/// The payload of the unwinding that ends a run.
struct Unwinding;

/// The shared state of one run, which the handler's calls access.
pub(super) struct SharedRun {
    /// The state of the run; `None` after the run.
    state: Mutex<Option<Box<Durable>>>,
    service: Service,
    /// The root scope of the execution.
    pub(super) root: ScopeKey,
}

impl SharedRun {
    pub(super) fn new(durable: Durable) -> Self {
        let (service, root) = (durable.service.clone(), durable.driver.engine().root());
        Self { state: Mutex::new(Some(Box::new(durable))), service, root }
    }

    fn state(&self) -> MutexGuard<'_, Option<Box<Durable>>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a call on the state. Unwinds if the run has ended, or if the call ends it.
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

    /// Runs a call that has no result. It never unwinds, so that destructors may use it.
    pub(super) fn notify(&self, act: impl FnOnce(&mut Durable)) {
        self.tell(|durable| {
            act(durable);
            Ok(())
        });
    }

    /// As [`notify`](Self::notify), for a call that the contract may forbid: that ends the run.
    pub(super) fn tell(&self, act: impl FnOnce(&mut Durable) -> Result<(), Ended>) {
        let _: Option<()> = self.attempt(act);
    }

    /// Runs a call; `None` if the run has ended.
    fn attempt<T>(&self, act: impl FnOnce(&mut Durable) -> Result<T, Ended>) -> Option<T> {
        let mut state = self.state();
        let durable = state.as_mut().filter(|durable| durable.driver.ended().is_none())?;
        let done = if self.service.is_gone() { Err(given_up()) } else { act(durable) };
        done.map_err(|why| durable.driver.end(why)).ok()
    }

    /// Ends the run and returns its state. `None` on later calls.
    pub(super) fn over(&self) -> Option<Box<Durable>> {
        self.state().take()
    }
}

fn unwind() -> ! {
    resume_unwind(Box::new(Unwinding))
}

/// The message of a panic.
pub(super) fn panic_message(panic: &(dyn Any + Send)) -> String {
    if panic.is::<Unwinding>() {
        return "the handler used a context of an earlier invocation".to_owned();
    }
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("the handler panicked: {}", text.unwrap_or("with a value that is no text"))
}
