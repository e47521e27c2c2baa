//! The way to the server's thread.
//!
//! Always true: a call ends, with the thread's answer or with the reason why there is none. Dropping a call does not
//! take it back: once sent, it is processed.

use std::sync::Arc;

use crossbeam_channel::Sender;
use tokio::sync::oneshot::{self, error::TryRecvError};

use super::{
    api::{
        Answer, ExecutionView, InvocationResult, InvokeOutcome, InvokeTarget, Next, StartExecution,
        StartedInvocation, StartedInvoke,
    },
    observer::Observer,
    patience::Patience,
    timers::{ScheduledTimer, TimerKey},
    worker::{Epitaph, Message, Server, request},
};
use crate::{
    ambient::Actor,
    protocol::{
        CallbackId, CheckpointResponse, CheckpointToken, ErrorObject, ExecutionArn, OperationId,
        OperationUpdate, StatePage, Timestamp,
    },
    replay::{DurableServiceClient, ServiceCall, ServiceError, Watch, Watching},
};

/// A handle to a [`CheckpointServer`](super::CheckpointServer): cheap to clone, usable from any thread.
#[derive(Clone)]
pub struct ServerHandle {
    requests: Sender<Message>,
    epitaph: Epitaph,
    patience: Arc<Patience>,
}

impl ServerHandle {
    pub(super) fn new(requests: Sender<Message>, epitaph: Epitaph) -> Self {
        Self { requests, epitaph, patience: Arc::default() }
    }

    /// Sends a message. If the thread is gone, the message is dropped, and the reply that waits for it ends.
    pub(super) fn send(&self, message: Message) {
        drop(self.requests.send(message));
    }

    async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Server, Timestamp) -> Result<T, ServiceError> + Send + 'static,
    ) -> Result<T, ServiceError> {
        let (reply, mut answer) = oneshot::channel();
        self.send(Message::Request(request(work, reply)));
        let look = || match answer.try_recv() {
            Ok(outcome) => Some(Ok(outcome)),
            Err(TryRecvError::Closed) => Some(Err(())),
            Err(TryRecvError::Empty) => None,
        };
        let outcome = match self.patience.look(look) {
            Some(outcome) => outcome,
            None => answer.await.map_err(drop),
        };
        outcome.unwrap_or_else(|()| Err(self.unavailable()))
    }

    fn unavailable(&self) -> ServiceError {
        let why = self.epitaph.get().map_or("its thread ended", String::as_str);
        ServiceError::Unavailable(why.to_owned())
    }

    /// See [`ExecutionManager::start_execution`](super::ExecutionManager::start_execution).
    ///
    /// # Errors
    /// As there, or [`ServiceError::Unavailable`].
    pub async fn start_execution(&self, start: StartExecution) -> Result<ExecutionArn, ServiceError> {
        self.call(move |server, now| server.manager.start_execution(now, start)).await
    }

    /// See [`ExecutionManager::observe`](super::ExecutionManager::observe).
    ///
    /// # Errors
    /// As there, or [`ServiceError::Unavailable`].
    pub async fn observe(&self, arn: &ExecutionArn, observer: Arc<dyn Observer>) -> Result<(), ServiceError> {
        let arn = arn.clone();
        self.call(move |server, now| server.manager.observe(now, &arn, observer)).await
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
        self.call(move |server, now| server.manager.checkpoint(now, &arn, &token, updates)).await
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

    /// See [`ExecutionManager::take_invokes`](super::ExecutionManager::take_invokes).
    ///
    /// # Errors
    /// As there, or [`ServiceError::Unavailable`].
    pub async fn take_invokes(&self, arn: &ExecutionArn) -> Result<Vec<StartedInvoke>, ServiceError> {
        let arn = arn.clone();
        self.call(move |server, _| server.manager.take_invokes(&arn)).await
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

    /// Lets everything happen that is due by now, and says what the execution needs next.
    /// See [`ExecutionManager::poll`](super::ExecutionManager::poll).
    ///
    /// # Errors
    /// As there, or [`ServiceError::Unavailable`].
    pub async fn poll(&self, arn: &ExecutionArn) -> Result<Next, ServiceError> {
        let arn = arn.clone();
        self.call(move |server, now| server.manager.poll(now, &arn)).await
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

    /// Whether the server's thread is gone.
    pub fn is_gone(&self) -> bool {
        self.epitaph.get().is_some()
    }

    /// Has the server's thread end as if by a fault of its own, to see what becomes of those who wait for it.
    pub fn crash(&self, why: impl Into<String>) {
        let why = why.into();
        self.send(Message::Request(Box::new(move |_| Err(why))));
    }

    /// Watches an execution, from when this ends. Its news comes when there is some that nobody has got yet: a handler that runs
    /// would learn something from a poll; an execution without one needs an invocation; what it waits for has another deadline; or
    /// it is over. At once, if there is some already, or if there is no such execution or no server: the next call tells.
    pub async fn watch(&self, arn: &ExecutionArn) -> Watching {
        let (watcher, news) = oneshot::channel();
        let arn = arn.clone();
        let watching = self.call(move |server, now| {
            server.watch(now, arn, watcher);
            Ok(())
        });
        // Where it fails, the watcher is gone, and that is news.
        drop(watching.await);
        Watching::new(news)
    }

    /// Ends when there is news, as [`watch`](Self::watch) tells of it.
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

    fn watch<'a>(&'a self, arn: &'a ExecutionArn) -> Watch<'a> {
        Box::pin(self.watch(arn))
    }
}
