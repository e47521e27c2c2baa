//! Observation and perturbation of an invocation, for tools that check whether a handler replays.
//!
//! Invariants: without a probe nothing here has an effect or a cost; a probe never changes what is recorded, except
//! that it may replace the outcome of an attempt before it is sent.

use std::{fmt, sync::Arc, time::Duration};

use super::{CheckpointMode, Divergence, Position, Semantics};
use crate::protocol::{OperationId, OperationUpdate};

/// The code that makes a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// Code between operations that ran in an earlier invocation already.
    Replayed,
    /// Code between operations that runs for the first time.
    New,
    /// The body of a step or a condition, or a hook of a plugin: never replayed.
    Body,
}

/// What random bytes are drawn for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Draw {
    /// The first 128 bits of an instance, with which the standard library keys its hash tables.
    HashKeys,
    /// Anything else.
    Random,
}

/// An import that returned to the guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportCall {
    /// The code that called it.
    pub code: Code,
    /// Interface and function, such as `wasi:clocks/wall-clock.now`.
    pub name: &'static str,
    /// The arguments, for people.
    pub arguments: String,
    /// The result, for people.
    pub result: String,
}

/// Sees what one invocation does, and may alter what its guest is told. Every method has a default that does nothing.
pub trait Probe: Send + Sync {
    /// The guest starts an operation, before it is compared with its record. `recorded` says whether it has one. Returns
    /// whether the run ends here, as if the operation was not the recorded one: the error then has the guest's backtrace.
    fn started(&self, start: &OperationUpdate, position: Position, recorded: bool) -> bool {
        let _ = (start, position, recorded);
        false
    }

    /// The checkpoint mode in which the guest begins; none for the default.
    fn mode(&self) -> Option<CheckpointMode> {
        None
    }

    /// A body begins or continues to run.
    fn entered(&self, id: &OperationId, attempt: u32, semantics: Semantics) {
        let _ = (id, attempt, semantics);
    }

    /// A body pauses or has ended.
    fn left(&self, id: &OperationId) {
        let _ = id;
    }

    /// An attempt of an at-most-once step was interrupted, and will not run again.
    fn interrupted(&self, id: &OperationId, attempt: u32) {
        let _ = (id, attempt);
    }

    /// The guest closes an operation or an attempt. `attempt` is set if the body of a step or a condition ran; then the
    /// outcome in `update` may be replaced.
    fn closing(&self, update: &mut OperationUpdate, attempt: Option<u32>) {
        let _ = (update, attempt);
    }

    /// The handler differs from its record: the run ends.
    fn diverged(&self, divergence: &Divergence) {
        let _ = divergence;
    }

    /// A body enters, calls the host, or closes its attempt: a point at which [`Disturbance::DieInBody`] may strike.
    ///
    /// [`Disturbance::DieInBody`]: crate::invocation::Disturbance::DieInBody
    fn point_in_body(&self) {}

    /// The running body sends something that changes the world outside, such as an HTTP request that does not only read.
    fn sends(&self) {}

    /// An import returned.
    fn imported(&self, call: ImportCall) {
        let _ = call;
    }

    /// Returns what the guest reads as time, given the time since the Unix epoch.
    fn time(&self, code: Code, time: Duration) -> Duration {
        let _ = code;
        time
    }

    /// May change random bytes.
    fn random(&self, code: Code, draw: Draw, bytes: &mut [u8]) {
        let _ = (code, draw, bytes);
    }

    /// Returns whether the guest is told that a log level is enabled.
    fn log_enabled(&self, code: Code, enabled: bool) -> bool {
        let _ = code;
        enabled
    }

    /// Whether writing to standard output and error fails.
    fn output_fails(&self) -> bool {
        false
    }

    /// May change the environment variables that the guest reads.
    fn variables(&self, code: Code, variables: &mut Vec<(String, String)>) {
        let _ = (code, variables);
    }

    /// May change the arguments that the guest reads. By default there are none.
    fn arguments(&self, code: Code, arguments: &mut Vec<String>) {
        let _ = (code, arguments);
    }
}

/// The probe of an invocation, if it has one.
#[derive(Clone, Default)]
pub struct Probed(Option<Arc<dyn Probe>>);

impl Probed {
    /// An invocation with this probe.
    pub fn by(probe: Arc<dyn Probe>) -> Self {
        Self(Some(probe))
    }

    /// The probe.
    pub fn get(&self) -> Option<&dyn Probe> {
        self.0.as_deref()
    }
}

impl fmt::Debug for Probed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Probed").field(&self.0.is_some()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{OperationAction, OperationType};

    #[test]
    fn a_probe_changes_nothing_unless_it_says_so() {
        struct Silent;
        impl Probe for Silent {}

        let probed = Probed::by(Arc::new(Silent));
        assert_eq!(format!("{probed:?} {:?}", Probed::default()), "Probed(true) Probed(false)");
        assert!(Probed::default().get().is_none());
        let probe = probed.get().unwrap();
        let mut update = OperationUpdate::new("1".into(), OperationType::Step, OperationAction::Start);
        let before = update.clone();
        assert!([false, true].iter().all(|recorded| !probe.started(&update, 1, *recorded)));
        probe.closing(&mut update, Some(1));
        assert_eq!(update, before);
        assert_eq!((probe.mode(), probe.output_fails()), (None, false));
        for code in [Code::Replayed, Code::New, Code::Body] {
            assert_eq!(probe.time(code, Duration::from_millis(7)), Duration::from_millis(7));
            assert_eq!([false, true].map(|enabled| probe.log_enabled(code, enabled)), [false, true]);
            let (mut bytes, mut variables, mut arguments) =
                ([1, 2], vec![("a".to_owned(), "b".to_owned())], vec!["c".to_owned()]);
            for draw in [Draw::HashKeys, Draw::Random] {
                probe.random(code, draw, &mut bytes);
            }
            probe.variables(code, &mut variables);
            probe.arguments(code, &mut arguments);
            assert_eq!((bytes, variables[0].1.as_str(), arguments[0].as_str()), ([1, 2], "b", "c"));
        }
    }
}
