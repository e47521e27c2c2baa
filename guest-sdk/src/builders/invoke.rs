//! The builder of an invocation of another function.

use std::fmt;
use std::future::IntoFuture;
use std::marker::PhantomData;

use crate::context::{DurableContext, DurableFuture};
use crate::contract::{InvokeOptions, Position};
use crate::error::OperationError;
use crate::operations::invoke::InvokeRun;
use crate::serdes::{JsonSerdes, Serdes};

/// Builds an invocation: see [`DurableContext::invoke`].
///
/// The payload and the result each have a serdes; both default to JSON.
///
/// # Errors
///
/// The operation fails with an error of kind [`Invoke`](crate::OperationErrorKind::Invoke):
/// - [`FunctionFailed`](crate::InvokeErrorKind::FunctionFailed), with the function's error as its source;
/// - [`FunctionNotFound`](crate::InvokeErrorKind::FunctionNotFound);
/// - [`SerializationFailed`](crate::InvokeErrorKind::SerializationFailed), which is not recorded: each replay fails
///   with it again.
///
/// # Examples
///
/// ```
/// # use durawasm_guest::{BoxError, DurableContext};
/// use durawasm_guest::{InvokeErrorKind, OperationErrorKind};
///
/// # async fn handler(ctx: DurableContext) -> Result<(), BoxError> {
/// let rate = match ctx.invoke::<f64, _>("exchange-rate:live", "EUR".to_owned()).name("rate").await {
///     Ok(rate) => rate,
///     Err(error) => match error.kind() {
///         OperationErrorKind::Invoke(invoke)
///             if matches!(invoke.kind(), InvokeErrorKind::FunctionFailed { .. }) => 1.0,
///         _ => return Err(error.into()),
///     },
/// };
/// # Ok(())
/// # }
/// ```
#[must_use = "builders do nothing unless awaited or spawned"]
#[non_exhaustive]
pub struct InvokeBuilder<O, I, PS = JsonSerdes, RS = JsonSerdes> {
    run: InvokeRun<I, PS, RS>,
    _output: PhantomData<fn() -> O>,
}

impl<O, I, PS, RS> fmt::Debug for InvokeBuilder<O, I, PS, RS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InvokeBuilder")
            .field("name", &self.run.name)
            .field("function_id", &self.run.options.function_name)
            .finish_non_exhaustive()
    }
}

impl<O, I> InvokeBuilder<O, I> {
    pub(crate) fn new(ctx: DurableContext, position: Position, function_name: String, input: I) -> Self {
        let options = InvokeOptions { function_name, tenant_id: None };
        let (payload_serdes, result_serdes) = (JsonSerdes, JsonSerdes);
        let run = InvokeRun { ctx, position, name: None, options, input, payload_serdes, result_serdes };
        Self { run, _output: PhantomData }
    }
}

impl<O, I, PS, RS> InvokeBuilder<O, I, PS, RS>
where
    O: Send + 'static,
    I: Send + 'static,
{
    /// Names the invocation in the history: 1 to 256 printable ASCII characters, the same on every replay.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.run.name = Some(name.into());
        self
    }

    /// Deserializes the result with another serdes than JSON. Only `deserialize` is used, with a context whose origin
    /// is [`External`](crate::serdes::PayloadOrigin::External).
    pub fn serdes<RS2>(self, serdes: RS2) -> InvokeBuilder<O, I, PS, RS2>
    where
        RS2: Serdes<O>,
    {
        let InvokeRun { ctx, position, name, options, input, payload_serdes, .. } = self.run;
        let run = InvokeRun { ctx, position, name, options, input, payload_serdes, result_serdes: serdes };
        InvokeBuilder { run, _output: PhantomData }
    }

    /// Serializes the payload with another serdes than JSON. Only `serialize` is used: before the operation starts, and
    /// again on each replay, which does not send the payload. The operation has no id at that time: the serdes context
    /// has the id of the context (or `root`) and the position of the operation in it, such as `root-3`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use durawasm_guest::{BoxError, DurableContext};
    /// use durawasm_guest::serdes::{Serdes, SerdesContext};
    ///
    /// struct Upper;
    ///
    /// impl Serdes<String> for Upper {
    ///     async fn serialize(&self, text: String, _: SerdesContext) -> Result<String, BoxError> {
    ///         Ok(format!("{:?}", text.to_uppercase()))
    ///     }
    ///
    ///     async fn deserialize(&self, payload: String, _: SerdesContext) -> Result<String, BoxError> {
    ///         Ok(payload)
    ///     }
    /// }
    ///
    /// # async fn handler(ctx: DurableContext) -> Result<(), BoxError> {
    /// let length = ctx.invoke::<usize, _>("length", "shout".to_owned()).payload_serdes(Upper).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn payload_serdes<PS2>(self, serdes: PS2) -> InvokeBuilder<O, I, PS2, RS>
    where
        PS2: Serdes<I>,
    {
        let InvokeRun { ctx, position, name, options, input, result_serdes, .. } = self.run;
        let run = InvokeRun { ctx, position, name, options, input, payload_serdes: serdes, result_serdes };
        InvokeBuilder { run, _output: PhantomData }
    }

    /// Sets the tenant, for functions with tenant isolation: 1 to 256 printable ASCII characters.
    pub fn tenant_id(mut self, tenant_id: impl Into<String>) -> Self {
        self.run.options.tenant_id = Some(tenant_id.into());
        self
    }
}

impl<O, I, PS, RS> InvokeBuilder<O, I, PS, RS>
where
    O: Send + 'static,
    I: Send + 'static,
    PS: Serdes<I>,
    RS: Serdes<O>,
{
    /// The invocation as a future that starts it when polled.
    pub fn future(self) -> DurableFuture<O> {
        self.into_future()
    }

    /// Starts the invocation now: the function runs concurrently with the code that follows.
    pub fn spawn(self) -> DurableFuture<O> {
        let ctx = self.run.ctx.clone();
        self.into_future().spawned(&ctx)
    }
}

impl<O, I, PS, RS> IntoFuture for InvokeBuilder<O, I, PS, RS>
where
    O: Send + 'static,
    I: Send + 'static,
    PS: Serdes<I>,
    RS: Serdes<O>,
{
    type Output = Result<O, OperationError>;
    type IntoFuture = DurableFuture<O>;

    fn into_future(self) -> Self::IntoFuture {
        let place = self.run.ctx.place(self.run.position);
        let name = self.run.name.clone();
        DurableFuture::lazy(place, self.run.execute()).named(name)
    }
}
