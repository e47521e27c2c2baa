//! The trait of a durable execution service, as one invocation sees it.

use std::{future::Future, pin::Pin};

use super::{CheckpointResponse, CheckpointToken, ExecutionArn, OperationUpdate, ServiceError, StatePage};
use crate::ambient::Actor;

/// A future of a service call.
pub type ServiceCall<'a, T> = Pin<Box<dyn Future<Output = Result<T, ServiceError>> + Send + 'a>>;

/// A future of a watch.
pub type Watch<'a> = Pin<Box<dyn Future<Output = Watching> + Send + 'a>>;

/// A watch that the service knows of: from here on no news is missed.
pub struct Watching(Option<Pin<Box<dyn Future<Output = Option<Actor>> + Send>>>);

impl Watching {
    /// For a service that cannot tell.
    pub fn never() -> Self {
        Self(None)
    }

    /// A watch whose news comes when this future ends. If the service skips time, the future gives an actor of the
    /// service's clock, so that no time passes before the news is acted on.
    pub fn new(news: impl Future<Output = Option<Actor>> + Send + 'static) -> Self {
        Self(Some(Box::pin(news)))
    }

    /// Ends when there is news. While what it gives is held, skipped time stands still.
    pub async fn news(self) -> Option<Actor> {
        match self.0 {
            Some(news) => news.await,
            None => std::future::pending().await,
        }
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

    /// Watches: its news comes when a poll may bring something that no deadline announces, such as an answered
    /// callback. May end early; a service that cannot tell never ends it. Whoever is to sleep in skipped time waits for
    /// the watch first, and then for its news beside the sleep.
    fn watch<'a>(&'a self, _arn: &'a ExecutionArn) -> Watch<'a> {
        Box::pin(std::future::ready(Watching::never()))
    }
}
