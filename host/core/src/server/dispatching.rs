//! The requests of who dispatches executions.

use std::{collections::HashSet, sync::Arc};

use super::{
    api::Continued,
    checkpoint_manager::CheckpointManager,
    dispatch::{Dispatch, Need},
    execution_manager::ExecutionManager,
    holding::Holding,
    phase::ExecutionPhase,
    store::OpenExecution,
};
use crate::{
    ambient::Clock,
    protocol::{ExecutionArn, ServiceError, Timestamp},
};

/// What a dispatcher has to do.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) ready: Vec<ExecutionArn>,
    /// When the next one is due.
    pub(super) next: Option<Timestamp>,
    /// The executions that ended while nobody ran them.
    pub(super) ended: Vec<ExecutionArn>,
}

/// The execution whose chained invoke started another.
enum Caller {
    None,
    Open(ExecutionArn),
    /// It has ended, or does not matter because the target has.
    Over(ExecutionArn),
}

/// How long an execution that cannot be read waits, in seconds.
const UNREADABLE_SECONDS: u64 = 60;

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
            match caller.filter(|caller| all.contains(caller)) {
                Some(caller) => dispatch.run_with(caller, &arn),
                None => dispatch.needs(&arn, due.map_or(Need::Answer, Need::At), now),
            }
        }
        self.dispatch = Some(dispatch);
        Ok(())
    }

    /// Takes executions that can go on. Each is at work until [`Self::leave`].
    pub(super) fn take_ready(&mut self, now: Timestamp, most: usize) -> Taken {
        let Some(dispatch) = &mut self.dispatch else { return Taken::default() };
        let (ready, next) = dispatch.take(now, most);
        Taken { ready, next, ended: dispatch.take_ended() }
    }

    /// Lets the caller run an execution, unless somebody does. Returns whether it may.
    pub(super) fn attend(&mut self, arn: &ExecutionArn) -> bool {
        self.dispatch.as_mut().is_none_or(|dispatch| dispatch.attend(arn))
    }

    /// Continues an execution for who has begun to run it: an invocation that somebody has left is over, and the targets
    /// of open invokes are run again, or found.
    pub(super) fn take_over(
        &mut self,
        now: Timestamp,
        arn: &ExecutionArn,
    ) -> Result<Continued, ServiceError> {
        self.with(arn, |execution, _| {
            execution.advance(now);
            execution.end_interrupted(now);
            execution.hand_out_invokes_again();
            Ok(Continued { times_out: execution.times_out(), origin: execution.origin.clone() })
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

    /// The caller runs an execution no more, if the changes of the present requests are committed.
    pub(super) fn leave_with_commit(&mut self, arn: &ExecutionArn) {
        if let Some(dispatch) = &mut self.dispatch {
            dispatch.leave_with_commit(arn);
        }
    }

    /// Looks at what requests have used. To be called after their commit, which may have failed.
    pub(super) fn look_at_touched(&mut self, now: Timestamp, failed: bool) {
        let Some(dispatch) = &mut self.dispatch else { return };
        dispatch.concluded(!failed);
        let mut touched = dispatch.take_touched();
        while let Some(arn) = touched.pop_first() {
            self.hold_timeout_of(&arn);
            let Some(dispatch) = &self.dispatch else { return };
            // Who runs it sees to it.
            if dispatch.is_at_work(&arn) {
                continue;
            }
            let was_loaded = self.executions.contains_key(&arn);
            let (need, caller) = match self.need_of(&arn, now) {
                Ok(found) => found,
                Err(_) => (Need::At(now.plus_seconds(UNREADABLE_SECONDS)), Caller::None),
            };
            let Some(dispatch) = &mut self.dispatch else { return };
            if need == Need::Over {
                let caller = match &caller {
                    Caller::Open(caller) | Caller::Over(caller) => Some(caller),
                    Caller::None => None,
                };
                touched.extend(dispatch.ends(&arn, caller));
                // News are those of the present requests.
                if self.news.contains(&arn) {
                    dispatch.report_end(&arn);
                }
            }
            match caller {
                // The target of an invoke is run by who runs its caller, until that has ended.
                Caller::Open(caller) if need != Need::Over => {
                    dispatch.needs(&arn, Need::Answer, now);
                    dispatch.run_with(caller, &arn);
                }
                _ => dispatch.needs(&arn, need, now),
            }
            if !was_loaded {
                self.release(&arn);
            }
        }
    }

    /// Holds the timeouts of executions from now on, as far as they are in memory.
    pub(super) fn hold_timeouts(&mut self, clock: Arc<dyn Clock>) {
        self.holding = Some(Holding::new(clock));
    }

    /// Holds what an execution has to hold after a request.
    pub(super) fn hold_timeout_of(&mut self, arn: &ExecutionArn) {
        if let Some(holding) = &mut self.holding {
            let execution = self.executions.get(arn);
            holding.set(arn, execution.and_then(|(execution, _)| execution.held_until()));
        }
    }

    fn need_of(&mut self, arn: &ExecutionArn, now: Timestamp) -> Result<(Need, Caller), ServiceError> {
        self.load(arn)?;
        let Some((execution, _)) = self.executions.get(arn) else { return Ok((Need::Over, Caller::None)) };
        let need = execution.need(now);
        let Some(caller) = execution.invoked_by.as_ref().map(|invoker| invoker.execution.clone()) else {
            return Ok((need, Caller::None));
        };
        if need == Need::Over {
            return Ok((need, Caller::Over(caller)));
        }
        let was_loaded = self.executions.contains_key(&caller);
        self.load(&caller)?;
        let is_open = self.executions.get(&caller).is_some_and(|(caller, _)| caller.need(now) != Need::Over);
        if !was_loaded {
            self.release(&caller);
        }
        Ok((need, if is_open { Caller::Open(caller) } else { Caller::Over(caller) }))
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
