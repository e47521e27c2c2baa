//! Handlers written as from the documents of other crates: see docs/porting.md.

use durawasm_guest::{
    BoxError, Callback, CallbackId, CompensationStatus, DurableContext, DurableError, ExecutionMode,
    StepOptions,
};
use serde_json::{Value, json};

/// No event. Steps `book_hotel` and `book_flight` with compensations, of which the second is tried three times; a
/// rollback. Returns what was undone, and how.
pub(crate) async fn ported_saga(_event: Value, ctx: DurableContext) -> Result<Value, DurableError> {
    match ctx.execution_mode() {
        ExecutionMode::Replaying => println!("replaying {}", ctx.arn()),
        ExecutionMode::Executing => println!("executing {}", ctx.arn()),
    }
    let _hotel: String = ctx
        .step_with_compensation(
            "book_hotel",
            |_| async { Ok("BOOKING-123".to_string()) },
            |booking_id| async move {
                println!("Cancelling booking: {booking_id}");
                Ok(())
            },
        )
        .await?;
    let attempt: u32 = ctx
        .step_with_compensation_opts(
            "book_flight",
            StepOptions::new().retries(2).backoff_seconds(5).timeout_seconds(30),
            |step| async move { if step.attempt() < 3 { Err("no seats".into()) } else { Ok(step.attempt()) } },
            |_attempt| async move { Err("no refund".into()) },
        )
        .await?;
    let count = ctx.compensation_count();
    let result = ctx.run_compensations().await?;
    let status = |status: &CompensationStatus| match status {
        CompensationStatus::Succeeded => "undone",
        CompensationStatus::Failed => "left",
    };
    let items: Vec<_> =
        result.items.iter().map(|item| json!([item.name, status(&item.status), item.error])).collect();
    Ok(json!([attempt, count, result.all_succeeded, items]))
}

/// No event. A callback `approval`, asked for twice through a shared borrow. Returns the two answers, and whether its
/// names agree.
pub(crate) async fn ported_callback(_event: Value, ctx: DurableContext) -> Result<Value, BoxError> {
    let callback: Callback<String> = ctx.create_callback().name("approval").await?;
    let id: CallbackId = callback.id_typed();
    let agree = id == CallbackId::from(callback.id().to_string()) && callback.callback_id == callback.id();
    let debug = format!("{callback:?}");
    let told = debug.contains(callback.id()) && debug.contains("operation_id");
    let borrowed = &callback;
    let (first, second) = (borrowed.result().await?, borrowed.result().await?);
    Ok(json!([first, second, agree, told]))
}
