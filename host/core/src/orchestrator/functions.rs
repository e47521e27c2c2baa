//! Functions by name, and what executes them.

use std::{collections::BTreeMap, future::Future, pin::Pin, sync::Arc};

use crate::{
    hint::nearest,
    invocation::{FunctionInfo, InvocationReport, Surroundings},
    protocol::{ErrorObject, InvocationInput, InvocationResult, InvocationStatus, Limits, error_types},
    server::InvokeOutcome,
};

/// The parameters of one invocation of a function.
pub struct Invocation<'a> {
    /// The function's name.
    pub function: &'a str,
    /// Identifies the invocation.
    pub id: Arc<str>,
    /// The input: the execution, a token, and its record.
    pub input: InvocationInput,
    /// The service's limits.
    pub limits: &'a Limits,
    /// Everything else that the invocation can access.
    pub around: Surroundings,
}

/// Why a plain function is refused durable operations.
pub(super) const NO_DURABLE_OPERATIONS: &str =
    "a plain function cannot use durable operations; register it as durable";

/// The future of an invocation.
pub type Invoked<'a> = Pin<Box<dyn Future<Output = InvocationReport> + Send + 'a>>;

/// The future of a run of a plain function.
pub type PlainInvoked<'a> = Pin<Box<dyn Future<Output = InvokeOutcome> + Send + 'a>>;

/// Executes a function: a component in the sandbox, a native function, or a scripted one.
///
/// Every invocation ends with an output or a named error. Dropping its future aborts it.
pub trait Invocable: Send + Sync {
    /// Runs one invocation until the function returns, fails or is suspended.
    fn invoke<'a>(&'a self, invocation: Invocation<'a>) -> Invoked<'a>;

    /// Runs the function as a plain target of a chained invoke.
    fn invoke_plain<'a>(&'a self, invocation: Invocation<'a>) -> PlainInvoked<'a> {
        let invoked = self.invoke(invocation);
        Box::pin(async {
            match invoked.await.result {
                InvocationResult::Crashed(error) => InvokeOutcome::Failed(error),
                InvocationResult::Output(output) => match (output.status, output.error) {
                    (InvocationStatus::Succeeded, _) => InvokeOutcome::Succeeded(output.result),
                    (_, Some(error)) => InvokeOutcome::Failed(error),
                    (_, None) => InvokeOutcome::Failed(ErrorObject::new(
                        error_types::PLAIN_SUSPENDED,
                        NO_DURABLE_OPERATIONS,
                    )),
                },
            }
        })
    }
}

/// The future of a component's list of functions.
pub type Listed<'a> = Pin<Box<dyn Future<Output = Result<Vec<FunctionInfo>, ErrorObject>> + Send + 'a>>;

/// A group of functions, such as a WebAssembly component in a sandbox.
pub trait Component: Send + Sync {
    /// Lists its functions.
    fn functions(&self, around: Surroundings) -> Listed<'_>;

    /// Executes each of its functions.
    fn invocable(&self) -> Arc<dyn Invocable>;
}

/// A function that executions can run and invoke.
#[derive(Clone)]
pub struct Function {
    /// Its name.
    pub name: Arc<str>,
    /// Whether it runs as a durable execution.
    pub durable: bool,
    /// Executes it.
    pub handler: Arc<dyn Invocable>,
}

impl Function {
    /// The same function under another name, by which it is run and invoked. Its code is told the name that it has in
    /// its component.
    #[must_use]
    pub fn renamed(&self, name: impl Into<Arc<str>>) -> Self {
        let (name, durable) = (name.into(), self.durable);
        if name == self.name {
            return self.clone();
        }
        let inner = Renamed { handler: self.handler.clone(), export: self.name.clone() };
        Self { name, durable, handler: Arc::new(inner) }
    }
}

/// Runs a function by the name that it has in its component.
struct Renamed {
    handler: Arc<dyn Invocable>,
    export: Arc<str>,
}

impl Invocable for Renamed {
    fn invoke<'a>(&'a self, invocation: Invocation<'a>) -> Invoked<'a> {
        self.handler.invoke(Invocation { function: &self.export, ..invocation })
    }

    fn invoke_plain<'a>(&'a self, invocation: Invocation<'a>) -> PlainInvoked<'a> {
        self.handler.invoke_plain(Invocation { function: &self.export, ..invocation })
    }
}

/// The names for messages; of many only the first.
fn names<'a>(all: impl Iterator<Item = &'a str> + Clone) -> String {
    let count = all.clone().count();
    if count == 0 {
        return "none".to_owned();
    }
    let names = all.take(MOST_NAMES).collect::<Vec<_>>().join(", ");
    match count.saturating_sub(MOST_NAMES) {
        0 => names,
        more => format!("{names} and {more} more"),
    }
}

/// How many function names are listed in messages.
const MOST_NAMES: usize = 20;

/// No function has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no function {name:?}{}; there is {known}", .nearest.as_ref().map(|meant| format!("; did you mean `{meant}`?")).unwrap_or_default())]
pub struct UnknownFunction {
    /// The requested name.
    pub name: String,
    /// The most similar name, if there is one.
    pub nearest: Option<String>,
    /// The existing names.
    pub known: String,
}

impl UnknownFunction {
    /// No function has the name, but those.
    pub fn among<'a>(name: &str, known: impl Iterator<Item = &'a str> + Clone) -> Self {
        let nearest = nearest(bare_name(name), known.clone()).map(str::to_owned);
        Self { name: name.to_owned(), nearest, known: names(known) }
    }
}

/// The name of a function without a qualifier and without the other parts of an ARN.
pub fn bare_name(name: &str) -> &str {
    let bare = name.rsplit_once(":function:").map_or(name, |(_, rest)| rest);
    bare.split(':').next().unwrap_or(bare)
}

/// Functions, by name. Clones share them until one of them changes: every running execution has one.
#[derive(Clone, Default)]
pub struct Functions(Arc<BTreeMap<Arc<str>, Function>>);

impl Functions {
    /// Adds all functions of a component. A function replaces one of the same name.
    ///
    /// # Errors
    /// When the component trapped or exceeded a limit while it listed its functions.
    pub async fn add(&mut self, component: &impl Component, around: Surroundings) -> Result<(), ErrorObject> {
        let handler = component.invocable();
        for function in component.functions(around).await? {
            let (name, durable) = (function.name.into(), function.durable);
            self.insert(Function { name, durable, handler: handler.clone() });
        }
        Ok(())
    }

    /// Adds a function. It replaces one of the same name.
    pub fn insert(&mut self, function: Function) {
        Arc::make_mut(&mut self.0).insert(bare_name(&function.name).into(), function);
    }

    /// Finds a function by its name, a name with a qualifier, or an ARN.
    pub fn find(&self, name: &str) -> Result<&Function, UnknownFunction> {
        let unknown = || UnknownFunction::among(name, self.0.keys().map(AsRef::as_ref));
        self.0.get(bare_name(name)).ok_or_else(unknown)
    }

    /// The default function: the only one, or the only durable one.
    pub fn only(&self) -> Option<&Function> {
        let durable = || self.iter().filter(|f| f.durable);
        match (self.0.len(), durable().count()) {
            (1, _) => self.iter().next(),
            (_, 1) => durable().next(),
            _ => None,
        }
    }

    /// All functions, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Function> {
        self.0.values()
    }

    /// The names for messages; of many only the first.
    pub fn names(&self) -> String {
        names(self.0.keys().map(AsRef::as_ref))
    }
}
