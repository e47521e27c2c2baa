//! Native functions, in the form that environments run.

use std::{convert::Infallible, fmt, sync::Arc};

use durawasm_core::orchestrator::{self, Invocable, Invocation, Invoked};
use durawasm_guest::{
    __private::{Function, IntoOptions, Kind},
    BoxError, DurableContext,
};
use serde::{Serialize, de::DeserializeOwned};

use super::invocation;

/// A durable handler: an async function of an event `I` with a result `O`,
/// `async fn(event: I, ctx: DurableContext) -> Result<O, Err>`.
///
/// Implemented for all such functions and closures; `I` and `O` are inferred from the function.
pub trait DurableHandler<I, O>: Send + Sync + 'static {
    /// The handler as a function with this name.
    #[doc(hidden)]
    fn into_function(self, name: String) -> Function;
}

impl<F, Fut, I, O, Err> DurableHandler<I, O> for F
where
    F: Fn(I, DurableContext) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<O, Err>> + Send + 'static,
    I: DeserializeOwned + Send + 'static,
    O: Serialize + Send + 'static,
    Err: Into<BoxError>,
{
    fn into_function(self, name: String) -> Function {
        Function::durable(name, self)
    }
}

/// A function that runs natively, in this process, with one thread per invocation. See the [module](super).
///
/// It converts to an [`Invocable`]: `environment.register(handler.into_function())` adds it to an environment.
#[derive(Clone)]
pub struct NativeHandler(Arc<Function>);

impl NativeHandler {
    /// A durable handler with this name.
    ///
    /// ```
    /// use durawasm_guest::{BoxError, DurableContext};
    /// use durawasm_testing::native::NativeHandler;
    ///
    /// async fn greet(name: String, ctx: DurableContext) -> Result<String, BoxError> {
    ///     Ok(ctx.step(move |_| async move { Ok(format!("Hello, {name}")) }).await?)
    /// }
    ///
    /// let handler = NativeHandler::durable("greet", greet);
    /// assert!(handler.is_durable());
    /// ```
    pub fn durable<I, O, H: DurableHandler<I, O>>(name: impl Into<String>, handler: H) -> Self {
        handler.into_function(name.into()).into()
    }

    /// A durable handler with options, such as plugins. The options are evaluated at the beginning of each invocation.
    pub fn durable_with<I, O, H, P>(
        name: impl Into<String>,
        handler: H,
        options: impl Fn() -> P + Send + Sync + 'static,
    ) -> Self
    where
        H: DurableHandler<I, O>,
        P: IntoOptions + 'static,
    {
        handler.into_function(name.into()).with_options(options).into()
    }

    /// A plain function with this name: it runs once, without a history, when a durable handler invokes it. Its return
    /// value is the result, even if it is a `Result`; use [`NativeHandler::plain_fallible`] for functions that can
    /// fail.
    pub fn plain<I, O>(name: impl Into<String>, function: impl Fn(I) -> O + Send + Sync + 'static) -> Self
    where
        I: DeserializeOwned + Send + 'static,
        O: Serialize + Send + 'static,
    {
        Self::plain_fallible(name, move |event| Ok::<_, Infallible>(function(event)))
    }

    /// A plain function that can fail: `Ok` is the result, `Err` the error.
    pub fn plain_fallible<I, O, Err>(
        name: impl Into<String>,
        function: impl Fn(I) -> Result<O, Err> + Send + Sync + 'static,
    ) -> Self
    where
        I: DeserializeOwned + Send + 'static,
        O: Serialize + Send + 'static,
        Err: Into<BoxError> + 'static,
    {
        Function::plain(name.into(), function).into()
    }

    /// The function's name.
    pub fn name(&self) -> &str {
        self.0.name()
    }

    /// Whether the function runs as a durable execution.
    pub fn is_durable(&self) -> bool {
        self.0.kind() == Kind::Durable
    }

    /// The handler as a function of an environment.
    pub fn into_function(self) -> orchestrator::Function {
        let (name, durable) = (self.name().into(), self.is_durable());
        orchestrator::Function { name, durable, handler: Arc::new(self) }
    }
}

/// Converts an element of the list that `durable_handlers! { pub fn functions; .. }` creates.
impl From<Function> for NativeHandler {
    fn from(function: Function) -> Self {
        Self(Arc::new(function))
    }
}

impl Invocable for NativeHandler {
    fn invoke<'a>(&'a self, invocation: Invocation<'a>) -> Invoked<'a> {
        Box::pin(invocation::invoke(Arc::clone(&self.0), invocation))
    }
}

impl fmt::Debug for NativeHandler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NativeHandler").field(&self.0).finish()
    }
}
