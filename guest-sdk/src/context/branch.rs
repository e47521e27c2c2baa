//! Code that runs in its own context: branches of a parallel, and items of a map.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use super::durable_context::DurableContext;
use crate::error::BoxError;

/// The code of an item or a branch: gets its context, and returns a value.
pub(crate) type Body<O> = Box<dyn FnOnce(DurableContext) -> BodyFuture<O> + Send>;
pub(crate) type BodyFuture<O> = Pin<Box<dyn Future<Output = Result<O, BoxError>> + Send>>;

/// One branch of [`DurableContext::parallel`]: a name, and code that runs in its own context.
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
    /// Creates a branch from its name in the history, 1 to 256 printable ASCII characters or none (`""`), and its code,
    /// which runs when [`parallel`](DurableContext::parallel) starts the branch.
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
