//! The open callbacks of one execution.
//!
//! Invariants:
//! - a callback is open from its START until an answer, a timeout, its cancellation or the execution's end;
//! - a callback that has ended has no timers.

use std::{collections::BTreeMap, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{
    api::ScriptedAnswer,
    ids::{IdSource, Index},
    saved::{SavedCallback, SavedTimer},
    timers::{Timer, TimerKey, Timers},
};
use crate::protocol::{CallbackId, CallbackOptions, Timestamp};

/// The open callbacks.
#[derive(Debug, Default)]
pub struct CallbackManager {
    open: BTreeMap<Index, Open>,
    /// Callbacks that were opened, ended or extended since the last call of `take_changed`; `None` without an observer.
    changed: Vec<Index>,
}

#[derive(Debug)]
struct Open {
    timeout: Option<Timestamp>,
    heartbeat_seconds: Option<u64>,
    heartbeat: Option<TimerKey>,
    /// The timers of the timeout and of scripted answers.
    others: Vec<TimerKey>,
}

fn limit(seconds: Option<u64>) -> Option<u64> {
    seconds.filter(|seconds| *seconds > 0)
}

impl CallbackManager {
    /// Opens a callback, and schedules its timeouts and its scripted answers.
    pub(super) fn open(
        &mut self,
        timers: &mut Timers,
        at: Timestamp,
        callback: Index,
        options: CallbackOptions,
        answers: Vec<Arc<ScriptedAnswer>>,
    ) {
        let heartbeat_seconds = limit(options.heartbeat_timeout_seconds);
        let mut others = Vec::with_capacity(answers.len() + 1);
        let timeout = limit(options.timeout_seconds).map(|seconds| at.plus_seconds(seconds));
        others.extend(timeout.map(|timeout| timers.schedule(timeout, Timer::CallbackTimeout(callback))));
        let heartbeat = heartbeat_seconds
            .map(|seconds| timers.schedule(at.plus_seconds(seconds), Timer::HeartbeatTimeout(callback)));
        self.open.insert(callback, Open { timeout, heartbeat_seconds, heartbeat, others });
        self.changed.push(callback);
        for scripted in answers {
            self.schedule(timers, at, callback, scripted);
        }
    }

    /// Schedules an answer to an open callback.
    pub(super) fn schedule(
        &mut self,
        timers: &mut Timers,
        at: Timestamp,
        callback: Index,
        scripted: Arc<ScriptedAnswer>,
    ) {
        let Some(open) = self.open.get_mut(&callback) else { return };
        // An answer takes at least a millisecond, so in virtual time it finds the handler suspended.
        let after = u64::try_from(scripted.after.as_millis()).unwrap_or(u64::MAX).max(1);
        open.others.push(timers.schedule(at.plus_millis(after), Timer::Answer(callback, scripted)));
    }

    /// Whether the callback is open.
    pub(super) fn is_open(&self, callback: Index) -> bool {
        self.open.contains_key(&callback)
    }

    /// Restarts the heartbeat timeout. Returns whether the callback is open.
    pub(super) fn beat(&mut self, timers: &mut Timers, at: Timestamp, callback: Index) -> bool {
        let Some(open) = self.open.get_mut(&callback) else { return false };
        if let Some(seconds) = open.heartbeat_seconds {
            if let Some(old) = open.heartbeat.take() {
                timers.cancel(old);
            }
            open.heartbeat =
                Some(timers.schedule(at.plus_seconds(seconds), Timer::HeartbeatTimeout(callback)));
        }
        self.changed.push(callback);
        true
    }

    /// Ends the callback. Returns whether it was open; only then may the caller record how it ended.
    pub(super) fn close(&mut self, timers: &mut Timers, callback: Index) -> bool {
        let Some(open) = self.open.remove(&callback) else { return false };
        self.changed.push(callback);
        for key in open.others.into_iter().chain(open.heartbeat) {
            timers.cancel(key);
        }
        true
    }

    /// What is saved of an open callback, and the keys of its timers.
    pub(super) fn saved(&self, callback: Index) -> Option<(SavedCallback, impl Iterator<Item = TimerKey>)> {
        let open = self.open.get(&callback)?;
        let saved = SavedCallback { timeout: open.timeout, heartbeat_seconds: open.heartbeat_seconds };
        Some((saved, open.heartbeat.into_iter().chain(open.others.iter().copied())))
    }

    /// The timers of an open callback.
    pub(super) fn timers(&self, callback: Index) -> impl Iterator<Item = TimerKey> {
        let open = self.open.get(&callback).into_iter();
        open.flat_map(|open| open.heartbeat.into_iter().chain(open.others.iter().copied()))
    }

    /// Opens a callback that was saved. Its timers are scheduled already.
    pub(super) fn restore(&mut self, callback: Index, saved: &SavedCallback, timers: &[SavedTimer]) {
        let SavedCallback { timeout, heartbeat_seconds } = *saved;
        let mut open = Open { timeout, heartbeat_seconds, heartbeat: None, others: Vec::new() };
        for SavedTimer { key, timer } in timers {
            match timer {
                Timer::HeartbeatTimeout(_) => open.heartbeat = Some(*key),
                _ => open.others.push(*key),
            }
        }
        self.open.insert(callback, open);
        self.changed.push(callback);
    }

    /// Ends all callbacks when the execution ends. Their timers are dropped with all others of the execution.
    pub(super) fn close_all(&mut self) {
        self.changed.extend(std::mem::take(&mut self.open).into_keys());
    }

    /// Starts recording changes for an observer, beginning with all open callbacks.
    pub(super) fn observe(&mut self) {
        self.changed = self.open.keys().copied().collect();
    }

    /// Takes the callbacks that were opened, ended or extended since the last call.
    pub(super) fn take_changed(&mut self) -> Vec<Index> {
        std::mem::take(&mut self.changed)
    }

    /// The earliest timeout of an open callback.
    pub(super) fn deadline(&self, callback: Index) -> Option<Timestamp> {
        let open = self.open.get(&callback)?;
        open.timeout.into_iter().chain(open.heartbeat.map(TimerKey::at)).min()
    }

    /// The open callbacks, oldest first.
    pub(super) fn open_callbacks(&self) -> impl Iterator<Item = Index> {
        self.open.keys().copied()
    }
}

/// Creates a callback id from the execution, the operation and a random part that cannot be guessed.
pub(super) fn new_callback_id(ids: &mut IdSource, execution: [u8; 16], callback: Index) -> CallbackId {
    let callback = (callback as u64).to_be_bytes();
    STANDARD.encode([&execution[..], &callback[..], &ids.bytes::<12>()[..]].concat()).into()
}

/// Extracts the execution and the operation from a callback id of this server. The operation stores the whole id for
/// comparison.
pub(super) fn read_callback_id(id: &CallbackId) -> Option<([u8; 16], Index)> {
    let bytes = STANDARD.decode(id.as_str()).ok()?;
    let (execution, rest) = bytes.split_first_chunk::<16>()?;
    let (callback, _) = rest.split_first_chunk::<8>()?;
    Some((*execution, Index::try_from(u64::from_be_bytes(*callback)).ok()?))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::server::api::Answer;

    const START: Timestamp = Timestamp::MAX;

    fn options(timeout: u64, heartbeat: u64) -> CallbackOptions {
        CallbackOptions { timeout_seconds: Some(timeout), heartbeat_timeout_seconds: Some(heartbeat) }
    }

    #[test]
    fn closing_leaves_no_timer() {
        let (mut manager, mut timers) = (CallbackManager::default(), Timers::default());
        let answer = Arc::new(ScriptedAnswer::new("*", Duration::from_secs(3), Answer::Heartbeat));
        manager.open(&mut timers, START, 1, options(9, 2), vec![answer.clone(), answer]);
        assert_eq!(timers.all().count(), 4);
        assert!(manager.beat(&mut timers, START, 1));
        assert_eq!(timers.all().count(), 4);
        assert!(manager.close(&mut timers, 1));
        assert_eq!(timers.all().count(), 0);
        assert!(!manager.close(&mut timers, 1) && !manager.beat(&mut timers, START, 1));
    }

    #[test]
    fn zero_is_no_limit() {
        let (mut manager, mut timers) = (CallbackManager::default(), Timers::default());
        manager.open(&mut timers, START, 1, options(0, 0), Vec::new());
        manager.open(&mut timers, START, 2, CallbackOptions::default(), Vec::new());
        assert!(manager.beat(&mut timers, START, 2));
        assert_eq!((timers.all().count(), manager.open_callbacks().count()), (0, 2));
    }

    #[test]
    fn a_heartbeat_starts_the_time_anew() {
        let (mut manager, mut timers) = (CallbackManager::default(), Timers::default());
        let at = Timestamp::from_millis;
        manager.open(&mut timers, at(0), 1, options(0, 10), Vec::new());
        manager.beat(&mut timers, at(4_000), 1);
        assert_eq!(timers.next(), Some(at(14_000)));
        assert_eq!(timers.all().count(), 1);
    }

    #[test]
    fn callback_ids() {
        let mut ids = IdSource::new(std::sync::Arc::new(crate::ambient::SeededEntropy::new(3)));
        let id = new_callback_id(&mut ids, [7; 16], 42);
        assert_eq!(read_callback_id(&id), Some(([7; 16], 42)));
        assert_ne!(new_callback_id(&mut ids, [7; 16], 42), id);
        assert!(id.as_str().len() <= 1024);
        for other in ["", "cb", "AAAA", "not base64!"] {
            assert_eq!(read_callback_id(&other.into()), None, "{other}");
        }
    }
}
