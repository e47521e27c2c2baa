//! An order, from payment to parcel: days of work in one async function.
//!
//! ```text
//! validate -> reserve-stock -> charge -> wait 3 days -> approval -> ship
//!                                |                         |
//!                                +- declined               +- rejected, or no answer in 7 days
//!                                +------- undo ------------+
//! ```
//!
//! The function does not stay in memory for days. At a wait it is dropped, and later it runs again from its first line:
//! everything it did through `ctx` is recorded, so those calls return at once what they returned before, and the
//! function continues where it was. This requires one rule for the code between the `ctx` calls: given the same event
//! and the same results, it must do the same. Code with external effects belongs in a step.
#![forbid(unsafe_code)]

mod shop;
pub mod types;

use std::error::Error as _;
use std::time::Duration;

use durawasm_guest::{
    BoxError, CallbackErrorKind, DurableContext, OperationError, OperationErrorKind, RetryDecision,
    StepError, TypedError, durable_execution,
};
use tracing::info;
use types::{Approval, Order, Outcome};

const DAY: Duration = Duration::from_hours(24);

/// The workflow. It is exported under the function's name.
///
/// # Errors
/// `InvalidOrder` for an invalid order, or the final error of a step, after the rollback. Orders that are declined,
/// rejected or never approved are not errors: they end as [`Outcome::Cancelled`].
#[durable_execution]
pub async fn order(order: Order, ctx: DurableContext) -> Result<Outcome, BoxError> {
    // Not a step: it depends only on the event, so every replay gives the same result.
    order.validate()?;
    info!(order = order.id, cents = order.total_cents(), "order accepted");

    // A step: its body runs, its result is recorded, and no replay runs it again. Bodies own what they use, hence the
    // clones.
    let for_step = order.clone();
    let reservation =
        ctx.step(move |_| async move { Ok(shop::reserve_stock(&for_step)) }).name("reserve-stock").await?;

    // A step that fails is retried according to its retry strategy. The error returned here is that of the last
    // attempt.
    let for_step = order.clone();
    let charged = ctx
        .step(move |step| async move { shop::charge(&for_step, step.attempt()) })
        .name("charge")
        .retry_strategy(payment_retries)
        .await;
    let payment = match charged {
        Ok(payment) => payment,
        Err(error) => {
            undo(&ctx, reservation, None).await?;
            return match recorded_type(&error) {
                Some(shop::CARD_DECLINED) => Ok(cancelled(order, "the card was declined")),
                _ => Err(error.into()), // a gateway that stays down is nobody's decision: the execution fails
            };
        }
    };

    // The supplier delivers within three days. Meanwhile nothing runs, and only the history is kept.
    ctx.wait(3 * DAY).name("supplier-lead-time").await?;

    // A person inspects the goods. The body of `wait_for_callback` passes on the id with which they answer.
    let id = order.id.clone();
    let answer = ctx
        .wait_for_callback::<Approval, _, _>(move |_, callback_id| async move {
            shop::ask_for_approval(&id, &callback_id);
            Ok(())
        })
        .name("approval")
        .timeout(7 * DAY)
        .await;
    let approved_by = match answer {
        Ok(Approval { approved: true, by }) => by,
        not_approved => {
            undo(&ctx, reservation, Some(payment)).await?;
            return Ok(cancelled(order, &why_not(not_approved)));
        }
    };

    let for_step = order.clone();
    let tracking =
        ctx.step(move |_| async move { Ok(shop::ship(&for_step, &reservation)) }).name("ship").await?;
    Ok(Outcome::Shipped { paid_cents: order.total_cents(), order: order.id, tracking, approved_by })
}

/// Reverts the completed steps in reverse order. A child context groups this in the history.
async fn undo(
    ctx: &DurableContext,
    reservation: String,
    payment: Option<String>,
) -> Result<(), OperationError> {
    ctx.run_in_child_context(move |ctx| async move {
        if let Some(payment) = payment {
            let refund = ctx.step(move |_| async move {
                shop::refund(&payment);
                Ok(())
            });
            refund.name("refund").await?;
        }
        let release = ctx.step(move |_| async move {
            shop::release_stock(&reservation);
            Ok(())
        });
        release.name("release-stock").await?;
        Ok(())
    })
    .name("undo")
    .await
}

/// After 2, 4, 8 and 16 seconds, unless the bank declined: another attempt would not change that.
fn payment_retries(error: &StepError, attempt: u32) -> RetryDecision {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<TypedError>());
    match (cause.map(TypedError::error_type), attempt) {
        (Some(shop::CARD_DECLINED), _) | (_, 5..) => RetryDecision::Stop,
        _ => RetryDecision::Retry { delay: Duration::from_secs(1 << attempt) },
    }
}

/// The recorded type of an error: the one that was given to its `TypedError`.
fn recorded_type(error: &OperationError) -> Option<&str> {
    error.wire()?.error_type()
}

/// Why an order was not approved, as text.
fn why_not(answer: Result<Approval, OperationError>) -> String {
    let error = match answer {
        Ok(Approval { by, .. }) => return format!("rejected by {by}"),
        Err(error) => error,
    };
    match (error.kind(), error.wire()) {
        (OperationErrorKind::Callback(callback), _)
            if matches!(callback.kind(), CallbackErrorKind::TimedOut { .. }) =>
        {
            "nobody approved within 7 days".to_owned()
        }
        (_, Some(recorded)) => format!("no approval: {recorded}"),
        _ => format!("no approval: {error:#}"),
    }
}

fn cancelled(order: Order, reason: &str) -> Outcome {
    info!(order = order.id, reason, "order cancelled");
    Outcome::Cancelled { order: order.id, reason: reason.to_owned() }
}
