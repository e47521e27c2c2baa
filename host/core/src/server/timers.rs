//! The timers of one execution.
//!
//! Invariants:
//! - timers fire in the order of their deadlines; timers with equal deadlines fire in the order in which they were
//!   scheduled;
//! - a timer fires once or is cancelled, and is removed then;
//! - if a scheduler controls timers, only the execution timeout fires by itself.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{
    api::{ScriptedAnswer, TimerMode},
    ids::Index,
};
use crate::protocol::Timestamp;

/// A timer that a scheduler controls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScheduledTimer {
    /// Identifies the timer.
    pub key: TimerKey,
    /// Its deadline.
    pub at: Timestamp,
    /// Whether it is a timeout.
    pub timeout: bool,
}

/// Identifies one scheduled timer of an execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TimerKey {
    at: Timestamp,
    place: u64,
}

impl TimerKey {
    /// The deadline.
    pub(super) fn at(self) -> Timestamp {
        self.at
    }
}

/// The effect of a timer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Timer {
    WaitEnds(Index),
    StepReady(Index),
    CallbackTimeout(Index),
    HeartbeatTimeout(Index),
    Answer(Index, Arc<ScriptedAnswer>),
    ExecutionTimeout,
    Reinvoke,
}

impl Timer {
    /// The operation that it belongs to; `None` if it belongs to the execution.
    pub(super) fn operation(&self) -> Option<Index> {
        match self {
            Self::WaitEnds(index)
            | Self::StepReady(index)
            | Self::CallbackTimeout(index)
            | Self::HeartbeatTimeout(index)
            | Self::Answer(index, _) => Some(*index),
            Self::ExecutionTimeout | Self::Reinvoke => None,
        }
    }
}

/// The timers of one execution.
#[derive(Debug, Default)]
pub(super) struct Timers {
    queue: BTreeMap<TimerKey, Timer>,
    scheduled: u64,
    /// Timers that the scheduler has not taken; `None` if the clock controls timers.
    untaken: Option<Vec<TimerKey>>,
    execution_timeout: Option<TimerKey>,
    reinvoke: Option<TimerKey>,
}

impl Timers {
    pub(super) fn new(mode: TimerMode) -> Self {
        Self { untaken: (mode == TimerMode::Scheduler).then(Vec::new), ..Self::default() }
    }

    pub(super) fn schedule(&mut self, at: Timestamp, timer: Timer) -> TimerKey {
        let key = TimerKey { at, place: self.scheduled };
        self.scheduled += 1;
        self.keep_key(key, &timer);
        self.queue.insert(key, timer);
        if let Some(untaken) = &mut self.untaken {
            untaken.push(key);
        }
        key
    }

    /// How many timers were scheduled, whether or not they have fired.
    pub(super) fn scheduled(&self) -> u64 {
        self.scheduled
    }

    /// Continues after that many timers were scheduled.
    pub(super) fn resume(&mut self, scheduled: u64) {
        self.scheduled = scheduled;
    }

    /// Schedules a timer that was scheduled before with this key.
    pub(super) fn restore(&mut self, key: TimerKey, timer: Timer) {
        self.keep_key(key, &timer);
        self.queue.insert(key, timer);
    }

    /// Keeps the keys of the timers that belong to no operation.
    fn keep_key(&mut self, key: TimerKey, timer: &Timer) {
        match timer {
            Timer::ExecutionTimeout => self.execution_timeout = Some(key),
            Timer::Reinvoke => self.reinvoke = Some(key),
            _ => debug_assert!(timer.operation().is_some(), "{timer:?} belongs to an operation"),
        }
    }

    /// A timer that has neither fired nor been cancelled.
    pub(super) fn get(&self, key: TimerKey) -> Option<&Timer> {
        self.queue.get(&key)
    }

