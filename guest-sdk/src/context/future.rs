//! The future of a durable operation.
//!
//! Invariants: a lazy future does nothing until it is polled; a spawned one runs by itself and ends with its handle. A
//! future knows the places of the operations that it would start, so that they can be skipped without starting them.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::durable_context::DurableContext;
use super::place::Place;
use crate::engine::Spawned;
use crate::error::OperationError;

/// The future that all builders turn into.
///
/// A future from `.await` or `future()` runs the operation while it is polled. A future from `spawn()` runs the
/// operation whether or not it is polled; dropping the future stops that. Recorded updates of the operation remain in
/// both cases.
///
/// `tokio::join!`, `futures::join!` and similar macros work as with any future. The order in which several operations
/// end is the same on every replay. If one of several is enough, use [`DurableContext::race`] or
/// [`DurableContext::select_ok`]: they record the winner.
#[must_use = "futures do nothing unless polled or spawned"]
#[non_exhaustive]
pub struct DurableFuture<O> {
    inner: Inner<O>,
    places: Places,
    changes_context: bool,
    /// The name of the operation, for its error.
    name: Option<String>,
}

enum Inner<O> {
    Lazy(Pin<Box<dyn Future<Output = Result<O, OperationError>> + Send>>),
    Spawned(Spawned<Result<O, OperationError>>),
}

/// Most futures are of one operation and need no list.
enum Places {
    None,
    One(Place),
    Many(Vec<Place>),
}

impl<O: Send + 'static> DurableFuture<O> {
    /// Creates the future of an operation that starts at this place.
    pub(crate) fn lazy<F>(place: Place, future: F) -> Self
    where
        F: Future<Output = Result<O, OperationError>> + Send + 'static,
    {
        Self {
            inner: Inner::Lazy(Box::pin(future)),
            places: Places::One(place),
            changes_context: false,
            name: None,
        }
    }

    /// Creates the future of operations that start at these places.
    pub(crate) fn of_several<F>(places: Vec<Place>, changes_context: bool, future: F) -> Self
    where
        F: Future<Output = Result<O, OperationError>> + Send + 'static,
    {
        Self {
            inner: Inner::Lazy(Box::pin(future)),
            places: Places::Many(places),
            changes_context,
            name: None,
        }
    }

    /// Creates the future of an operation that has been started already.
    pub(crate) fn started<F>(future: F) -> Self
    where
        F: Future<Output = Result<O, OperationError>> + Send + 'static,
    {
        Self {
            inner: Inner::Lazy(Box::pin(future)),
            places: Places::None,
            changes_context: false,
            name: None,
        }
    }

    /// Spawns the future, as code of the context.
    pub(crate) fn spawned(self, ctx: &DurableContext) -> Self {
        match self.inner {
            Inner::Lazy(future) => {
                let future = Arc::clone(ctx.section()).run(future);
                Self { inner: Inner::Spawned(ctx.engine().spawn(future)), ..self }
            }
            Inner::Spawned(_) => self,
        }
    }

    /// Takes the places of all operations that the future starts.
    pub(crate) fn take_places(&mut self) -> Vec<Place> {
        match std::mem::replace(&mut self.places, Places::None) {
            Places::None => Vec::new(),
            Places::One(place) => vec![place],
            Places::Many(places) => places,
        }
    }

    /// Marks a future that changes the state of its context when it ends, in addition to its result. A recorded outcome
    /// cannot replace running it on a replay.
    pub(crate) fn changing_context(mut self) -> Self {
        self.changes_context = true;
        self
    }

    /// Adds the name of the operation, for its error.
    pub(crate) fn named(self, name: Option<String>) -> Self {
        Self { name, ..self }
    }

    /// Whether the future changes the state of its context.
    pub(crate) fn changes_context(&self) -> bool {
        self.changes_context
    }
}

impl<O: Send + 'static> Future for DurableFuture<O> {
    type Output = Result<O, OperationError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let poll = match &mut self.inner {
            Inner::Lazy(future) => future.as_mut().poll(cx),
            Inner::Spawned(task) => Pin::new(task).poll(cx),
        };
        match &self.name {
            Some(name) => poll.map_err(|error| error.named(Some(name))),
            None => poll,
        }
    }
}

impl<O> fmt::Debug for DurableFuture<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DurableFuture").finish_non_exhaustive()
    }
}
