//! A service that says what it is told to: for tests of the replay engine, or of anything that talks to a service.
//!
//! Invariants: answers are given in the order in which they were scripted, one a call; every call is on record, in
//! order.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use durawasm_core::protocol::{
    CheckpointResponse, CheckpointToken, DurableServiceClient, ExecutionArn, Operation, OperationUpdate,
    ServiceCall, ServiceError, StatePage,
};

/// One call of `checkpoint`.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckpointCall {
    /// Of which execution.
    pub durable_execution_arn: String,
    /// With which token.
    pub checkpoint_token: String,
    /// What was reported.
    pub operations: Vec<OperationUpdate>,
}

/// One call of `get_state`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GetStateCall {
    /// Of which execution.
    pub durable_execution_arn: String,
    /// With which token.
    pub checkpoint_token: String,
    /// Which page.
    pub marker: String,
}

/// A durable execution service with scripted answers. A call for which no answer is left is refused.
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
    /// One that refuses every call.
    pub fn new() -> Self {
        Self::default()
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers one more checkpoint with this.
    #[must_use]
    pub fn with_checkpoint_response(self, response: Result<CheckpointResponse, ServiceError>) -> Self {
        {
            let mut script = self.script();
            script.scripted += 1;
            script.checkpoints.push_back(response);
        }
        self
    }

    /// Answers so many more checkpoints with a new token, `token-1` for the first answer of all, and no operations.
    #[must_use]
    pub fn with_checkpoint_responses(mut self, count: usize) -> Self {
        for _ in 0..count {
            let token = format!("token-{}", self.script().scripted + 1);
            self = self.with_checkpoint_response_with_operations(&token, Vec::new());
        }
        self
    }

    /// Answers one more checkpoint with this token, and with these operations as changed.
    #[must_use]
    pub fn with_checkpoint_response_with_operations(self, token: &str, operations: Vec<Operation>) -> Self {
        let operations = operations.into_iter().map(Arc::new).collect();
        self.with_checkpoint_response(Ok(CheckpointResponse { checkpoint_token: token.into(), operations }))
    }

    /// Answers one more request for a page of the state with this.
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

    /// Forgets the calls of `checkpoint`.
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
