//! The future of every durable operation, and what is made of several.
//!
//! Always true here: a lazy future does nothing until it is polled; a spawned one runs by itself and ends with its handle. A
//! future knows the places of the operations that it would start, so that they can be given up without starting them.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::context::DurableContext;
use crate::executor::Spawned;
use crate::runtime::{Position, Scope};
use crate::{BoxError, OperationError};

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
    lasting: bool,
    /// The operation's name, for its error.
    name: Option<String>,
}

enum Inner<O> {
    Lazy(Pin<Box<dyn Future<Output = Result<O, OperationError>> + Send>>),
    Spawned(Spawned<Result<O, OperationError>>),
}

/// Where an operation stands, or would stand.
#[derive(Clone)]
pub(crate) struct Place {
    scope: Arc<dyn Scope>,
    position: Position,
}

impl Place {
    pub(crate) fn new(scope: Arc<dyn Scope>, position: Position) -> Self {
        Self { scope, position }
    }

    /// Says that the operation is not needed any more in this invocation, started or not.
    pub(crate) fn skip(&self) {
        self.scope.skip(self.position);
    }
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
        Self { inner: Inner::Lazy(Box::pin(future)), places: Places::One(place), lasting: false, name: None }
    }

    /// Of operations that start at these places.
    pub(crate) fn of_several<F>(places: Vec<Place>, lasting: bool, future: F) -> Self
    where
        F: Future<Output = Result<O, OperationError>> + Send + 'static,
    {
        Self { inner: Inner::Lazy(Box::pin(future)), places: Places::Many(places), lasting, name: None }
    }

    /// Of an operation that has been started already.
    pub(crate) fn started<F>(future: F) -> Self
    where
        F: Future<Output = Result<O, OperationError>> + Send + 'static,
    {
        Self { inner: Inner::Lazy(Box::pin(future)), places: Places::None, lasting: false, name: None }
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

    /// Notes that the future, when it ends, leaves something behind in its context besides its output: so its outcome alone
    /// does not
    /// replace it on a replay.
    pub(crate) fn lasting(mut self) -> Self {
        self.lasting = true;
        self
    }

    /// The same of an operation of this name: its error tells it.
    pub(crate) fn named(self, name: Option<String>) -> Self {
        Self { name, ..self }
    }

    /// Whether it leaves something behind.
    pub(crate) fn is_lasting(&self) -> bool {
        self.lasting
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

/// How one of the futures of [`DurableContext::join_all`] ended.
///
/// # Examples
///
/// ```
/// use durawasm_guest::Settled;
///
/// fn value(settled: Settled<u32>) -> Option<u32> {
///     match settled {
///         Settled::Fulfilled(value) => Some(value),
///         _ => None,
///     }
/// }
/// assert_eq!(value(Settled::Fulfilled(7)), Some(7));
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum Settled<O> {
    /// With this value.
    Fulfilled(O),
    /// With this error. As it comes from the record of the join, its kind is
    /// [`ChildContext`](crate::OperationErrorKind::ChildContext) whatever failed; type, message and data are those on record
    /// of the operation that did.
    Rejected(OperationError),
}

/// What an item or a branch runs as: given its context, it returns a value.
pub(crate) type Body<O> = Box<dyn FnOnce(DurableContext) -> BodyFuture<O> + Send>;
pub(crate) type BodyFuture<O> = Pin<Box<dyn Future<Output = Result<O, BoxError>> + Send>>;

/// One branch of [`DurableContext::parallel`]: a name, and code that runs in a context of its own.
///
/// # Examples
///
/// ```
/// use durawasm_guest::{Branch, DurableContext};
///
/// let branch = Branch::new("charge", |ctx: DurableContext| async move {
///     let receipt = ctx.step(|_| async { Ok("paid".to_owned()) }).await?;
///     Ok(receipt)
/// });
/// assert_eq!(branch.name(), "charge");
/// ```
#[non_exhaustive]
pub struct Branch<O> {
    name: String,
    body: Body<O>,
}

impl<O: Send + 'static> Branch<O> {
    /// A branch: its name in the history, 1 to 256 printable ASCII characters or none (`""`), and its code, which runs when
    /// [`parallel`](DurableContext::parallel) starts the branch.
    pub fn new<F, Fut>(name: impl Into<String>, factory: F) -> Self
    where
        F: FnOnce(DurableContext) -> Fut + Send + 'static,
        Fut: Future<Output = Result<O, BoxError>> + Send + 'static,
    {
        Self { name: name.into(), body: Box::new(|ctx| Box::pin(async move { factory(ctx).await })) }
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn into_parts(self) -> (String, Body<O>) {
        (self.name, self.body)
    }
}

impl<O> fmt::Debug for Branch<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Branch").field("name", &self.name).finish_non_exhaustive()
    }
}
