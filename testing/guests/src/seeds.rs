//! Handlers as one writes them from the documents of the crates `durable-lambda-core` and `durable-execution-sdk`: with the names
//! that are there. `docs/porting.md` tells what had to be changed.

use std::time::Duration;

use durawasm_guest::{
    BoxError, Callback, CallbackError, CallbackId, CompensationResult, CompensationStatus, DurableContext,
    DurableError, ExecutionMode, OperationErrorKind, StepOptions,
};
use serde::Deserialize;
use serde_json::{Value, json};

/// How often the second booking fails, and how often it may be tried again.
#[derive(Deserialize)]
pub struct Bookings {
    failures: u32,
    retries: u32,
}

/// Steps `book_hotel` and `book_flight` with compensations, of which the hotel's fails; the flight is tried again after 5 seconds.
/// Then a rollback, and a wait of a second, so that all of it is replayed. Result: `{"booked", "registered", "undone"}`.
pub async fn seed_saga(event: Bookings, ctx: DurableContext) -> Result<Value, BoxError> {
    let Bookings { failures, retries } = event;
    let hotel: String = ctx
        .step_with_compensation(
            "book_hotel",
            |_| async { Ok("BOOKING-123".to_string()) },
            |booking_id| async move { Err(format!("{booking_id} cannot be cancelled").into()) },
        )
        .await?;
    let flight: Result<String, DurableError> = ctx
        .step_with_compensation_opts(
            "book_flight",
            StepOptions::new().retries(retries).backoff_seconds(5).timeout_seconds(10),
            move |step| async move {
                if step.attempt() <= failures { Err("no seat".into()) } else { Ok("SEAT-7".to_string()) }
            },
            |seat| async move {
                println!("Cancelling: {seat}");
                Ok(())
            },
        )
        .await;
    let registered = ctx.compensation_count();
    let result: CompensationResult = ctx.run_compensations().await?;
    let undone: Vec<String> = result
        .items
        .iter()
        .map(|item| match item.status {
            CompensationStatus::Succeeded => format!("{} is undone", item.name),
            CompensationStatus::Failed => {
                format!("{} failed: {}", item.name, item.error.as_deref().unwrap_or_default())
            }
        })
        .collect();
    ctx.wait(Duration::from_secs(1)).await?;
    let booked = [Some(hotel), flight.ok()];
    Ok(json!({"booked": booked, "registered": registered, "undone": undone, "all": result.all_succeeded}))
}

/// Steps `step1` and `step2` in batch mode, which are sent as one, in a child context. Result: what the context tells of itself:
/// `[modes, is_batch_mode, pending, pending after the flush, has a parent, counts]`.
pub async fn seed_batch_mode(_event: Value, ctx: DurableContext) -> Result<Value, BoxError> {
    let mode = |ctx: &DurableContext| match ctx.execution_mode() {
        ExecutionMode::Replaying => ctx.is_replaying(),
        ExecutionMode::Executing => !ctx.is_replaying() && ctx.arn().starts_with("arn:"),
    };
    let agrees = mode(&ctx);
    let told = ctx
        .run_in_child_context(move |child| async move {
            child.enable_batch_mode();
            let _: i32 = child.step(|_| async { Ok(1) }).name("step1").await?;
            let _: i32 = child.step(|_| async { Ok(2) }).name("step2").await?;
            let pending = child.pending_update_count();
            child.flush_batch().await?;
            let left = child.pending_update_count();
            let parent = child.parent_op_id().is_some();
            Ok(json!([child.is_batch_mode(), pending > 0, left, parent, child.compensation_count()]))
        })
        .await?;
    Ok(json!([agrees && ctx.parent_op_id().is_none(), told]))
}

/// Callback `approval`, which is printed and asked for twice, at once and after a wait of a second. Result: `[answer, answer]`, or
/// what is known of the failure: `[error type, whether its callback id is right]` for each.
pub async fn seed_callback(_event: Value, ctx: DurableContext) -> Result<Value, BoxError> {
    let callback: Callback<Value> = ctx.create_callback().name("approval").await?;
    let id: CallbackId = callback.id_typed();
    let same = id == CallbackId::from(callback.callback_id.clone()) && id.as_str() == callback.id();
    let text = format!("{callback:?}");
    if !same || !text.starts_with(&format!("Callback {{ callback_id: {:?}, operation_id: \"", callback.id()))
    {
        return Err(text.into());
    }
    let first = told(&callback, shared(&callback).await);
    ctx.wait(Duration::from_secs(1)).await?;
    Ok(json!([first, told(&callback, shared(&callback).await)]))
}

/// The answer, through a shared borrow.
async fn shared(callback: &Callback<Value>) -> Result<Value, DurableError> {
    callback.result().await
}

fn told(callback: &Callback<Value>, answer: Result<Value, DurableError>) -> Value {
    let error = match answer {
        Ok(answer) => return answer,
        Err(error) => error,
    };
    let id = match error.kind() {
        OperationErrorKind::Callback(error) => CallbackError::callback_id(error),
        _ => None,
    };
    json!([error.wire().and_then(|wire| wire.error_type()), id == Some(callback.id())])
}

/// A wait for callback `approval`. Result: the answer, or `[kind, error type, whether it has a callback id]` of the failure.
pub async fn seed_wait_for_callback(_event: Value, ctx: DurableContext) -> Result<Value, BoxError> {
    let answer = ctx.wait_for_callback::<u32, _, _>(|_, _| async { Ok(()) }).name("approval").await;
    ctx.wait(Duration::from_secs(1)).await?;
    Ok(match answer {
        Ok(answer) => json!(answer),
        Err(error) => match error.kind() {
            OperationErrorKind::Callback(callback) => {
                let error_type = error.wire().and_then(|wire| wire.error_type());
                json!([callback.kind().to_string(), error_type, callback.callback_id().is_some()])
            }
            _ => return Err(error.into()),
        },
    })
}
