//! A durable execution service with scripted responses, for tests of the replay engine or of any other client of the
//! service.
//!
//! Invariants: responses are returned in the order in which they were scripted, one per call; every call is recorded,
//! in order.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use durawasm_core::protocol::{
    CheckpointResponse, CheckpointToken, DurableServiceClient, ExecutionArn, Operation, OperationUpdate,
    ServiceCall, ServiceError, StatePage,
};

/// A recorded call of `checkpoint`.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckpointCall {
    /// The ARN of the execution.
    pub durable_execution_arn: String,
    /// The token that the caller sent.
    pub checkpoint_token: String,
    /// The updates that the caller sent.
    pub operations: Vec<OperationUpdate>,
}

/// A recorded call of `get_state`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GetStateCall {
    /// The ARN of the execution.
    pub durable_execution_arn: String,
    /// The token that the caller sent.
    pub checkpoint_token: String,
    /// The marker of the requested page.
    pub marker: String,
}

/// A durable execution service with scripted responses. A call without a scripted response fails.
///
/// # Examples
///
/// ```
/// use durawasm_core::protocol::DurableServiceClient;
/// use durawasm_testing::MockDurableServiceClient;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let mock = MockDurableServiceClient::new().with_checkpoint_responses(1);
/// let answer = mock.checkpoint(&"arn".into(), &"token".into(), Vec::new()).await;
/// assert_eq!(answer.unwrap().checkpoint_token.as_str(), "token-1");
/// assert!(mock.checkpoint(&"arn".into(), &"token-1".into(), Vec::new()).await.is_err());
/// assert_eq!(mock.get_checkpoint_calls().len(), 2);
/// # }
/// ```
#[derive(Debug, Default)]
pub struct MockDurableServiceClient(Mutex<Script>);

#[derive(Debug, Default)]
struct Script {
    checkpoints: VecDeque<Result<CheckpointResponse, ServiceError>>,
    states: VecDeque<Result<StatePage, ServiceError>>,
    scripted: usize,
    checkpoint_calls: Vec<CheckpointCall>,
    state_calls: Vec<GetStateCall>,
}

impl MockDurableServiceClient {
    /// A service without scripted responses: every call fails.
    pub fn new() -> Self {
        Self::default()
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a response to the next `checkpoint` call that has none.
    #[must_use]
    pub fn with_checkpoint_response(self, response: Result<CheckpointResponse, ServiceError>) -> Self {
        {
            let mut script = self.script();
            script.scripted += 1;
            script.checkpoints.push_back(response);
        }
        self
    }

    /// Adds this many `checkpoint` responses, each with a new token (`token-1` for the mock's first response) and no
    /// operations.
    #[must_use]
    pub fn with_checkpoint_responses(mut self, count: usize) -> Self {
        for _ in 0..count {
            let token = format!("token-{}", self.script().scripted + 1);
            self = self.with_checkpoint_response_with_operations(&token, Vec::new());
        }
        self
    }

    /// Adds a `checkpoint` response with this token and these changed operations.
    #[must_use]
    pub fn with_checkpoint_response_with_operations(self, token: &str, operations: Vec<Operation>) -> Self {
        let operations = operations.into_iter().map(Arc::new).collect();
        self.with_checkpoint_response(Ok(CheckpointResponse { checkpoint_token: token.into(), operations }))
    }

    /// Adds a response to the next `get_state` call that has none.
    #[must_use]
    pub fn with_get_state_response(self, response: Result<StatePage, ServiceError>) -> Self {
        self.script().states.push_back(response);
        self
    }

    /// All calls of `checkpoint`, in order.
    pub fn get_checkpoint_calls(&self) -> Vec<CheckpointCall> {
        self.script().checkpoint_calls.clone()
    }

    /// All calls of `get_state`, in order.
    pub fn get_state_calls(&self) -> Vec<GetStateCall> {
        self.script().state_calls.clone()
    }

    /// Deletes the recorded calls of `checkpoint`.
    pub fn clear_checkpoint_calls(&self) {
        self.script().checkpoint_calls.clear();
    }
}

fn nothing_left<T>(of: &str, call: usize) -> Result<T, ServiceError> {
    Err(ServiceError::Unavailable(format!("no answer is scripted for call {call} of `{of}`")))
}

impl DurableServiceClient for MockDurableServiceClient {
    fn checkpoint<'a>(
        &'a self,
        arn: &'a ExecutionArn,
        token: &'a CheckpointToken,
        updates: Vec<OperationUpdate>,
    ) -> ServiceCall<'a, CheckpointResponse> {
        let mut script = self.script();
        script.checkpoint_calls.push(CheckpointCall {
            durable_execution_arn: arn.to_string(),
            checkpoint_token: token.to_string(),
            operations: updates,
        });
        let call = script.checkpoint_calls.len();
        let answer = script.checkpoints.pop_front().unwrap_or_else(|| nothing_left("checkpoint", call));
        Box::pin(std::future::ready(answer))
    }

    fn get_state<'a>(
        &'a self,
        arn: &'a ExecutionArn,
        token: &'a CheckpointToken,
        marker: &'a str,
    ) -> ServiceCall<'a, StatePage> {
        let mut script = self.script();
        script.state_calls.push(GetStateCall {
            durable_execution_arn: arn.to_string(),
            checkpoint_token: token.to_string(),
            marker: marker.to_owned(),
        });
        let call = script.state_calls.len();
        let answer = script.states.pop_front().unwrap_or_else(|| nothing_left("get_state", call));
        Box::pin(std::future::ready(answer))
    }
}
