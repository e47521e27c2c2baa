//! The run of one function.
//!
//! Invariants: for every event and every function name, the outcome is a payload or an error; only the code of the
//! functions can trap.

use std::sync::Arc;

use super::configure::ConfiguredHost;
use super::function::Function;
use crate::contract::{Outcome, Runtime};
use crate::engine::Engine;
use crate::error::WireError;

/// Runs one function of a component until it returns.
///
/// # Errors
/// The error of the function, or `FunctionNotFound`, `InvalidEvent`, `InvalidOptions`, `SerializationError` (of the
/// result) or `HandlerStalled` (the handler waits for a future that can never complete).
pub fn run(functions: &[Function], runtime: Arc<dyn Runtime>, name: &str, event: &str) -> Outcome {
    let Some(function) = functions.iter().find(|function| function.name == name) else {
        let names: Vec<&str> = functions.iter().map(Function::name).collect();
        let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        let message = format!("this component has no function {name:?}; its functions are: {names}");
        return Err(WireError::new("FunctionNotFound", message));
    };
    let ConfiguredHost { host, observer } = match &function.configure {
        Some(configure) => configure(runtime, event)?,
        None => ConfiguredHost { host: runtime, observer: None },
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
