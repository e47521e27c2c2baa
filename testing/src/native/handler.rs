//! Functions that run natively, as environments take them.

use std::{convert::Infallible, fmt, sync::Arc};

use durawasm_core::orchestrator::{self, Invocable, Invocation, Invoked};
use durawasm_guest::{
    __private::{Function, IntoOptions, Kind},
    BoxError, DurableContext,
};
use serde::{Serialize, de::DeserializeOwned};

use super::invocation;

/// An async function that is a durable handler of events `I` with results `O`:
/// `async fn(event: I, ctx: DurableContext) -> Result<O, Err>`.
///
/// Implemented for all such functions and closures; `I` and `O` follow from the function.
pub trait DurableHandler<I, O>: Send + Sync + 'static {
    /// The handler under a name.
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

/// A function that runs natively, in this process, each invocation on a thread of its own. See the [module](super).
///
/// It is an [`Invocable`]: `environment.register(handler.into_function())` makes it one of an environment's functions.
#[derive(Clone)]
pub struct NativeHandler(Arc<Function>);

impl NativeHandler {
    /// A durable handler under a name.
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

    /// A durable handler with options, such as plugins, which are evaluated at the beginning of each invocation.
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

    /// A plain function under a name: it runs once, without a history, where a durable handler invokes it. What it
    /// returns is the result, also where that is a `Result`; [`NativeHandler::plain_fallible`] is for functions that
    /// can fail.
    pub fn plain<I, O>(name: impl Into<String>, function: impl Fn(I) -> O + Send + Sync + 'static) -> Self
    where
        I: DeserializeOwned + Send + 'static,
        O: Serialize + Send + 'static,
    {
        Self::plain_fallible(name, move |event| Ok::<_, Infallible>(function(event)))
    }

    /// A plain function that can fail.
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

    /// Its name.
    pub fn name(&self) -> &str {
        self.0.name()
    }

    /// Whether it runs as a durable execution.
    pub fn is_durable(&self) -> bool {
        self.0.kind() == Kind::Durable
    }

    /// As one of an environment's functions.
    pub fn into_function(self) -> orchestrator::Function {
        let (name, durable) = (self.name().into(), self.is_durable());
        orchestrator::Function { name, durable, handler: Arc::new(self) }
    }
}

/// From the list that `durable_handlers! { pub fn functions; .. }` makes.
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
