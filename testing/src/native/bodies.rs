//! Measures the bodies of steps with a timeout.
//!
//! Invariants: the time of a body is the real time during which it runs plus the time that passes on the execution's
//! clock; an exceeded timeout is detected when the body is left, because native code cannot be stopped.

use std::{collections::HashMap, time::Duration};

use durawasm_core::{
    ambient::{Clock, SystemClock},
    replay::Key,
};

/// The bodies with a timeout that have begun.
pub(super) struct Bodies {
    machine: SystemClock,
    open: HashMap<Key, Body>,
}

struct Body {
    /// The deadline on the execution's clock.
    deadline: Duration,
    /// The remaining time on the machine's clock.
    left: Duration,
    /// When the body was last entered, on the machine's clock; `None` while other code runs.
    entered: Option<Duration>,
}

impl Bodies {
    pub(super) fn new() -> Self {
        Self { machine: SystemClock::new(), open: HashMap::new() }
    }

    /// Records that a body is entered. Its time starts with the first entry. `now` is the time of the execution's
    /// clock.
    pub(super) fn enter(&mut self, key: Key, timeout: Duration, now: Duration) {
        let entered = self.machine.precise_now();
        let deadline = now.saturating_add(timeout);
        let body = self.open.entry(key).or_insert(Body { deadline, left: timeout, entered: None });
        body.entered = Some(entered);
    }

    /// Records that a body is left. Returns whether it exceeded its timeout.
    pub(super) fn leave(&mut self, key: Key, now: Duration) -> bool {
        let Some(body) = self.open.get_mut(&key) else { return false };
        let Some(entered) = body.entered.take() else { return false };
        let took = self.machine.precise_now().saturating_sub(entered);
        match body.left.checked_sub(took) {
            Some(left) => {
                body.left = left;
                now >= body.deadline
            }
            None => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use durawasm_core::{protocol::Limits, replay::Engine};

    use super::*;

    #[test]
    fn a_body_is_over_by_either_clock_and_other_code_costs_it_nothing() {
        let mut engine = Engine::new(Vec::new(), Limits::default(), 10);
        let root = engine.root();
        let identity = durawasm_core::replay::Identity::default();
        let key = engine.wait(root, None, identity, 1).unwrap();
        let second = Duration::from_secs(1);
        let tiny = Duration::from_millis(2);
        let mut bodies = Bodies::new();
        assert!(!bodies.leave(key, second), "it has no timeout");
        bodies.enter(key, second, second);
        assert!(!bodies.leave(key, second));
        bodies.enter(key, second, second * 9);
        assert!(bodies.leave(key, second * 2), "time has passed where the execution is");
        let mut bodies = Bodies::new();
        bodies.enter(key, tiny, second);
        assert!(!bodies.leave(key, second));
        std::thread::sleep(tiny * 2);
        bodies.enter(key, tiny, second);
        assert!(!bodies.leave(key, second), "it was not inside");
        bodies.enter(key, tiny, second);
        std::thread::sleep(tiny * 2);
        assert!(bodies.leave(key, second));
    }
}
