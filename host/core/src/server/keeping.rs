//! The executions of a server that are kept in a store: loaded when a request needs them, committed before it is
//! answered, forgotten when nothing needs them.
//!
//! States of an execution: *stored* (only the store has it); *loaded* (memory has what the store has); *touched* (a request
//! used it, so memory may be ahead of the store until the next commit).
//!
//! Invariants:
//! - a touched execution is committed, or forgotten if the commit fails: then it is stored again, as it was before;
//! - an observer is told of what is committed, and survives that its execution is forgotten;
//! - an execution with a running invocation of this process, with an observer or with a subscriber stays in memory.

use super::{
    api::StartExecution,
    checkpoint_manager::CheckpointManager,
    execution_manager::ExecutionManager,
    ids::IdSource,
    phase::ExecutionPhase,
    saving::Common,
    store::{Changes, Invoker, Lookup},
};
use crate::{
    budget::Budget,
    protocol::{ExecutionArn, OperationId, ServiceError, Timestamp, invalid},
};

impl ExecutionManager {
    /// Loads an execution, if memory does not have it and the store does.
    pub(super) fn load(&mut self, arn: &ExecutionArn) -> Result<(), ServiceError> {
        let Some(kept) = self.kept.as_mut().filter(|_| !self.executions.contains_key(arn)) else {
            return Ok(());
        };
        if kept.deleted.contains(arn) {
            return Ok(());
        }
        let Some(saved) = kept.store.load(arn)? else { return Ok(()) };
        let common = Common {
            limits: self.limits.clone(),
            budget: Budget::new(self.limits.execution_bytes, self.host.clone()),
            markers: self.markers.clone(),
            process: kept.process(),
        };
        let restored = CheckpointManager::restore(&saved, common);
        let mut execution = restored.map_err(|error| {
            ServiceError::Store(format!("the store's record of {arn} is damaged: {error}"))
        })?;
        if let Some(observer) = kept.observers.get(arn) {
            execution.set_observer(observer.clone());
        }
        let ids = IdSource::new(self.entropy.fork(&execution.ids_label()));
        self.by_id.insert(execution.id, arn.clone());
        self.executions.insert(arn.clone(), (execution, ids));
        Ok(())
    }

    /// The execution with this id.
    pub(super) fn find_id(&mut self, id: [u8; 16]) -> Result<Option<ExecutionArn>, ServiceError> {
        match (self.by_id.get(&id), &mut self.kept) {
            (Some(arn), _) => Ok(Some(arn.clone())),
            (None, Some(kept)) => Ok(kept.store.find(Lookup::Id(id))?),
            (None, None) => Ok(None),
        }
    }

    /// The execution that a request to start one has started before: with a store, an invoke starts one execution, and a name
    /// belongs to one execution of a function; without, a name is compared only where the request asks for it.
    pub(super) fn started_before(
        &mut self,
        request: &StartExecution,
    ) -> Result<Option<ExecutionArn>, ServiceError> {
        if let Some((caller, operation)) = &request.invoked_by
            && let Some(started) = self.invoked_by(caller, operation)?
        {
            return Ok(Some(started));
        }
        let Some(name) = &request.execution_name else { return Ok(None) };
        let function = &request.function_name;
        if request.idempotent {
            return self.find_started(function, name, request.input.as_deref());
        }
        match self.find_named(function, name)? {
            Some(arn) => {
                invalid(format!("the function has an execution with the name {name:?} already: {arn}"))
            }
            None => Ok(None),
        }
    }

    /// The execution of a function that has this name, if there is one: the one that a request to start it returns.
    ///
    /// # Errors
    /// [`ServiceError::AlreadyStarted`] when it was started with another input. [`ServiceError::Store`].
    pub fn find_started(
        &mut self,
        function: &str,
        name: &str,
        input: Option<&str>,
    ) -> Result<Option<ExecutionArn>, ServiceError> {
        let Some(arn) = self.find_named(function, name)? else { return Ok(None) };
        let started_with = self.with(&arn, |execution, _| Ok(execution.input()))?;
        if started_with.as_deref() != input {
            let why = format!(
                "{function} has an execution {name} with another payload: use another name, or delete it"
            );
            return Err(ServiceError::AlreadyStarted(why));
        }
        Ok(Some(arn))
    }

