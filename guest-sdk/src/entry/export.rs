//! The export `functions` of a component: the names and kinds of its functions, and the run of one.

use std::hash::RandomState;
use std::marker::PhantomData;
use std::sync::Arc;

use super::function::{Function, Kind};
use super::run::run;
use crate::component::Host;
use crate::component::bindings::durawasm::durable::execution;
use crate::component::bindings::exports::durawasm::durable::functions::{
    ErrorObject, FunctionInfo, Guest, Kind as WitKind,
};
use crate::{engine, output};

/// The functions of a component. Implemented by the macros of this crate.
pub trait Functions {
    /// All functions, the same on every call.
    fn functions() -> Vec<Function>;
}

/// Exports the functions of `F`.
#[derive(Debug)]
pub struct Exported<F>(PhantomData<F>);

impl<F: Functions> Guest for Exported<F> {
    fn registered() -> Vec<FunctionInfo> {
        let info = |function: Function| FunctionInfo {
            name: function.name().to_owned(),
            kind: match function.kind() {
                Kind::Durable => WitKind::Durable,
                Kind::Plain => WitKind::Plain,
            },
        };
        F::functions().into_iter().map(info).collect()
    }

    fn handle(function: String, event: String) -> Result<Option<String>, ErrorObject> {
        // The standard library draws the keys of hash maps once, when the first map is created. After that each section
        // has its own keys.
        drop(RandomState::new());
        engine::install(execution::hash_keys());
        output::install();
        output::flush_on_panic();
        let outcome = run(&F::functions(), Arc::new(Host::new()), &function, &event);
        output::flush();
        outcome.map_err(|error| (&error).into())
    }
}
