//! Handles to the server.
//!
//! Invariants: every call ends, with the server's answer or with the reason why there is none. Dropping a call does not
//! cancel it: once polled, it is processed.

use std::sync::Arc;

use super::{
    api::{
        Answer, ExecutionView, InvokeOutcome, InvokeTarget, Next, NextAction, ScriptedAnswer, StartExecution,
        StartedInvocation,
    },
    observer::Observer,
    tally::Tally,
    timers::{ScheduledTimer, TimerKey},
    worker::{Server, Shared},
};
use crate::{
    ambient::Actor,
    budget::Budget,
    protocol::{
        Budgeting, CallbackId, ChangeSubscription, CheckpointResponse, CheckpointToken, DurableServiceClient,
        ErrorObject, ExecutionArn, InvocationResult, OperationId, OperationUpdate, ServiceCall, ServiceError,
        StatePage, Subscribing, Timestamp,
    },
};

/// A handle to a [`CheckpointServer`](super::CheckpointServer): cheap to clone, usable from any thread.
#[derive(Clone)]
pub struct ServerHandle(Arc<Shared>);

impl ServerHandle {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self(shared)
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.0
    }

    pub(super) async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Server, Timestamp) -> Result<T, ServiceError> + Send + 'static,
    ) -> Result<T, ServiceError> {
        self.call_here(false, work).await
    }

    /// As [`Self::call`]. If `may_commit`, the calling thread may be blocked for a commit.
    async fn call_here<T: Send + 'static>(
        &self,
        may_commit: bool,
        work: impl FnOnce(&mut Server, Timestamp) -> Result<T, ServiceError> + Send + 'static,
    ) -> Result<T, ServiceError> {
        // Yields from time to time, because a caller whose requests are all answered immediately would starve other
        // tasks.
        tokio::task::coop::consume_budget().await;
        match self.0.process_here(may_commit, work) {
            Ok(outcome) => outcome,
            Err(work) => self.0.process_on_thread(work).await.unwrap_or_else(|_| Err(self.0.unavailable())),
        }
    }

    /// Makes a request whose answer nobody waits for.
    pub(super) fn tell(&self, work: impl FnOnce(&mut Server) + Send + 'static) {
        drop(self.0.process_on_thread(move |server, _| {
            work(server);
            Ok(())
        }));
    }

    /// See [`ExecutionManager::start_execution`](super::ExecutionManager::start_execution).
    ///
    /// # Errors
    /// As there, or [`ServiceError::Unavailable`].
    pub async fn start_execution(&self, start: StartExecution) -> Result<ExecutionArn, ServiceError> {
        self.call(move |server, now| server.manager.start_execution(now, start)).await
    }

    /// Starts an execution as [`Self::start_execution`] does, and calls `then` before anybody can run it.
    ///
    /// # Errors
    /// As there.
    pub async fn start_execution_then<T: Send + 'static>(
        &self,
        start: StartExecution,
        then: impl FnOnce(&ExecutionArn) -> T + Send + 'static,
    ) -> Result<(ExecutionArn, T), ServiceError> {
        self.call(move |server, now| {
            let arn = server.manager.start_execution(now, start)?;
            let done = then(&arn);
            Ok((arn, done))
        })
        .await
    }

    /// See [`ExecutionManager::find_started`](super::ExecutionManager::find_started).
    ///
    /// # Errors
    /// As there, or [`ServiceError::Unavailable`].
    pub async fn find_started(
        &self,
        function: &str,
        name: &str,
        input: Option<String>,
    ) -> Result<Option<ExecutionArn>, ServiceError> {
        let (function, name) = (function.to_owned(), name.to_owned());
        self.call(move |server, _| server.manager.find_started(&function, &name, input.as_deref())).await
    }

    /// See [`ExecutionManager::observe`](super::ExecutionManager::observe).
    ///
    /// # Errors
    /// As there, or [`ServiceError::Unavailable`].
    pub async fn observe(&self, arn: &ExecutionArn, observer: Arc<dyn Observer>) -> Result<(), ServiceError> {
        let arn = arn.clone();
        self.call(move |server, now| server.manager.observe(now, &arn, observer)).await
    }

    /// Tells `tally` of executions that start and end from now on.
    pub fn count(&self, tally: Arc<dyn Tally>) {
        self.tell(move |server| server.manager.tallied.tell(tally));
    }

    /// See [`ExecutionManager::start_invocation`](super::ExecutionManager::start_invocation).
    ///
    /// # Errors
    /// As there, or [`ServiceError::Unavailable`].
    pub async fn start_invocation(&self, arn: &ExecutionArn) -> Result<StartedInvocation, ServiceError> {
        let arn = arn.clone();
        self.call(move |server, now| server.manager.start_invocation(now, &arn)).await
    }

    /// See [`ExecutionManager::checkpoint`](super::ExecutionManager::checkpoint).
    ///
    /// # Errors
    /// As there, or [`ServiceError::Unavailable`].
    pub async fn checkpoint(
        &self,
        arn: &ExecutionArn,
        token: &CheckpointToken,
        updates: Vec<OperationUpdate>,
    ) -> Result<CheckpointResponse, ServiceError> {
        let (arn, token) = (arn.clone(), token.clone());
        self.call_here(true, move |server, now| server.manager.checkpoint(now, &arn, &token, updates)).await
    }

    /// See [`ExecutionManager::get_state`](super::ExecutionManager::get_state).
    ///
    /// # Errors
    /// As there, or [`ServiceError::Unavailable`].
    pub async fn get_state(
        &self,
        arn: &ExecutionArn,
        token: &CheckpointToken,
        marker: &str,
    ) -> Result<StatePage, ServiceError> {
        let (arn, token, marker) = (arn.clone(), token.clone(), marker.to_owned());
        self.call(move |server, now| server.manager.get_state(now, &arn, &token, &marker)).await
    }

    /// See [`ExecutionManager::complete_invocation`](super::ExecutionManager::complete_invocation).
    ///
    /// # Errors
    /// As there, or [`ServiceError::Unavailable`].
    pub async fn complete_invocation(
        &self,
        arn: &ExecutionArn,
        request_id: &str,
        result: InvocationResult,
    ) -> Result<Next, ServiceError> {
        let (arn, request_id) = (arn.clone(), request_id.to_owned());
        self.call(move |server, now| server.manager.complete_invocation(now, &arn, &request_id, result)).await
    }

    /// See [`ExecutionManager::complete_callback`](super::ExecutionManager::complete_callback).
    ///
    /// # Errors
    /// As there, or [`ServiceError::Unavailable`].
    pub async fn complete_callback(&self, id: &CallbackId, answer: Answer) -> Result<(), ServiceError> {
        let id = id.clone();
        self.call(move |server, now| server.manager.complete_callback(now, &id, answer)).await
    }

    /// See [`ExecutionManager::add_answers`](super::ExecutionManager::add_answers).
    ///
    /// # Errors
    /// As there, or [`ServiceError::Unavailable`].
    pub async fn add_answers(
        &self,
        arn: &ExecutionArn,
        answers: Vec<ScriptedAnswer>,
        origin: Option<Arc<str>>,
    ) -> Result<(), ServiceError> {
        let arn = arn.clone();
        self.call(move |server, now| server.manager.add_answers(now, &arn, answers, origin)).await
    }

    /// See [`ExecutionManager::annotate_invoke`](super::ExecutionManager::annotate_invoke).
    ///
    /// # Errors
    /// As there, or [`ServiceError::Unavailable`].
    pub async fn annotate_invoke(
        &self,
        arn: &ExecutionArn,
        operation: &OperationId,
        target: InvokeTarget,
    ) -> Result<(), ServiceError> {
        let (arn, operation) = (arn.clone(), operation.clone());
        self.call(move |server, _| server.manager.annotate_invoke(&arn, &operation, target)).await
    }

    /// See [`ExecutionManager::complete_invoke`](super::ExecutionManager::complete_invoke).
    ///
    /// # Errors
    /// As there, or [`ServiceError::Unavailable`].
    pub async fn complete_invoke(
        &self,
        arn: &ExecutionArn,
        operation: &OperationId,
        outcome: InvokeOutcome,
    ) -> Result<(), ServiceError> {
        let (arn, operation) = (arn.clone(), operation.clone());
        self.call(move |server, now| server.manager.complete_invoke(now, &arn, &operation, outcome)).await
    }

    /// See [`ExecutionManager::stop_execution`](super::ExecutionManager::stop_execution).
    ///
    /// # Errors
    /// As there, or [`ServiceError::Unavailable`].
    pub async fn stop_execution(
        &self,
        arn: &ExecutionArn,
        error: Option<ErrorObject>,
    ) -> Result<(), ServiceError> {
        let arn = arn.clone();
        self.call(move |server, now| server.manager.stop_execution(now, &arn, error)).await
    }

    /// Fires all due timers, and returns what the execution needs next. See
    /// [`ExecutionManager::poll`](super::ExecutionManager::poll).
    ///
    /// # Errors
    /// As there, or [`ServiceError::Unavailable`].
    pub async fn poll(&self, arn: &ExecutionArn) -> Result<Next, ServiceError> {
        let arn = arn.clone();
        self.call(move |server, now| server.manager.poll(now, &arn)).await
    }

    /// Fires all due timers, and returns what the execution needs next: [`take_invokes`](super::ExecutionManager::take_invokes),
    /// [`poll`](Self::poll) and, if it waits, [`watch`](Self::watch) in one request.
    ///
    /// With `may_leave`, an execution that waits is left to who dispatches executions; see
    /// [`Attendance`](super::Attendance).
    ///
    /// # Errors
    /// As for [`ExecutionManager::poll`](super::ExecutionManager::poll), or [`ServiceError::Unavailable`].
    pub async fn next(&self, arn: &ExecutionArn, may_leave: bool) -> Result<NextAction, ServiceError> {
        let arn = arn.clone();
        self.call(move |server, now| server.next(now, &arn, may_leave)).await
    }

    /// See [`ExecutionManager::take_timers`](super::ExecutionManager::take_timers).
    ///
    /// # Errors
    /// As there, or [`ServiceError::Unavailable`].
    pub async fn take_timers(&self, arn: &ExecutionArn) -> Result<Vec<ScheduledTimer>, ServiceError> {
        let arn = arn.clone();
        self.call(move |server, _| server.manager.take_timers(&arn)).await
    }

    /// See [`ExecutionManager::has_timer`](super::ExecutionManager::has_timer).
    ///
    /// # Errors
    /// As there, or [`ServiceError::Unavailable`].
    pub async fn has_timer(&self, arn: &ExecutionArn, key: TimerKey) -> Result<bool, ServiceError> {
        let arn = arn.clone();
        self.call(move |server, _| server.manager.has_timer(&arn, key)).await
    }

    /// See [`ExecutionManager::elapse`](super::ExecutionManager::elapse).
    ///
    /// # Errors
    /// As there, or [`ServiceError::Unavailable`].
    pub async fn elapse(&self, arn: &ExecutionArn, key: TimerKey) -> Result<(), ServiceError> {
        let arn = arn.clone();
        self.call(move |server, now| server.manager.elapse(now, &arn, key)).await
    }

    /// See [`ExecutionManager::view`](super::ExecutionManager::view).
    ///
    /// # Errors
    /// As there, or [`ServiceError::Unavailable`].
    pub async fn view(&self, arn: &ExecutionArn) -> Result<ExecutionView, ServiceError> {
        let arn = arn.clone();
        self.call(move |server, now| server.manager.view(now, &arn)).await
    }

    /// See [`ExecutionManager::budget`](super::ExecutionManager::budget).
    ///
    /// # Errors
    /// As there, or [`ServiceError::Unavailable`].
    pub async fn budget(&self, arn: &ExecutionArn) -> Result<Budget, ServiceError> {
        let arn = arn.clone();
        self.call(move |server, _| server.manager.budget(&arn)).await
    }

    /// Whether the server keeps executions in a store.
    pub fn has_store(&self) -> bool {
        self.0.has_store()
    }

    /// Whether the server has ended.
    pub fn is_gone(&self) -> bool {
        self.0.shutdown_reason().is_some()
    }

    /// Makes the server end as if it had failed, for tests of its callers.
    pub fn crash(&self, why: impl Into<String>) {
        self.0.crash(why.into());
    }

    /// Registers for the next change of an execution. When this call has returned, no change is missed. The
    /// registration completes when a running handler would get something new from a poll, when an execution without an
    /// invocation needs one, when the next deadline changes, or when the execution ends. It completes immediately if
    /// such a change is pending already, or if the execution or the server does not exist, which the next request
    /// reports.
    pub async fn watch(&self, arn: &ExecutionArn) -> ChangeSubscription {
        let arn = arn.clone();
        let subscription = self.call(move |server, now| Ok(server.watch(now, arn))).await;
        // If the server has ended, the caller learns it from the next request, which it can make now.
        subscription.unwrap_or_else(|_| ChangeSubscription::new(std::future::ready(None)))
    }

    /// Registers for the next change and waits for it.
    pub async fn changed(&self, arn: &ExecutionArn) -> Option<Actor> {
        self.watch(arn).await.news().await
    }
}

impl DurableServiceClient for ServerHandle {
    fn checkpoint<'a>(
        &'a self,
        arn: &'a ExecutionArn,
        token: &'a CheckpointToken,
        updates: Vec<OperationUpdate>,
    ) -> ServiceCall<'a, CheckpointResponse> {
        Box::pin(self.checkpoint(arn, token, updates))
    }

    fn get_state<'a>(
        &'a self,
        arn: &'a ExecutionArn,
        token: &'a CheckpointToken,
        marker: &'a str,
    ) -> ServiceCall<'a, StatePage> {
        Box::pin(self.get_state(arn, token, marker))
    }

    fn watch<'a>(&'a self, arn: &'a ExecutionArn) -> Subscribing<'a> {
        Box::pin(self.watch(arn))
    }

    fn budget<'a>(&'a self, arn: &'a ExecutionArn) -> Budgeting<'a> {
        // The next request reports that the execution or the server is gone.
        Box::pin(async { self.budget(arn).await.unwrap_or_default() })
    }
}
