//! How long the bodies of steps with a timeout take.
//!
//! Invariants: a body's time is what it computes and sleeps, on the machine's clock, and what passes on the
//! execution's; that it took too long is found when it is left, as nothing stops code that runs natively.

use std::{collections::HashMap, time::Duration};

use durawasm_core::{
    ambient::{Clock, SystemClock},
    replay::Key,
};

/// Bodies with a timeout that have begun.
pub(super) struct Bodies {
    machine: SystemClock,
    open: HashMap<Key, Body>,
}

struct Body {
    /// On the execution's clock.
    deadline: Duration,
    /// On the machine's clock.
    left: Duration,
    /// When it was entered, on the machine's clock; none while other code runs.
    entered: Option<Duration>,
}

impl Bodies {
    pub(super) fn new() -> Self {
        Self { machine: SystemClock::new(), open: HashMap::new() }
    }

    /// A body is entered: its time runs from the first entry. `now` is the execution's.
    pub(super) fn enter(&mut self, key: Key, timeout: Duration, now: Duration) {
        let entered = self.machine.precise_now();
        let deadline = now.saturating_add(timeout);
        let body = self.open.entry(key).or_insert(Body { deadline, left: timeout, entered: None });
        body.entered = Some(entered);
    }

    /// A body is left. True if it took longer than it may.
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
