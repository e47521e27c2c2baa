//! Handlers for benchmarks, in a component of their own, because the cost of an instance depends on the size of its
//! component.
#![forbid(unsafe_code)]

#[path = "../../guests/src/limits.rs"]
mod limits;

use durawasm_guest::{BoxError, DurableContext, durable_handlers};
use limits::{big_result, many_concurrent_steps, many_steps, many_waits, map_of_steps};

/// Event: a number. Starts nothing. Result: null.
pub async fn empty(_event: Option<u32>, _ctx: DurableContext) -> Result<(), BoxError> {
    Ok(())
}

/// Event: a number. Calls a function of the host that returns a short string, so many times, and does nothing else. Result: null.
pub fn host_calls(times: u32) -> Result<(), BoxError> {
    for _ in 0..times {
        #[cfg(target_family = "wasm")]
        durawasm_guest::__private::bindings::durawasm::durable::execution::invocation_id();
    }
    Ok(())
}

durable_handlers! {
    big_result, empty, many_concurrent_steps, many_steps, many_waits, map_of_steps, plain host_calls,
}
