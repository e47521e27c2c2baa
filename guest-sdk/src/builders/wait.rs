//! The builder of a wait.

use std::fmt;
use std::future::IntoFuture;

use crate::context::{DurableContext, DurableFuture};
use crate::contract::Position;
use crate::error::OperationError;
use crate::operations::wait;

/// Builds a wait: see [`DurableContext::wait`].
///
/// # Errors
///
/// A duration of less than 1 second or more than 31,622,400 seconds (366 days), and a name that is not allowed, are
/// errors of kind [`InvalidArgument`](crate::OperationErrorKind::InvalidArgument), and nothing is started. A wait that
/// was cancelled from outside fails with an error of kind [`Wait`](crate::OperationErrorKind::Wait).
///
/// # Examples
///
/// ```
/// # use durawasm_guest::{BoxError, DurableContext};
/// use std::time::Duration;
///
/// # async fn handler(ctx: DurableContext) -> Result<(), BoxError> {
/// ctx.wait(Duration::from_secs(30)).name("cool-down").await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "builders do nothing unless awaited or spawned"]
#[non_exhaustive]
pub struct WaitBuilder {
    ctx: DurableContext,
    position: Position,
    name: Option<String>,
    seconds: u64,
}

impl fmt::Debug for WaitBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitBuilder")
            .field("name", &self.name)
            .field("seconds", &self.seconds)
            .finish_non_exhaustive()
    }
}

impl WaitBuilder {
    pub(crate) fn new(ctx: DurableContext, position: Position, seconds: u64) -> Self {
        Self { ctx, position, name: None, seconds }
    }

    /// Names the wait in the history: 1 to 256 printable ASCII characters, the same on every replay.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The wait as a future that starts it when polled.
    pub fn future(self) -> DurableFuture<()> {
        self.into_future()
    }

    /// Starts the wait now: its time passes concurrently with the code that follows.
    pub fn spawn(self) -> DurableFuture<()> {
        let ctx = self.ctx.clone();
        self.into_future().spawned(&ctx)
    }
}

impl IntoFuture for WaitBuilder {
    type Output = Result<(), OperationError>;
    type IntoFuture = DurableFuture<()>;

    fn into_future(self) -> Self::IntoFuture {
        let place = self.ctx.place(self.position);
        let wait = wait::execute(self.ctx, self.position, self.name.clone(), self.seconds);
        DurableFuture::lazy(place, wait).named(self.name)
    }
}
