//! The run of a function: found by its name, given its event and run to its end.
//!
//! Always true here: whatever the event and the function's name, the result is a result or a record of an error;
//! nothing traps but the functions' own code.

use std::sync::Arc;

use super::configure::ConfiguredHost;
use super::function::Function;
use crate::contract::{Outcome, Runtime};
use crate::engine::Engine;
use crate::error::WireError;

/// Runs one function of a component to its end.
///
/// # Errors
/// The error of the function, or `FunctionNotFound`, `InvalidEvent`, `InvalidOptions`, `SerializationError` (of the
/// result) or `HandlerStalled` (it waits for what can never complete).
pub fn run(functions: &[Function], runtime: Arc<dyn Runtime>, name: &str, event: &str) -> Outcome {
    let Some(function) = functions.iter().find(|function| function.name == name) else {
        let known: Vec<&str> = functions.iter().map(Function::name).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        let message = format!("this component has no function {name:?}; its functions are: {known}");
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
