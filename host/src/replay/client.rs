//! What the replay engine asks of a durable execution service.

use std::{future::Future, pin::Pin};

use tokio::sync::oneshot;

use crate::{
    ambient::Actor,
    protocol::{CheckpointResponse, CheckpointToken, ErrorObject, ExecutionArn, OperationUpdate, StatePage},
};

/// A future of a service call.
pub type ServiceCall<'a, T> = Pin<Box<dyn Future<Output = Result<T, ServiceError>> + Send + 'a>>;

/// A future of a watch.
pub type Watch<'a> = Pin<Box<dyn Future<Output = Watching> + Send + 'a>>;

/// A watch that the service knows of: from here on no news is missed.
pub struct Watching(Option<oneshot::Receiver<Option<Actor>>>);

impl Watching {
    /// For a service that cannot tell.
    pub fn never() -> Self {
        Self(None)
    }

    pub(crate) fn new(news: oneshot::Receiver<Option<Actor>>) -> Self {
        Self(Some(news))
    }

    /// Ends when there is news. While what it gives is held, skipped time stands still.
    pub async fn news(self) -> Option<Actor> {
        match self.0 {
            // An error is the service's end: as good a reason to look.
            Some(news) => news.await.ok()?,
            None => std::future::pending().await,
        }
    }
}

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

    /// Watches: its news comes when a poll may bring something that no deadline announces, such as an answered callback. May end early; a
    /// service that cannot tell never ends it. Whoever is to sleep in skipped time waits for the watch first, and then for its
    /// news beside the sleep.
    fn watch<'a>(&'a self, _arn: &'a ExecutionArn) -> Watch<'a> {
        Box::pin(std::future::ready(Watching::never()))
    }
}
