//! The trait of a durable execution service, as one invocation sees it.

use std::{future::Future, pin::Pin};

use super::{CheckpointResponse, CheckpointToken, ExecutionArn, OperationUpdate, ServiceError, StatePage};
use crate::{ambient::Actor, budget::Budget};

/// The future of a request to the service.
pub type ServiceCall<'a, T> = Pin<Box<dyn Future<Output = Result<T, ServiceError>> + Send + 'a>>;

/// The future of a [`ChangeSubscription`].
pub type Subscribing<'a> = Pin<Box<dyn Future<Output = ChangeSubscription> + Send + 'a>>;

/// The future of an execution's budget.
pub type Budgeting<'a> = Pin<Box<dyn Future<Output = Budget> + Send + 'a>>;

/// A subscription to the next change of an execution. No change after it was made is missed.
pub struct ChangeSubscription(Option<Pin<Box<dyn Future<Output = Option<Actor>> + Send>>>);

impl ChangeSubscription {
    /// A subscription that never completes, for services that do not report changes.
    pub fn never() -> Self {
        Self(None)
    }

    /// Creates a subscription that completes with this future. If the service's clock is virtual, the future returns an
    /// actor of that clock, so that no time passes before the change is processed.
    pub fn new(news: impl Future<Output = Option<Actor>> + Send + 'static) -> Self {
        Self(Some(Box::pin(news)))
    }

    /// Waits for a change. While the returned actor is held, virtual time does not advance.
    pub async fn news(self) -> Option<Actor> {
        match self.0 {
            Some(news) => news.await,
            None => std::future::pending().await,
        }
    }
}

/// A durable execution service, seen from one invocation: the embedded server, a remote one or a mock.
pub trait DurableServiceClient: Send + Sync {
    /// Sends updates, which are applied atomically, and returns the operations that changed. An empty list only polls.
    fn checkpoint<'a>(
        &'a self,
        arn: &'a ExecutionArn,
        token: &'a CheckpointToken,
        updates: Vec<OperationUpdate>,
    ) -> ServiceCall<'a, CheckpointResponse>;

    /// Returns one more page of the execution's state.
    fn get_state<'a>(
        &'a self,
        arn: &'a ExecutionArn,
        token: &'a CheckpointToken,
        marker: &'a str,
    ) -> ServiceCall<'a, StatePage>;

    /// Subscribes to the next change that no deadline announces, such as an answered callback. The future may complete
    /// early; a service that does not report changes never completes it. On a virtual clock, callers must subscribe
    /// before they sleep, and then wait for the change and the deadline concurrently.
    fn watch<'a>(&'a self, _arn: &'a ExecutionArn) -> Subscribing<'a> {
        Box::pin(std::future::ready(ChangeSubscription::never()))
    }

    /// The budget of an execution that this process keeps, to which its invocations charge what they make the process
    /// keep. A service elsewhere has none here: its invocations get the default.
    fn budget<'a>(&'a self, _arn: &'a ExecutionArn) -> Budgeting<'a> {
        Box::pin(std::future::ready(Budget::default()))
    }
}
