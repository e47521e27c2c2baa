//! The functions of a component, with their names and kinds.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::configure::{ConfiguredHost, configure};
use super::options::IntoOptions;
use super::payload::{finish, parse};
use crate::context::DurableContext;
use crate::contract::{Outcome, Runtime};
use crate::engine::Engine;
use crate::error::{BoxError, WireError};

/// What a function requires of its host (WIT: `kind`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It uses durable operations.
    Durable,
    /// It runs once, without a history.
    Plain,
}

type Run = Pin<Box<dyn Future<Output = Outcome> + Send>>;
type Start = Box<dyn Fn(&Arc<Engine>, &str) -> Result<Run, WireError> + Send + Sync>;
type Configure = Box<dyn Fn(Arc<dyn Runtime>, &str) -> Result<ConfiguredHost, WireError> + Send + Sync>;

/// A function with its name.
pub struct Function {
    pub(super) name: Cow<'static, str>,
    kind: Kind,
    pub(super) start: Start,
    /// Evaluates the options, and inserts the plugins.
    pub(super) configure: Option<Configure>,
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Function").field("name", &self.name).field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl Function {
    /// Creates a durable handler.
    pub fn durable<E, O, Err, F, Fut>(name: impl Into<Cow<'static, str>>, handler: F) -> Self
    where
        F: Fn(E, DurableContext) -> Fut + Send + Sync + 'static,
        E: DeserializeOwned + Send + 'static,
        Fut: Future<Output = Result<O, Err>> + Send + 'static,
        O: Serialize + Send + 'static,
        Err: Into<BoxError>,
    {
        let start = move |engine: &Arc<Engine>, event: &str| -> Result<Run, WireError> {
            let event = parse(event)?;
            let ctx = DurableContext::new(Arc::clone(engine), engine.runtime().root());
            let section = Arc::clone(ctx.section());
            let run = section.within(|| handler(event, ctx));
            Ok(Box::pin(section.run(async move { finish(run.await) })))
        };
        Self { name: name.into(), kind: Kind::Durable, start: Box::new(start), configure: None }
    }

    /// Adds options, which are evaluated at the beginning of each invocation.
    #[must_use]
    pub fn with_options<O, F>(self, options: F) -> Self
    where
        O: IntoOptions + 'static,
        F: Fn() -> O + Send + Sync + 'static,
    {
        let configure = move |host: Arc<dyn Runtime>, event: &str| configure(host, &options, event);
        Self { configure: Some(Box::new(configure)), ..self }
    }

    /// Creates a plain function, `async` or not.
    pub fn plain<M, F: PlainFunction<M>>(name: impl Into<Cow<'static, str>>, function: F) -> Self {
        let start = move |_: &Arc<Engine>, event: &str| function.start(event);
        Self { name: name.into(), kind: Kind::Plain, start: Box::new(start), configure: None }
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }
}

/// A function whose only argument is the event. `M` distinguishes async functions from others.
pub trait PlainFunction<M>: Send + Sync + 'static {
    /// Deserializes the event and calls the function.
    fn start(&self, event: &str) -> Result<Run, WireError>;
}

/// Marks functions that are `async`.
pub struct Async<T>(std::marker::PhantomData<T>);

impl<E, O, Err, F, Fut> PlainFunction<Async<(E, O, Err)>> for F
where
    F: Fn(E) -> Fut + Send + Sync + 'static,
    E: DeserializeOwned + Send + 'static,
    Fut: Future<Output = Result<O, Err>> + Send + 'static,
    O: Serialize + Send + 'static,
    Err: Into<BoxError>,
{
    fn start(&self, event: &str) -> Result<Run, WireError> {
        let run = self(parse(event)?);
        Ok(Box::pin(async move { finish(run.await) }))
    }
}

/// Marks functions that are not `async`.
pub struct Direct<T>(std::marker::PhantomData<T>);

impl<E, O, Err, F> PlainFunction<Direct<(E, O, Err)>> for F
where
    F: Fn(E) -> Result<O, Err> + Send + Sync + 'static,
    E: DeserializeOwned + Send + 'static,
    O: Serialize + Send + 'static,
    Err: Into<BoxError>,
{
    fn start(&self, event: &str) -> Result<Run, WireError> {
        Ok(Box::pin(std::future::ready(finish(self(parse(event)?)))))
    }
}
