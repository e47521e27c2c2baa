//! The future of every durable operation.
//!
//! Always true here: a lazy future does nothing until it is polled; a spawned one runs by itself and ends with its handle.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::OperationError;
use crate::engine::Engine;
use crate::executor::Spawned;

/// What the builders of all operations turn into.
///
/// Made by `.await` and `future()`, it runs the operation while it is polled. Made by `spawn()`, the operation runs
/// whether it is polled or not; dropping the future stops that. What is on record of an operation stays either way.
///
/// `tokio::join!`, `futures::join!` and the like work as with any future. Which of several operations ends first is the
/// same on every replay.
#[must_use = "futures do nothing unless polled or spawned"]
#[non_exhaustive]
pub struct DurableFuture<O> {
    inner: Inner<O>,
}

enum Inner<O> {
    Lazy(Pin<Box<dyn Future<Output = Result<O, OperationError>> + Send>>),
    Spawned(Spawned<Result<O, OperationError>>),
}

impl<O: Send + 'static> DurableFuture<O> {
    pub(crate) fn lazy<F>(future: F) -> Self
    where
        F: Future<Output = Result<O, OperationError>> + Send + 'static,
    {
        Self { inner: Inner::Lazy(Box::pin(future)) }
    }

    pub(crate) fn spawned(self, engine: &Engine) -> Self {
        match self.inner {
            Inner::Lazy(future) => Self { inner: Inner::Spawned(engine.spawn(future)) },
            Inner::Spawned(_) => self,
        }
    }
}

impl<O: Send + 'static> Future for DurableFuture<O> {
    type Output = Result<O, OperationError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.inner {
            Inner::Lazy(future) => future.as_mut().poll(cx),
            Inner::Spawned(task) => Pin::new(task).poll(cx),
        }
    }
}

impl<O> fmt::Debug for DurableFuture<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DurableFuture").finish_non_exhaustive()
    }
}
