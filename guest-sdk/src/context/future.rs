//! The future of every durable operation, and what is made of several.
//!
//! Always true here: a lazy future does nothing until it is polled; a spawned one runs by itself and ends with its
//! handle. A future knows the places of the operations that it would start, so that they can be given up without
//! starting them.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::durable_context::DurableContext;
use super::place::Place;
use crate::engine::Spawned;
use crate::error::OperationError;

/// What the builders of all operations turn into.
///
/// Made by `.await` and `future()`, it runs the operation while it is polled. Made by `spawn()`, the operation runs
/// whether it is polled or not; dropping the future stops that. What is on record of an operation stays either way.
///
/// `tokio::join!`, `futures::join!` and the like work as with any future. Which of several operations ends first is the
/// same on every replay. Where one of several is enough, use [`DurableContext::race`] and
/// [`DurableContext::select_ok`]: they record which it was.
#[must_use = "futures do nothing unless polled or spawned"]
#[non_exhaustive]
pub struct DurableFuture<O> {
    inner: Inner<O>,
    places: Places,
    changes_context: bool,
    /// The operation's name, for its error.
    name: Option<String>,
}

enum Inner<O> {
    Lazy(Pin<Box<dyn Future<Output = Result<O, OperationError>> + Send>>),
    Spawned(Spawned<Result<O, OperationError>>),
}

/// Most futures are of one operation: theirs needs no list.
enum Places {
    None,
    One(Place),
    Many(Vec<Place>),
}

impl<O: Send + 'static> DurableFuture<O> {
    /// Of an operation that starts at this place.
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

    /// Of operations that start at these places.
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

    /// Of an operation that has been started already.
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

    /// The same, running by itself, as code of the context.
    pub(crate) fn spawned(self, ctx: &DurableContext) -> Self {
        match self.inner {
            Inner::Lazy(future) => {
                let future = Arc::clone(ctx.section()).run(future);
                Self { inner: Inner::Spawned(ctx.engine().spawn(future)), ..self }
            }
            Inner::Spawned(_) => self,
        }
    }

    /// Takes out the places of all operations that the future starts.
    pub(crate) fn take_places(&mut self) -> Vec<Place> {
        match std::mem::replace(&mut self.places, Places::None) {
            Places::None => Vec::new(),
            Places::One(place) => vec![place],
            Places::Many(places) => places,
        }
    }

    /// Notes that the future, when it ends, leaves something behind in its context besides its output: so its outcome
    /// alone does not replace it on a replay.
    pub(crate) fn changing_context(mut self) -> Self {
        self.changes_context = true;
        self
    }

    /// The same of an operation of this name: its error tells it.
    pub(crate) fn named(self, name: Option<String>) -> Self {
        Self { name, ..self }
    }

    /// Whether it leaves something behind.
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
