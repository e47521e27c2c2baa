//! Functions by name.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    protocol::ErrorObject,
    sandbox::{Handler, Surroundings},
};

/// A function that executions can run and invoke.
#[derive(Clone)]
pub struct Function {
    /// Its name.
    pub name: Arc<str>,
    /// Whether it runs as a durable execution.
    pub durable: bool,
    /// The component that it is in.
    pub handler: Handler,
}

/// There is no function of that name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no function {name:?}; there is {known}")]
pub struct UnknownFunction {
    /// What was asked for.
    pub name: String,
    /// What there is.
    pub known: String,
}

/// Functions, by name.
#[derive(Clone, Default)]
pub struct Functions(BTreeMap<Arc<str>, Function>);

impl Functions {
    /// Adds all functions of a component; one of a name that is taken replaces the other.
    ///
    /// # Errors
    /// What the component's list of functions came to, when it trapped or took too long.
    pub async fn add(&mut self, handler: &Handler, around: Surroundings) -> Result<(), ErrorObject> {
        for function in handler.functions(around).await? {
            let name: Arc<str> = function.name.into();
            let function =
                Function { name: name.clone(), durable: function.durable, handler: handler.clone() };
            self.0.insert(name, function);
        }
        Ok(())
    }

    /// The function that a name, a name with a qualifier, or an ARN stands for.
    pub fn find(&self, name: &str) -> Result<&Function, UnknownFunction> {
        let bare = name.rsplit_once(":function:").map_or(name, |(_, rest)| rest);
        let bare = bare.split(':').next().unwrap_or(bare);
        self.0.get(bare).ok_or_else(|| UnknownFunction { name: name.to_owned(), known: self.names() })
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

    /// All names, for people.
    pub fn names(&self) -> String {
        if self.0.is_empty() {
            return "none".to_owned();
        }
        self.0.keys().map(AsRef::as_ref).collect::<Vec<_>>().join(", ")
    }
}
