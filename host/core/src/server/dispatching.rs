//! The requests of who dispatches executions.

use std::collections::HashSet;

use super::{
    checkpoint_manager::CheckpointManager,
    dispatch::{Dispatch, Need},
    execution_manager::ExecutionManager,
    phase::ExecutionPhase,
    store::OpenExecution,
};
use crate::protocol::{ExecutionArn, ServiceError, Timestamp};

impl CheckpointManager {
    /// What it needs to go on, if nobody runs it.
    pub(super) fn need(&self, now: Timestamp) -> Need {
        let can_go_on = match self.phase {
            ExecutionPhase::Closed { .. } => return Need::Over,
            ExecutionPhase::Running(_) => true,
            ExecutionPhase::Suspended { wake } => wake && !self.pausing.is_paused(),
            ExecutionPhase::BackingOff => false,
        };
        // The targets of open invokes are run by who runs the execution.
        if can_go_on || self.invokes.unanswered().next().is_some() {
            return Need::At(now);
        }
        self.timers.next().map_or(Need::Answer, Need::At)
    }
}

impl ExecutionManager {
    /// Records from now on which executions can go on; if `most` can, no request starts another. With a store, those that
    /// have not ended are read from it.
    ///
    /// # Errors
    /// [`ServiceError::Store`].
    pub(super) fn dispatch(&mut self, now: Timestamp, most: usize) -> Result<(), ServiceError> {
        let mut dispatch = Dispatch::new(most);
        let open = self.kept.as_mut().map_or_else(|| Ok(Vec::new()), |kept| kept.store.open())?;
        let all: HashSet<ExecutionArn> = open.iter().map(|open| open.arn.clone()).collect();
        for OpenExecution { arn, due, caller } in open {
            if !caller.is_some_and(|caller| all.contains(&caller)) {
                dispatch.needs(&arn, due.map_or(Need::Answer, Need::At), now);
            }
        }
        self.dispatch = Some(dispatch);
        Ok(())
    }

    /// Takes executions that can go on. Each is at work until [`Self::leave`].
    pub(super) fn take_ready(
        &mut self,
        now: Timestamp,
        most: usize,
    ) -> (Vec<ExecutionArn>, Option<Timestamp>) {
        let Some(dispatch) = &mut self.dispatch else { return (Vec::new(), None) };
        dispatch.take(now, most)
    }

    /// Lets the caller run an execution, unless somebody does. Returns whether it may.
    pub(super) fn attend(&mut self, arn: &ExecutionArn) -> bool {
        self.dispatch.as_mut().is_none_or(|dispatch| dispatch.attend(arn))
    }

    /// Continues an execution for who has begun to run it: an invocation that somebody has left is over. Returns when the
    /// execution times out.
    pub(super) fn take_over(
        &mut self,
        now: Timestamp,
        arn: &ExecutionArn,
    ) -> Result<Option<Timestamp>, ServiceError> {
        self.with(arn, |execution, _| {
            execution.advance(now);
            execution.end_interrupted(now);
            Ok(execution.times_out())
        })
    }

    /// The caller runs an execution no more.
    pub(super) fn leave(&mut self, arn: &ExecutionArn) {
        if let Some(dispatch) = &mut self.dispatch {
            dispatch.leave(arn);
            dispatch.touch(arn);
        }
    }

    /// The caller runs an execution no more, and nobody else is to run it until a request changes it.
    pub(super) fn shelve(&mut self, arn: &ExecutionArn) {
        if let Some(dispatch) = &mut self.dispatch {
            dispatch.leave(arn);
            dispatch.forget(arn);
        }
    }

    /// Looks at what requests have used. To be called after their commit, which may have failed: then what cannot be read
    /// now is looked at again.
    pub(super) fn look_at_touched(&mut self, now: Timestamp, failed: bool) {
        let Some(dispatch) = &mut self.dispatch else { return };
        for arn in dispatch.take_touched() {
            let was_loaded = self.executions.contains_key(&arn);
            let need = self.need_of(&arn, now);
            let Some(dispatch) = &mut self.dispatch else { return };
            match need {
                Ok(need) => dispatch.needs(&arn, need, now),
                Err(_) if failed => dispatch.touch(&arn),
                // Whoever asks for it is told.
                Err(_) => {}
            }
            if !was_loaded {
                self.release(&arn);
            }
        }
    }

    fn need_of(&mut self, arn: &ExecutionArn, now: Timestamp) -> Result<Need, ServiceError> {
        self.load(arn)?;
        let Some((execution, _)) = self.executions.get(arn) else { return Ok(Need::Over) };
        let need = execution.need(now);
        let Some(caller) = execution.invoked_by.as_ref().map(|invoker| invoker.execution.clone()) else {
            return Ok(need);
        };
        // The target of an invoke is run by who runs its caller, until that has ended.
        let was_loaded = self.executions.contains_key(&caller);
        self.load(&caller)?;
        let is_open = self.executions.get(&caller).is_some_and(|(caller, _)| caller.need(now) != Need::Over);
        if !was_loaded {
            self.release(&caller);
        }
        Ok(if is_open { Need::Answer } else { need })
    }

    /// Whether the dispatcher has to look again.
    pub(super) fn has_dispatch_news(&self) -> bool {
        self.dispatch.as_ref().is_some_and(Dispatch::has_news)
    }

    /// Refuses to start an execution if too many can go on.
    pub(super) fn check_active(&self) -> Result<(), ServiceError> {
        match &self.dispatch {
            Some(dispatch) if dispatch.is_full() => {
                let why = "too many executions have not ended: try again when some have";
                Err(ServiceError::TooManyRequests(why.to_owned()))
            }
            _ => Ok(()),
        }
    }
}
