//! Requests of those who operate executions: pause, resume, delete, list.
//!
//! Invariants: an execution is deleted only after its end, and nothing of it is found afterwards.

use super::{
    api::ExecutionView,
    checkpoint_manager::CheckpointManager,
    execution_manager::ExecutionManager,
    handle::ServerHandle,
    lists::{ExecutionSummary, ListExecutions, Standing},
    pause::{PauseRequest, PauseView},
    phase::ExecutionPhase,
};
use crate::protocol::{ExecutionArn, ServiceError, Timestamp};

/// The parts of an execution's state that are no part of its view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlView {
    /// The status, and whether the execution is paused.
    pub standing: Standing,
    /// The pause, if there is one.
    pub pause: Option<PauseView>,
    /// When the execution times out; none if it has ended or has no timeout.
    pub times_out: Option<Timestamp>,
}

impl ExecutionManager {
    /// Pauses an execution (service model: `PauseDurableExecution`). If an invocation is running, the execution pauses at
    /// its next checkpoint or its end; until then it is `PAUSING`.
    ///
    /// # Errors
    /// [`ServiceError::Conflict`] when it has ended or is paused already. [`ServiceError::InvalidParameterValue`] when
    /// the reason is too long. [`ServiceError::NotFound`].
    pub fn pause_execution(
        &mut self,
        now: Timestamp,
        arn: &ExecutionArn,
        request: PauseRequest,
    ) -> Result<(), ServiceError> {
        self.with(arn, |execution, _| execution.pause(now, request))
    }

    /// Resumes an execution (service model: `ResumeDurableExecution`). One that is `PAUSING` goes on as if it had not been
    /// paused.
    ///
    /// # Errors
    /// [`ServiceError::Conflict`] when it is not paused. [`ServiceError::InvalidParameterValue`] when the reason is too
    /// long. [`ServiceError::NotFound`].
    pub fn resume_execution(
        &mut self,
        now: Timestamp,
        arn: &ExecutionArn,
        reason: Option<String>,
    ) -> Result<(), ServiceError> {
        self.with(arn, |execution, _| execution.resume(now, reason))
    }

    /// Deletes an execution that has ended (service model: `DeleteDurableExecution`).
    ///
    /// # Errors
    /// [`ServiceError::Conflict`] when it has not ended. [`ServiceError::NotFound`].
    pub fn delete_execution(&mut self, now: Timestamp, arn: &ExecutionArn) -> Result<(), ServiceError> {
        let (id, invoker) = self.with(arn, |execution, _| {
            execution.advance(now);
            if execution.is_over() {
                return Ok((execution.id, execution.invoked_by.clone()));
            }
            let status = execution.standing().as_str();
            let why = format!("the execution is {status}: only an execution that has ended can be deleted");
            Err(ServiceError::Conflict(why))
        })?;
        self.executions.remove(arn);
        self.by_id.remove(&id);
        self.forget_name(arn, invoker);
        if let Some(kept) = &mut self.kept {
            kept.delete(arn);
        }
        Ok(())
    }

    /// Returns executions that ended before this time, at most this many.
    ///
    /// # Errors
    /// [`ServiceError::Store`].
    pub fn ended_before(&mut self, time: Timestamp, most: usize) -> Result<Vec<ExecutionArn>, ServiceError> {
        if let Some(kept) = &mut self.kept {
            return Ok(kept.store.ended_before(time, most)?);
        }
        let ended = |execution: &CheckpointManager| {
            let end = execution.operations.all().next().and_then(|execution| execution.end_timestamp);
            execution.is_over() && end.is_some_and(|end| end < time)
        };
        let found = self.executions.iter().filter(|(_, (execution, _))| ended(execution));
        Ok(found.map(|(arn, _)| arn.clone()).take(most).collect())
    }

    /// Returns whether an execution is paused, and when it times out.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`].
    pub fn control_view(&mut self, now: Timestamp, arn: &ExecutionArn) -> Result<ControlView, ServiceError> {
        self.with(arn, |execution, _| {
            execution.advance(now);
            let times_out = if execution.is_over() { None } else { execution.times_out() };
            let pause = execution.pausing.view().cloned();
            Ok(ControlView { standing: execution.standing(), pause, times_out })
        })
    }
}

