//! What a checkpoint server can be asked: one type a request, which names the type of its answer.

use std::{future::Future, pin::Pin};

use durawasm_core::{
    orchestrator::Backend,
    protocol::{
        CallbackId, CheckpointResponse, CheckpointToken, ErrorObject, ExecutionArn, InvocationResult,
        OperationUpdate, ServiceError, StatePage,
    },
    server::{Answer, ExecutionView, Next, StartExecution, StartedInvocation},
};

/// A future of an answer.
pub type Answered<'a, T> = Pin<Box<dyn Future<Output = Result<T, ServiceError>> + Send + 'a>>;

/// A request to a checkpoint server.
pub trait ApiRequest: Send {
    /// What is answered.
    type Response: Send;

    /// Sends it.
    fn send(self, backend: &Backend) -> Answered<'_, Self::Response>;
}

/// Starts an execution. Nothing runs until [`StartInvocation`].
#[derive(Debug, Clone)]
pub struct StartDurableExecution(pub StartExecution);

/// Starts an invocation of an execution that needs one.
#[derive(Debug, Clone)]
pub struct StartInvocation(pub ExecutionArn);

/// Applies updates, all or none (service model: `CheckpointDurableExecution`).
#[derive(Debug, Clone)]
pub struct Checkpoint {
    /// Of which execution.
    pub durable_execution_arn: ExecutionArn,
    /// The current token.
    pub checkpoint_token: CheckpointToken,
    /// The updates; none is a poll.
    pub updates: Vec<OperationUpdate>,
}

/// A page of the state (service model: `GetDurableExecutionState`).
#[derive(Debug, Clone)]
pub struct GetState {
    /// Of which execution.
    pub durable_execution_arn: ExecutionArn,
    /// The current token.
    pub checkpoint_token: CheckpointToken,
    /// Where the page begins, as the page before it says.
    pub marker: String,
}

/// Ends an invocation.
#[derive(Debug, Clone)]
pub struct CompleteInvocation {
    /// Of which execution.
    pub durable_execution_arn: ExecutionArn,
    /// Which invocation.
    pub request_id: String,
    /// How it ended.
    pub result: InvocationResult,
}

/// Waits until there is something to do for an execution: an invocation is needed, the one that runs would learn
/// something, or it is over. Says what it needs next.
#[derive(Debug, Clone)]
pub struct PollCheckpointData(pub ExecutionArn);

/// An execution as it stands.
#[derive(Debug, Clone)]
pub struct GetExecution(pub ExecutionArn);

/// Answers a callback (service model: `SendDurableExecutionCallback{Success,Failure,Heartbeat}`).
#[derive(Debug, Clone)]
pub struct SendCallback {
    /// Which.
    pub callback_id: CallbackId,
    /// The answer.
    pub answer: Answer,
}

/// Stops an execution (service model: `StopDurableExecution`).
#[derive(Debug, Clone)]
pub struct StopExecution {
    /// Which.
    pub durable_execution_arn: ExecutionArn,
    /// Why.
    pub error: Option<ErrorObject>,
}

impl ApiRequest for StartDurableExecution {
    type Response = ExecutionArn;

    fn send(self, backend: &Backend) -> Answered<'_, ExecutionArn> {
        let server = &backend.server;
        Box::pin(server.start_execution(self.0))
    }
}

impl ApiRequest for StartInvocation {
    type Response = StartedInvocation;

    fn send(self, backend: &Backend) -> Answered<'_, StartedInvocation> {
        let server = &backend.server;
        Box::pin(async move { server.start_invocation(&self.0).await })
    }
}

impl ApiRequest for Checkpoint {
    type Response = CheckpointResponse;

    fn send(self, backend: &Backend) -> Answered<'_, CheckpointResponse> {
        let server = &backend.server;
        let Self { durable_execution_arn: arn, checkpoint_token: token, updates } = self;
        Box::pin(async move { server.checkpoint(&arn, &token, updates).await })
    }
}

impl ApiRequest for GetState {
    type Response = StatePage;

    fn send(self, backend: &Backend) -> Answered<'_, StatePage> {
        let server = &backend.server;
        let Self { durable_execution_arn: arn, checkpoint_token: token, marker } = self;
        Box::pin(async move { server.get_state(&arn, &token, &marker).await })
    }
}

impl ApiRequest for CompleteInvocation {
    type Response = Next;

    fn send(self, backend: &Backend) -> Answered<'_, Next> {
        let server = &backend.server;
        let Self { durable_execution_arn: arn, request_id, result } = self;
        Box::pin(async move { server.complete_invocation(&arn, &request_id, result).await })
    }
}

impl ApiRequest for PollCheckpointData {
    type Response = Next;

    fn send(self, backend: &Backend) -> Answered<'_, Next> {
        let server = &backend.server;
        Box::pin(async move {
            loop {
                // First, so that nobody sleeps while there is news.
                let watching = server.watch(&self.0).await;
                let due = match server.poll(&self.0).await? {
                    Next::WaitUntil(due) => Some(due),
                    Next::Running { deadline } => deadline,
                    Next::WaitForOutside { .. } => None,
                    next @ (Next::Invoke | Next::Closed) => return Ok(next),
                };
                // Whoever polls acts in the server's time.
                let _actor = backend.clock.actor();
                tokio::select! {
                    biased;
                    _news = watching.news() => return server.poll(&self.0).await,
                    () = backend.clock.sleep(due) => {}
                }
            }
        })
    }
}

impl ApiRequest for GetExecution {
    type Response = ExecutionView;

    fn send(self, backend: &Backend) -> Answered<'_, ExecutionView> {
        let server = &backend.server;
        Box::pin(async move { server.view(&self.0).await })
    }
}

impl ApiRequest for SendCallback {
    type Response = ();

    fn send(self, backend: &Backend) -> Answered<'_, ()> {
        let server = &backend.server;
        Box::pin(async move { server.complete_callback(&self.callback_id, self.answer).await })
    }
}

impl ApiRequest for StopExecution {
    type Response = ();

    fn send(self, backend: &Backend) -> Answered<'_, ()> {
        let server = &backend.server;
        Box::pin(async move { server.stop_execution(&self.durable_execution_arn, self.error).await })
    }
}
