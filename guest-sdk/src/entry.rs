//! The functions of a component: how they are found by name, given their event and run to their end.
//!
//! Always true here: whatever the event and the function's name, the result is a result or a record of an error; nothing
//! traps but
//! the functions' own code.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::BoxError;
use crate::context::DurableContext;
use crate::engine::Engine;
use crate::error::{CallbackErrorKind, OperationError, OperationErrorKind, SERIALIZATION_ERROR, WireError};
use crate::options::IntoOptions;
use crate::plugin::{self, Stage};
use crate::runtime::{Outcome, Runtime};
use crate::serdes::json;

/// What a function expects of its host (WIT: `kind`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It uses durable operations.
    Durable,
    /// It runs once, without a history.
    Plain,
}

type Run = Pin<Box<dyn Future<Output = Outcome> + Send>>;
type Start = Box<dyn Fn(&Arc<Engine>, &str) -> Result<Run, WireError> + Send + Sync>;
type Watch = Box<dyn Fn(Arc<dyn Runtime>, &str) -> Result<Stage, WireError> + Send + Sync>;

/// A function under its name.
pub struct Function {
    name: Cow<'static, str>,
    kind: Kind,
    start: Start,
    /// Applies the options, and puts plugins in between.
    watch: Option<Watch>,
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Function").field("name", &self.name).field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl Function {
    /// A durable handler.
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
        Self { name: name.into(), kind: Kind::Durable, start: Box::new(start), watch: None }
    }

    /// With options, which are evaluated at the beginning of each invocation.
    #[must_use]
    pub fn with_options<O, F>(self, options: F) -> Self
    where
        O: IntoOptions + 'static,
        F: Fn() -> O + Send + Sync + 'static,
    {
        let watch = move |host: Arc<dyn Runtime>, event: &str| plugin::watch(host, &options, event);
        Self { watch: Some(Box::new(watch)), ..self }
    }

    /// A plain function, `async` or not.
    pub fn plain<M, F: PlainFunction<M>>(name: impl Into<Cow<'static, str>>, function: F) -> Self {
        let start = move |_: &Arc<Engine>, event: &str| function.start(event);
        Self { name: name.into(), kind: Kind::Plain, start: Box::new(start), watch: None }
    }

    /// The name under which it is run.
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

/// A function of an event alone. `M` tells the two forms apart.
pub trait PlainFunction<M>: Send + Sync + 'static {
    /// Reads the event and calls the function.
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

/// Runs one function of a component to its end.
///
/// # Errors
/// The error of the function, or `FunctionNotFound`, `InvalidEvent`, `InvalidOptions`, `SerializationError` (of the result) or
/// `HandlerStalled` (it waits for what can never complete).
pub fn run(functions: &[Function], runtime: Arc<dyn Runtime>, name: &str, event: &str) -> Outcome {
    let Some(function) = functions.iter().find(|function| function.name == name) else {
        let known: Vec<&str> = functions.iter().map(Function::name).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        let message = format!("this component has no function {name:?}; its functions are: {known}");
        return Err(WireError::new("FunctionNotFound", message));
    };
    let Stage { host, observer } = match &function.watch {
        Some(watch) => watch(runtime, event)?,
        None => Stage { host: runtime, observer: None },
    };
    let engine = Engine::new(host);
    let outcome = engine.run(async { (function.start)(&engine, event)?.await });
    let outcome =
        outcome.unwrap_or_else(|stalled| Err(WireError::new("HandlerStalled", stalled.to_string())));
    if let Some(observer) = observer {
        observer.returned(&outcome);
    }
    outcome
}

/// Reads an event. The place of what does not fit is looked for only when something does not.
fn parse<E: DeserializeOwned>(event: &str) -> Result<E, WireError> {
    serde_json::from_str(event).map_err(|error| {
        let mut json = serde_json::Deserializer::from_str(event);
        let message = match serde_path_to_error::deserialize::<_, E>(&mut json) {
            Err(error) if error.path().iter().len() > 0 => {
                format!("the event does not fit the handler: {}: {}", error.path(), error.inner())
            }
            _ => format!("the event does not fit the handler: {error}"),
        };
        WireError::new("InvalidEvent", message)
    })
}

/// What is recorded for what a function returned.
fn finish<O: Serialize, Err: Into<BoxError>>(result: Result<O, Err>) -> Outcome {
    match result {
        Ok(output) => match json::text(&output) {
            Ok(json) => Ok(Some(json)),
            Err(error) => Err(WireError::typed(&*error, SERIALIZATION_ERROR)),
        },
        Err(error) => Err(failure(&*error.into())),
    }
}

/// The record of what a function failed with. What an external system reported for a callback is passed on as it is.
fn failure(error: &(dyn std::error::Error + 'static)) -> WireError {
    if let Some(error) = error.downcast_ref::<OperationError>()
        && let OperationErrorKind::Callback(callback) = error.kind()
        && matches!(callback.kind(), CallbackErrorKind::ExternalFailure)
        && let Some(wire) = error.wire()
    {
        return wire.clone();
    }
    WireError::of(error, "HandlerError")
}

/// Checks the names of a component's functions while it is compiled.
///
/// # Panics
/// If one is not allowed, or used twice: an error of the compiler, as this is called in constants only.
pub const fn check_names(names: &[&str]) {
    let mut rest = names;
    while let [name, others @ ..] = rest {
        let mut bytes = name.as_bytes();
        assert!(
            !bytes.is_empty() && bytes.len() <= 64,
            "a function's name has 1 to 64 characters: write \"name\" => function"
        );
        while let [byte, more @ ..] = bytes {
            assert!(
                byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'),
                "a function's name is made of A-Z a-z 0-9 - _: write \"name\" => function"
            );
            bytes = more;
        }
        let mut after = others;
        while let [other, more @ ..] = after {
            assert!(!same(name.as_bytes(), other.as_bytes()), "two functions have the same name");
            after = more;
        }
        rest = others;
    }
}

const fn same(mut a: &[u8], mut b: &[u8]) -> bool {
    loop {
        match (a, b) {
            ([x, more_a @ ..], [y, more_b @ ..]) if *x == *y => (a, b) = (more_a, more_b),
            ([], []) => return true,
            _ => return false,
        }
    }
}
