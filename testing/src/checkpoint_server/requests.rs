//! The requests to a checkpoint server: one type per request, with the type of its response.

use std::{future::Future, pin::Pin};

use durawasm_core::{
    orchestrator::Backend,
    protocol::{
        CallbackId, CheckpointResponse, CheckpointToken, ErrorObject, ExecutionArn, InvocationResult,
        OperationUpdate, ServiceError, StatePage,
    },
    server::{Answer, ExecutionView, Next, StartExecution, StartedInvocation},
};

/// The future of a response.
pub type Answered<'a, T> = Pin<Box<dyn Future<Output = Result<T, ServiceError>> + Send + 'a>>;

/// A request to a checkpoint server.
pub trait ApiRequest: Send {
    /// The type of the response.
    type Response: Send;

    /// Sends the request to the server.
    fn send(self, backend: &Backend) -> Answered<'_, Self::Response>;
}

/// Starts an execution. Its handler does not run before [`StartInvocation`].
#[derive(Debug, Clone)]
pub struct StartDurableExecution(pub StartExecution);

/// Starts an invocation of an execution that needs one.
#[derive(Debug, Clone)]
pub struct StartInvocation(pub ExecutionArn);

/// Applies all updates, or none (service model: `CheckpointDurableExecution`).
#[derive(Debug, Clone)]
pub struct Checkpoint {
    /// The ARN of the execution.
    pub durable_execution_arn: ExecutionArn,
    /// The current token of the execution.
    pub checkpoint_token: CheckpointToken,
    /// The updates. An empty list polls for changes.
    pub updates: Vec<OperationUpdate>,
}

/// Returns a page of the state (service model: `GetDurableExecutionState`).
#[derive(Debug, Clone)]
pub struct GetState {
    /// The ARN of the execution.
    pub durable_execution_arn: ExecutionArn,
    /// The current token of the execution.
    pub checkpoint_token: CheckpointToken,
    /// The marker of the page, from the previous page.
    pub marker: String,
}

/// Ends an invocation.
#[derive(Debug, Clone)]
pub struct CompleteInvocation {
    /// The ARN of the execution.
    pub durable_execution_arn: ExecutionArn,
    /// The request id of the invocation.
    pub request_id: String,
    /// The result of the invocation.
    pub result: InvocationResult,
}

/// Waits until an execution needs an invocation, has changes for its running invocation, or has ended. Returns what it
/// needs next.
#[derive(Debug, Clone)]
pub struct PollCheckpointData(pub ExecutionArn);

/// Returns the current state of an execution.
#[derive(Debug, Clone)]
pub struct GetExecution(pub ExecutionArn);

/// Answers a callback (service model: `SendDurableExecutionCallback{Success,Failure,Heartbeat}`).
#[derive(Debug, Clone)]
pub struct SendCallback {
    /// The id of the callback.
    pub callback_id: CallbackId,
    /// A result, an error or a heartbeat.
    pub answer: Answer,
}

/// Stops an execution (service model: `StopDurableExecution`).
#[derive(Debug, Clone)]
pub struct StopExecution {
    /// The ARN of the execution.
    pub durable_execution_arn: ExecutionArn,
    /// The error to record.
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
                // The subscription comes before the query, so that no change between the two is missed.
                let subscription = server.watch(&self.0).await;
                let due = match server.poll(&self.0).await? {
                    Next::WaitUntil(due) => Some(due),
                    Next::Running { deadline } => deadline,
                    Next::WaitForExternal { .. } => None,
                    next @ (Next::Invoke | Next::Closed) => return Ok(next),
                };
                // The caller is an actor of the clock while it queries, so time cannot skip.
                let _actor = backend.clock.actor();
                tokio::select! {
                    biased;
                    _news = subscription.news() => return server.poll(&self.0).await,
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
