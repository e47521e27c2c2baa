//! What `hostile_calls.rs` has, where there is no component: natively there is nothing past the SDK.

use durawasm_guest::{BoxError, DurableContext};
use serde_json::Value;

const WHY: &str = "only in a component";

/// Fails.
pub async fn polls_long_lists(_event: (usize, u32), _ctx: DurableContext) -> Result<u32, BoxError> {
    Err(WHY.into())
}

/// Fails.
pub async fn fails_with_frames(_frames: usize, _ctx: DurableContext) -> Result<usize, BoxError> {
    Err(WHY.into())
}

/// Fails.
pub async fn breaks_the_contract(_rule: String, _ctx: DurableContext) -> Result<(), BoxError> {
    Err(WHY.into())
}

/// Fails.
pub async fn opens_a_scope_over_a_child(_event: Value, _ctx: DurableContext) -> Result<(), BoxError> {
    Err(WHY.into())
}