    /// The execution that a chained invoke has started, if it has. Without a store it is known where executions are
    /// dispatched.
    pub(super) fn invoked_by(
        &mut self,
        caller: &ExecutionArn,
        operation: &OperationId,
    ) -> Result<Option<ExecutionArn>, ServiceError> {
        let (execution, operation) = (caller.clone(), operation.clone());
        match &mut self.kept {
            Some(kept) => Ok(kept.store.find(Lookup::Invoker(&Invoker { execution, operation }))?),
            None => Ok(self.started_by(&(execution, operation))),
        }
    }

    /// The execution of a function that has this name.
    fn find_named(&mut self, function: &str, name: &str) -> Result<Option<ExecutionArn>, ServiceError> {
        let Some(kept) = &mut self.kept else { return Ok(self.started_named(function, name)) };
        let named =
            |arn: &&ExecutionArn| arn.parts().is_some_and(|(of, _, named)| of == function && named == name);
        if let Some(uncommitted) = kept.touched.iter().find(named) {
            return Ok(Some(uncommitted.clone()));
        }
        let found = kept.store.find(Lookup::Name { function, name })?;
        Ok(found.filter(|arn| !kept.deleted.contains(arn)))
    }

    /// Whether one execution only is in memory, and so no other one is at work.
    pub(super) fn is_one_at_work(&self) -> bool {
        self.executions.len() == 1
    }

    /// Commits what the requests since the last commit have changed, and tells the observers. Without a store it does
    /// nothing.
    ///
    /// # Errors
    /// [`ServiceError::Store`]. Then the requests have had no effect, and must be answered with this error.
    pub fn commit(&mut self, now: Timestamp) -> Result<(), ServiceError> {
        let Some(kept) = &mut self.kept else { return Ok(()) };
        let touched = std::mem::take(&mut kept.touched);
        let changes = touched.iter().filter_map(|arn| self.executions.get_mut(arn)?.0.take_changes(now));
        let changes: Vec<Changes> = changes.collect();
        let deleted = std::mem::take(&mut kept.deleted);
        if (!changes.is_empty() || !deleted.is_empty())
            && let Err(error) = kept.store.commit(&changes, &deleted)
        {
            for arn in touched {
                self.news.remove(&arn);
                self.forget(&arn);
            }
            return Err(error.into());
        }
        for arn in touched {
            let Some((execution, _)) = self.executions.get_mut(&arn) else { continue };
            execution.report_to_observer();
            if execution.is_execution_completed() {
                kept.observers.remove(&arn);
            }
        }
        Ok(())
    }

    /// Forgets an execution that the store has, unless something needs it in memory. To be called after a commit.
    pub(super) fn release(&mut self, arn: &ExecutionArn) {
        let Some(kept) = &self.kept else { return };
        debug_assert!(!kept.touched.contains(arn), "what is released is committed");
        let needed = self.executions.get(arn).is_some_and(|(execution, _)| {
            match execution.phase {
                ExecutionPhase::Running(_) => true,
                // Who runs it asks next, or returns from an invocation that a pause has ended.
                ExecutionPhase::Suspended { wake } => {
                    execution.pausing.taken_back.is_some() || wake && !execution.pausing.is_paused()
                }
                ExecutionPhase::BackingOff | ExecutionPhase::Closed { .. } => false,
            }
        });
        if !needed && !kept.observers.contains_key(arn) {
            self.forget(arn);
        }
    }

    fn forget(&mut self, arn: &ExecutionArn) {
        if let Some((execution, _)) = self.executions.remove(arn) {
            self.by_id.remove(&execution.id);
        }
    }

    /// Lets an execution be released if nothing needs it.
    pub(super) fn touch(&mut self, arn: &ExecutionArn) {
        if let Some(kept) = self.kept.as_mut().filter(|_| self.executions.contains_key(arn)) {
            kept.touch(arn);
        }
    }

    /// The executions that requests have used since the last commit.
    pub(super) fn touched(&self) -> Vec<ExecutionArn> {
        self.kept.iter().flat_map(|kept| &kept.touched).cloned().collect()
    }
}
