//! Pauses of an execution (service model: `PauseDurableExecution`, `ResumeDurableExecution`).
//!
//! Invariants:
//! - while an execution is paused, no invocation of it starts; its timers fire, and its callbacks and invokes complete;
//! - a pause that finds an invocation running waits for its next checkpoint or its end, whichever comes first. The
//!   checkpoint is applied and ends the invocation, so no recorded work is lost; what the handler's code was in the middle
//!   of is repeated by the semantics of its step;
//! - a paused execution timeout goes on where it was, and at the latest ends the execution after the longest time that
//!   any execution may take;
//! - an execution that has ended is not paused.

use std::sync::Arc;

use super::{
    checkpoint_manager::{CheckpointManager, EXECUTION},
    pause::{Pause, PauseRequest, PauseView, Pausing},
    phase::ExecutionPhase,
    timers::Timer,
};
use crate::protocol::{
    EventDetails, EventReason, ExecutionPausedDetails, ExecutionResumedDetails, Limits, ServiceError,
    Timestamp, invalid,
};

/// The longest reason, in characters (service model: `PauseReason`, `ResumeReason`).
const LONGEST_REASON: usize = 1024;

fn check_reason(reason: Option<String>) -> Result<Option<Arc<str>>, ServiceError> {
    let count = reason.as_ref().map_or(0, |reason| reason.chars().count());
    if count > LONGEST_REASON {
        return invalid(format!("the reason has {count} characters; at most {LONGEST_REASON} are allowed"));
    }
    Ok(reason.map(Into::into))
}

fn conflict<T>(why: &str) -> Result<T, ServiceError> {
    Err(ServiceError::Conflict(why.to_owned()))
}

fn recorded(reason: Option<Arc<str>>) -> Option<EventReason> {
    reason.map(|reason| EventReason { payload: Some(reason), truncated: false })
}

impl CheckpointManager {
    /// Pauses the execution: now, or at the next checkpoint or the end of the running invocation.
    pub(super) fn pause(&mut self, now: Timestamp, request: PauseRequest) -> Result<(), ServiceError> {
        self.advance(now);
        let reason = check_reason(request.reason)?;
        if matches!(self.phase, ExecutionPhase::Closed { .. }) || self.phase.decided().is_some() {
            return conflict("the execution is over: it cannot be paused");
        }
        match self.pausing.view() {
            Some(PauseView { paused: true, .. }) => return conflict("the execution is paused already"),
            Some(_) => return conflict("a pause of the execution is under way already"),
            None => {}
        }
        self.charge(now, reason.as_ref().map_or(0, |reason| reason.len()))?;
        let view = PauseView { requested: now, reason, timeout_paused: request.pause_timeout, paused: false };
        self.pausing = Pausing { pause: Some(Pause { view, timeout_left: None }), taken_back: None };
        // A handler that waits has to poll: its poll is the checkpoint that the pause waits for.
        self.news = true;
        self.begin_pause(now);
        Ok(())
    }

    /// Resumes the execution. A pause that waits for an invocation is cancelled.
    pub(super) fn resume(&mut self, now: Timestamp, reason: Option<String>) -> Result<(), ServiceError> {
        self.advance(now);
        let reason = check_reason(reason)?;
        let Some(view) = self.pausing.view() else {
            return conflict("the execution is not paused: it cannot be resumed");
        };
        if view.paused {
            self.charge(now, reason.as_ref().map_or(0, |reason| reason.len()))?;
            let left = self.pausing.pause.as_ref().and_then(|pause| pause.timeout_left);
            self.restore_timeout(now, left);
            let details = ExecutionResumedDetails { resume_request_timestamp: now, reason: recorded(reason) };
            self.events.of_execution(now, EventDetails::ExecutionResumed(details));
        }
        self.pausing.pause = None;
        // Who runs the execution has to look again.
        self.news = true;
        Ok(())
    }

    /// Lets a pause begin that waited for the end of an invocation. Has no effect without one.
    pub(super) fn begin_pause(&mut self, now: Timestamp) {
        let waits = matches!(self.phase, ExecutionPhase::Suspended { .. } | ExecutionPhase::BackingOff);
        let Some(pause) = self.pausing.pause.as_mut().filter(|pause| waits && !pause.view.paused) else {
            return;
        };
        pause.view.paused = true;
        let details = ExecutionPausedDetails {
            pause_request_timestamp: pause.view.requested,
            reason: recorded(pause.view.reason.clone()),
            execution_timeout_paused: pause.view.timeout_paused,
        };
        if pause.view.timeout_paused
            && let Some(end) = self.timers.execution_timeout()
        {
            pause.timeout_left = u64::try_from(end.since(now).as_millis()).ok();
            self.timers.cancel_execution_timeout();
            let latest = self.latest_end();
            self.timers.schedule(latest, Timer::ExecutionTimeout);
        }
        self.events.of_execution(now, EventDetails::ExecutionPaused(details));
    }

    /// Ends the running invocation at its checkpoint, if a pause waits for that. The error tells its handler that it is
    /// over.
    pub(super) fn take_back(&mut self, now: Timestamp) -> Result<(), ServiceError> {
        let ExecutionPhase::Running(running) = &self.phase else { return Ok(()) };
        // A handler whose outcome is on record has only to return.
        if !self.pausing.is_pausing() || running.decided.is_some() {
            return Ok(());
        }
        let request_id = running.request_id.clone();
        self.end_invocation(now, None);
        self.phase = ExecutionPhase::Suspended { wake: true };
        self.pausing.taken_back = Some(request_id);
        self.release_invokes(now);
        self.begin_pause(now);
        let why = "the execution is paused: the invocation is over, and another continues after the pause";
        Err(ServiceError::InvocationNotRunning(why.to_owned()))
    }

    fn restore_timeout(&mut self, now: Timestamp, left: Option<u64>) {
        let Some(left) = left else { return };
        let end = now.plus_millis(left).min(self.latest_end());
        self.timers.cancel_execution_timeout();
        self.timers.schedule(end, Timer::ExecutionTimeout);
    }

    /// When an execution ends at the latest, however long it was paused.
    fn latest_end(&self) -> Timestamp {
        let start =
            self.operations.get(EXECUTION).map_or(Timestamp::MAX, |execution| execution.start_timestamp);
        start.plus_seconds(*Limits::EXECUTION_SECONDS.end())
    }

    /// When the execution times out, unless it ends before.
    pub(super) fn times_out(&self) -> Option<Timestamp> {
        self.timers.execution_timeout().or_else(|| self.longest())
    }
}
