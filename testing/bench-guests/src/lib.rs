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

durable_handlers! { big_result, empty, many_concurrent_steps, many_steps, many_waits, map_of_steps }