    /// The timers that belong to no operation.
    pub(super) fn of_execution(&self) -> impl Iterator<Item = (TimerKey, &Timer)> {
        let timers = self.execution_timeout.into_iter().chain(self.reinvoke);
        timers.filter_map(|key| Some((key, self.queue.get(&key)?)))
    }

    /// Removes the timer, if it has not fired.
    pub(super) fn cancel(&mut self, key: TimerKey) {
        self.queue.remove(&key);
    }

    /// Removes the execution timeout, if there is one and it has not fired.
    pub(super) fn cancel_execution_timeout(&mut self) {
        if let Some(key) = self.execution_timeout.take() {
            self.cancel(key);
        }
    }

    pub(super) fn cancel_all(&mut self) {
        self.queue.clear();
    }

    /// Takes the next due timer, and its deadline.
    pub(super) fn pop_due(&mut self, now: Timestamp) -> Option<(Timestamp, Timer)> {
        if self.untaken.is_some() {
            let key = self.execution_timeout.filter(|key| key.at <= now)?;
            return Some((key.at, self.queue.remove(&key)?));
        }
        let next = self.queue.first_entry().filter(|next| next.key().at <= now)?;
        let (key, timer) = next.remove_entry();
        Some((key.at, timer))
    }

    /// Takes the timers that the scheduler has not taken, in the order in which they were scheduled.
    pub(super) fn take_scheduled(&mut self) -> Vec<ScheduledTimer> {
        let keys = self.untaken.as_mut().map(std::mem::take).unwrap_or_default();
        let timers = keys.into_iter().filter_map(|key| {
            let timeout = matches!(
                self.queue.get(&key)?,
                Timer::CallbackTimeout(_) | Timer::HeartbeatTimeout(_) | Timer::ExecutionTimeout
            );
            Some(ScheduledTimer { key, at: key.at, timeout })
        });
        timers.collect()
    }

    /// Whether the timer has neither fired nor been cancelled.
    pub(super) fn contains(&self, key: TimerKey) -> bool {
        self.queue.contains_key(&key)
    }

    /// Takes a timer to fire it now.
    pub(super) fn pop(&mut self, key: TimerKey) -> Option<Timer> {
        self.queue.remove(&key)
    }

    /// The deadline of the execution timeout, if there is one.
    pub(super) fn execution_timeout(&self) -> Option<Timestamp> {
        self.execution_timeout.filter(|key| self.queue.contains_key(key)).map(|key| key.at)
    }

    /// The earliest deadline.
    pub(super) fn next(&self) -> Option<Timestamp> {
        self.queue.first_key_value().map(|(key, _)| key.at)
    }

    /// The earliest deadline of the timers that are wanted.
    pub(super) fn first(&self, wanted: impl Fn(&Timer) -> bool) -> Option<Timestamp> {
        self.queue.iter().find(|(_, timer)| wanted(timer)).map(|(key, _)| key.at)
    }

    #[cfg(test)]
    pub(super) fn all(&self) -> impl Iterator<Item = &Timer> {
        self.queue.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn fire_in_order_once_unless_cancelled(deadlines in prop::collection::vec((0..20_i64, any::<bool>()), 0..50)) {
            let mut timers = Timers::default();
            let mut expected = Vec::new();
            for (i, (at, cancelled)) in deadlines.iter().enumerate() {
                let key = timers.schedule(Timestamp::from_millis(*at), Timer::WaitEnds(i));
                if *cancelled {
                    timers.cancel(key);
                } else {
                    expected.push((*at, i));
                }
            }
            expected.sort_unstable();
            let mut fired = Vec::new();
            for now in (0..=20).step_by(5).map(Timestamp::from_millis) {
                while let Some((at, Timer::WaitEnds(i))) = timers.pop_due(now) {
                    prop_assert!(at <= now);
                    fired.push((at.as_millis(), i));
                }
                prop_assert!(timers.next().is_none_or(|next| next > now));
            }
            prop_assert_eq!(fired, expected);
            prop_assert!(timers.queue.is_empty());
        }
    }
}
