//! Functions by name, and what runs them.

use std::{collections::BTreeMap, future::Future, pin::Pin, sync::Arc};

use super::plain;
use crate::{
    hint::nearest,
    invocation::{FunctionInfo, InvocationReport, Surroundings},
    protocol::{ErrorObject, InvocationInput, InvocationResult, InvocationStatus, Limits, error_types},
    server::InvokeOutcome,
};

/// One invocation of a function, about to run.
pub struct Invocation<'a> {
    /// The function's name.
    pub function: &'a str,
    /// Identifies the invocation.
    pub id: Arc<str>,
    /// What the function is given: the execution, a token, and its record.
    pub input: InvocationInput,
    /// The service's limits.
    pub limits: &'a Limits,
    /// The world around it.
    pub around: Surroundings,
}

/// A future of an invocation's end.
pub type Invoked<'a> = Pin<Box<dyn Future<Output = InvocationReport> + Send + 'a>>;

/// A future of what a plain function comes to.
pub type PlainInvoked<'a> = Pin<Box<dyn Future<Output = InvokeOutcome> + Send + 'a>>;

/// What runs a function: a component in the sandbox, or a stand-in for one.
///
/// Whatever happens, an invocation ends as an output or as a named error, and is gone when its future is dropped.
pub trait Invocable: Send + Sync {
    /// Runs one invocation, until the function returns, fails or is suspended.
    fn invoke<'a>(&'a self, invocation: Invocation<'a>) -> Invoked<'a>;

    /// Runs it as the plain target of a chained invoke: what that comes to.
    fn invoke_plain<'a>(&'a self, invocation: Invocation<'a>) -> PlainInvoked<'a> {
        let invoked = self.invoke(invocation);
        Box::pin(async {
            match invoked.await.result {
                InvocationResult::Crashed(error) => InvokeOutcome::Failed(error),
                InvocationResult::Output(output) => match (output.status, output.error) {
                    (InvocationStatus::Succeeded, _) => InvokeOutcome::Succeeded(output.result),
                    (_, Some(error)) => InvokeOutcome::Failed(error),
                    (_, None) => {
                        InvokeOutcome::Failed(ErrorObject::new(error_types::PLAIN_SUSPENDED, plain::REFUSAL))
                    }
                },
            }
        })
    }
}

/// A future of the functions that a component has.
pub type Listed<'a> = Pin<Box<dyn Future<Output = Result<Vec<FunctionInfo>, ErrorObject>> + Send + 'a>>;

/// Several functions in one: a WebAssembly component in a sandbox.
pub trait Component: Send + Sync {
    /// The functions that it has.
    fn functions(&self, around: Surroundings) -> Listed<'_>;

    /// What runs each of them.
    fn invocable(&self) -> Arc<dyn Invocable>;
}

/// A function that executions can run and invoke.
#[derive(Clone)]
pub struct Function {
    /// Its name.
    pub name: Arc<str>,
    /// Whether it runs as a durable execution.
    pub durable: bool,
    /// What runs it.
    pub handler: Arc<dyn Invocable>,
}

/// How many names of functions are told to people.
const MOST_NAMES: usize = 20;

/// There is no function of that name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no function {name:?}{}; there is {known}", .nearest.as_ref().map(|meant| format!("; did you mean `{meant}`?")).unwrap_or_default())]
pub struct UnknownFunction {
    /// What was asked for.
    pub name: String,
    /// The one that was perhaps meant.
    pub nearest: Option<String>,
    /// What there is.
    pub known: String,
}

/// A function's name without what may be around it: a qualifier, or the rest of an ARN.
pub fn bare_name(name: &str) -> &str {
    let bare = name.rsplit_once(":function:").map_or(name, |(_, rest)| rest);
    bare.split(':').next().unwrap_or(bare)
}

/// Functions, by name.
#[derive(Clone, Default)]
pub struct Functions(BTreeMap<Arc<str>, Function>);

impl Functions {
    /// Adds all functions of a component; one of a name that is taken replaces the other.
    ///
    /// # Errors
    /// What the component's list of functions came to, when it trapped or took too long.
    pub async fn add(&mut self, component: &impl Component, around: Surroundings) -> Result<(), ErrorObject> {
        let handler = component.invocable();
        for function in component.functions(around).await? {
            let (name, durable) = (function.name.into(), function.durable);
            self.insert(Function { name, durable, handler: handler.clone() });
        }
        Ok(())
    }

    /// Adds a function; it replaces one of the same name.
    pub fn insert(&mut self, function: Function) {
        self.0.insert(bare_name(&function.name).into(), function);
    }

    /// The function that a name, a name with a qualifier, or an ARN stands for.
    pub fn find(&self, name: &str) -> Result<&Function, UnknownFunction> {
        self.0.get(bare_name(name)).ok_or_else(|| UnknownFunction {
            name: name.to_owned(),
            nearest: nearest(bare_name(name), self.0.keys().map(AsRef::as_ref)).map(str::to_owned),
            known: self.names(),
        })
    }

    /// The function to run when none is named: the only one, or the only durable one.
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

    /// The names, for people; of many only the first.
    pub fn names(&self) -> String {
        if self.0.is_empty() {
            return "none".to_owned();
        }
        let names = self.0.keys().take(MOST_NAMES).map(AsRef::as_ref).collect::<Vec<_>>().join(", ");
        match self.0.len().saturating_sub(MOST_NAMES) {
            0 => names,
            more => format!("{names} and {more} more"),
        }
    }
}
