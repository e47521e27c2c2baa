//! The pause of an execution. Plain data; the rules are in [`pausing`](super::pausing).

use std::sync::Arc;

use super::saved::SavedPause;
use crate::protocol::Timestamp;

/// A request to pause an execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PauseRequest {
    /// Why; at most 1024 characters. It is recorded in the history.
    pub reason: Option<String>,
    /// Whether the execution timeout is paused as well.
    pub pause_timeout: bool,
}

/// A pause of an execution (service model: `PauseDetails`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PauseView {
    /// When it was requested.
    pub requested: Timestamp,
    /// Why.
    pub reason: Option<Arc<str>>,
    /// Whether the execution timeout is paused as well.
    pub timeout_paused: bool,
    /// Whether the execution has paused. Until then it waits for the running invocation.
    pub paused: bool,
}

/// The pause of an execution, if there is one.
#[derive(Debug, Default)]
pub(super) struct Pausing {
    pub(super) pause: Option<Pause>,
    /// The invocation that the latest pause ended.
    pub(super) taken_back: Option<Arc<str>>,
}

#[derive(Debug)]
pub(super) struct Pause {
    pub(super) view: PauseView,
    /// What was left of the execution timeout, in milliseconds, if it is paused.
    pub(super) timeout_left: Option<u64>,
}

impl Pausing {
    /// Whether the execution is paused.
    pub(super) fn is_paused(&self) -> bool {
        self.view().is_some_and(|pause| pause.paused)
    }

    /// Whether a pause waits for the running invocation.
    pub(super) fn is_pausing(&self) -> bool {
        self.view().is_some_and(|pause| !pause.paused)
    }

    /// Whether a pause ended this invocation before it returned.
    pub(super) fn has_taken_back(&self, request_id: &str) -> bool {
        self.taken_back.as_deref() == Some(request_id)
    }

    /// What is saved of it. Which invocation it ended concerns only this process.
    pub(super) fn saved(&self) -> Option<SavedPause> {
        let Pause { view, timeout_left } = self.pause.as_ref()?;
        Some(SavedPause {
            requested: view.requested,
            reason: view.reason.clone(),
            timeout_paused: view.timeout_paused,
            paused: view.paused,
            timeout_left: *timeout_left,
        })
    }

    /// What was saved.
    pub(super) fn restore(saved: Option<SavedPause>) -> Self {
        let pause = saved.map(|SavedPause { requested, reason, timeout_paused, paused, timeout_left }| {
            Pause { view: PauseView { requested, reason, timeout_paused, paused }, timeout_left }
        });
        Self { pause, taken_back: None }
    }

    pub(super) fn view(&self) -> Option<&PauseView> {
        self.pause.as_ref().map(|pause| &pause.view)
    }
}