impl CheckpointManager {
    fn is_over(&self) -> bool {
        matches!(self.phase, ExecutionPhase::Closed { .. })
    }
}

impl ServerHandle {
    /// See [`ExecutionManager::pause_execution`].
    ///
    /// # Errors
    /// As there, or [`ServiceError::Unavailable`].
    pub async fn pause_execution(
        &self,
        arn: &ExecutionArn,
        request: PauseRequest,
    ) -> Result<(), ServiceError> {
        let arn = arn.clone();
        self.call(move |server, now| server.manager.pause_execution(now, &arn, request)).await
    }

    /// See [`ExecutionManager::resume_execution`].
    ///
    /// # Errors
    /// As there, or [`ServiceError::Unavailable`].
    pub async fn resume_execution(
        &self,
        arn: &ExecutionArn,
        reason: Option<String>,
    ) -> Result<(), ServiceError> {
        let arn = arn.clone();
        self.call(move |server, now| server.manager.resume_execution(now, &arn, reason)).await
    }

    /// See [`ExecutionManager::delete_execution`].
    ///
    /// # Errors
    /// As there, or [`ServiceError::Unavailable`].
    pub async fn delete_execution(&self, arn: &ExecutionArn) -> Result<(), ServiceError> {
        let arn = arn.clone();
        self.call(move |server, now| server.manager.delete_execution(now, &arn)).await
    }

    /// See [`ExecutionManager::ended_before`].
    ///
    /// # Errors
    /// As there, or [`ServiceError::Unavailable`].
    pub async fn ended_before(
        &self,
        time: Timestamp,
        most: usize,
    ) -> Result<Vec<ExecutionArn>, ServiceError> {
        self.call(move |server, _| server.manager.ended_before(time, most)).await
    }

    /// See [`ExecutionManager::control_view`].
    ///
    /// # Errors
    /// As there, or [`ServiceError::Unavailable`].
    pub async fn control_view(&self, arn: &ExecutionArn) -> Result<ControlView, ServiceError> {
        let arn = arn.clone();
        self.call(move |server, now| server.manager.control_view(now, &arn)).await
    }

    /// The state of an execution, and what is no part of it, at one time.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`], [`ServiceError::Store`], [`ServiceError::Unavailable`].
    pub async fn whole_view(&self, arn: &ExecutionArn) -> Result<(ExecutionView, ControlView), ServiceError> {
        let arn = arn.clone();
        self.call(move |server, now| {
            Ok((server.manager.view(now, &arn)?, server.manager.control_view(now, &arn)?))
        })
        .await
    }

    /// Waits until an execution has ended.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`], [`ServiceError::Store`], [`ServiceError::Unavailable`].
    pub async fn ended(&self, arn: &ExecutionArn) -> Result<(), ServiceError> {
        let _watching = Watching { server: self, arn };
        loop {
            let arn = arn.clone();
            let Some(change) = self.call(move |server, now| server.watch_end(now, arn)).await? else {
                return Ok(());
            };
            change.news().await;
        }
    }

    /// See [`ExecutionManager::list_executions`].
    ///
    /// # Errors
    /// As there, or [`ServiceError::Unavailable`].
    pub async fn list_executions(&self, list: ListExecutions) -> Result<Vec<ExecutionSummary>, ServiceError> {
        self.call(move |server, _| server.manager.list_executions(&list)).await
    }
}

/// Somebody who waits for the end of an execution, and may give up: then nothing needs it in memory any more.
struct Watching<'a> {
    server: &'a ServerHandle,
    arn: &'a ExecutionArn,
}

impl Drop for Watching<'_> {
    fn drop(&mut self) {
        if self.server.has_store() {
            let arn = self.arn.clone();
            self.server.tell(move |server| server.manager.touch(&arn));
        }
    }
}
