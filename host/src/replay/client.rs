//! What the replay engine asks of a durable execution service.

use std::{future::Future, pin::Pin};

use crate::{
    ambient::Actor,
    protocol::{CheckpointResponse, CheckpointToken, ErrorObject, ExecutionArn, OperationUpdate, StatePage},
};

/// A future of a service call.
pub type ServiceCall<'a, T> = Pin<Box<dyn Future<Output = Result<T, ServiceError>> + Send + 'a>>;

/// A future of news.
pub type Changed<'a> = Pin<Box<dyn Future<Output = Option<Actor>> + Send + 'a>>;

/// Why a service refused, or could not be asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServiceError {
    /// The request breaks the service's rules (`InvalidParameterValueException`). Asking again will not help.
    #[error("InvalidParameterValueException: {0}")]
    InvalidParameterValue(String),
    /// There is no such execution, callback or function (`ResourceNotFoundException`).
    #[error("ResourceNotFoundException: {0}")]
    NotFound(String),
    /// The callback was answered or has timed out already (`CallbackTimeoutException`).
    #[error("CallbackTimeoutException: {0}")]
    CallbackOver(String),
    /// The service cannot be reached any more.
    #[error("the checkpoint server cannot be reached: {0}")]
    Unavailable(String),
}

impl ServiceError {
    /// As the error of an invocation that came to nothing because of it.
    pub fn to_error(&self) -> ErrorObject {
        ErrorObject::new("Service.CheckpointFailed", self.to_string())
    }
}

/// A durable execution service, seen from one invocation: the embedded server, a remote one or a mock.
pub trait DurableServiceClient: Send + Sync {
    /// Reports updates, atomically, and learns what changed. An empty list is a poll.
    fn checkpoint<'a>(
        &'a self,
        arn: &'a ExecutionArn,
        token: &'a CheckpointToken,
        updates: Vec<OperationUpdate>,
    ) -> ServiceCall<'a, CheckpointResponse>;

    /// One more page of the execution's state.
    fn get_state<'a>(
        &'a self,
        arn: &'a ExecutionArn,
        token: &'a CheckpointToken,
        marker: &'a str,
    ) -> ServiceCall<'a, StatePage>;

    /// Ends when a poll may bring news that no deadline announces, such as an answered callback. May end early; a
    /// service that cannot tell never ends it. What it gives keeps skipped time from moving on before somebody has looked.
    fn changed<'a>(&'a self, _arn: &'a ExecutionArn) -> Changed<'a> {
        Box::pin(std::future::pending())
    }
}
