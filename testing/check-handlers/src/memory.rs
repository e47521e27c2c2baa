//! Addresses, and the size of the memory.

use std::hint::black_box;

use durawasm_guest::{BoxError, DurableContext};
use serde_json::Value;

use crate::parts::{mark, seconds};

/// Pages of memory, of 64 KiB each.
fn pages() -> usize {
    #[cfg(target_family = "wasm")]
    let pages = core::arch::wasm32::memory_size::<0>();
    #[cfg(not(target_family = "wasm"))]
    let pages = 0;
    pages
}

/// Returns the address of something that it allocates first of all: a plain replay has the same one, a replay with
/// another heap does not. Addresses are no ids.
pub(crate) async fn address_in_the_result(_event: Value, ctx: DurableContext) -> Result<usize, BoxError> {
    let first = Box::new(ctx.function_name().len());
    let address = std::ptr::from_ref(black_box(&*first)).addr();
    mark(&ctx, "work").await?;
    Ok(address)
}

/// Returns a number that the handler gives to the thing itself: replay-safe.
pub(crate) async fn number_in_the_result(_event: Value, ctx: DurableContext) -> Result<usize, BoxError> {
    let first = Box::new(ctx.function_name().len());
    mark(&ctx, "work").await?;
    Ok(*black_box(first))
}

/// Returns the address of something that it allocates after a body that kept memory: not replay-safe, because the body
/// keeps none on a replay.
pub(crate) async fn address_after_a_body(_event: Value, ctx: DurableContext) -> Result<usize, BoxError> {
    ctx.step(|_| async {
        for _ in 0..4000 {
            black_box(Box::leak(Box::new([0_u64; 6])));
        }
        Ok(())
    })
    .name("load")
    .await?;
    let next = Box::new([0_u64; 6]);
    Ok(std::ptr::from_ref(black_box(&*next)).addr())
}

/// Runs another step if a body made the memory grow: not replay-safe. Once grown, memory does not shrink, so freeing
/// what the body allocated does not help.
pub(crate) async fn step_if_memory_has_grown(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    let before = pages();
    ctx.step(|_| async { Ok(black_box(vec![1_u8; 16 << 20]).len()) }).name("load").await?;
    mark(&ctx, if pages() > before + 64 { "trim" } else { "keep" }).await?;
    Ok(())
}

/// Returns the size of the memory at its start: a plain replay has the same size, a replay with more memory does not.
pub(crate) async fn memory_size_in_the_result(_event: Value, ctx: DurableContext) -> Result<usize, BoxError> {
    let pages = pages();
    mark(&ctx, "work").await?;
    Ok(pages)
}

/// Allocates and keeps memory in a body and between operations, and decides nothing by it: replay-safe.
pub(crate) async fn memory_in_bodies_and_outside(
    _event: Value,
    ctx: DurableContext,
) -> Result<usize, BoxError> {
    let outside = vec![1_u8; 1 << 20];
    let inside = ctx.step(|_| async { Ok(black_box(vec![1_u8; 16 << 20]).len()) }).name("load").await?;
    ctx.wait(seconds(1)).name("pause").await?;
    Ok(inside + black_box(outside).len())
}
