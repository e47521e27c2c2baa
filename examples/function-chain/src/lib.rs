//! Functions that invoke functions: an order is priced, packed and announced, each by its own function.
//!
//! ```text
//! chain --> price     plain: an event in, a result out, no history
//!       \-> pack      durable: waits, has its own history, runs while `chain` is suspended
//!       \-> announce  plain, fails sometimes
//! ```
//!
//! All of them are in one component, under their names. The invoking function is suspended until the invoked one has
//! ended, and gets its result or its error from the record.
#![forbid(unsafe_code)]

use std::time::Duration;

use durawasm_guest::{
    BoxError, DurableContext, InvokeErrorKind, OperationErrorKind, TypedError, durable_handlers,
};
use serde::{Deserialize, Serialize};
use tracing::info;

durable_handlers! {
    chain,
    pack,
    plain price,
    plain announce,
}

/// The event of all functions.
#[derive(Clone, Serialize, Deserialize)]
struct Order {
    article: String,
    quantity: u32,
    customer: String,
}

/// The outcome of an order.
#[derive(Serialize)]
struct Done {
    cents: u32,
    parcel: String,
    /// Why the customer was not notified, if so.
    not_announced: Option<String>,
}

/// Invokes the other functions, one after another.
async fn chain(order: Order, ctx: DurableContext) -> Result<Done, BoxError> {
    // The type of the result is explicit; that of the payload is inferred.
    let cents = ctx.invoke::<u32, _>("price", order.clone()).name("price").await?;
    let parcel = ctx.invoke::<String, _>("pack", order.clone()).name("pack").await?;

    // A failure of the invoked function is an error here, and the handler decides what to do. This order tolerates it.
    let announced = ctx.invoke::<(), _>("announce", order).name("announce").await;
    let not_announced = match announced {
        Ok(()) => None,
        Err(error) => match (error.kind(), error.wire()) {
            // The recorded error of the invoked function.
            (OperationErrorKind::Invoke(invoke), Some(recorded))
                if matches!(invoke.kind(), InvokeErrorKind::FunctionFailed { .. }) =>
            {
                Some(recorded.error_type().unwrap_or("unknown").to_owned())
            }
            _ => return Err(error.into()), // no such function, or nothing that a payload could be made of
        },
    };
    Ok(Done { cents, parcel, not_announced })
}

/// A plain function. It may be `async` or not, and has no context.
fn price(order: Order) -> Result<u32, BoxError> {
    let Order { article, quantity, .. } = order;
    match article.as_str() {
        "lamp" => Ok(8900 * quantity),
        _ => Err(TypedError::with_type("NoSuchArticle", format!("{article} is not for sale")).into()),
    }
}

/// A durable function. It can also be run directly: `--function pack`.
async fn pack(order: Order, ctx: DurableContext) -> Result<String, BoxError> {
    ctx.wait(Duration::from_hours(20)).name("until-morning").await?;
    let parcel = ctx.step(move |_| async move { Ok(format!("{}x {}", order.quantity, order.article)) });
    Ok(parcel.name("pack").await?)
}

async fn announce(order: Order) -> Result<(), BoxError> {
    if order.customer.is_empty() {
        return Err(TypedError::with_type("NoAddress", "nobody to write to").into());
    }
    info!(customer = order.customer, "announced");
    Ok(())
}
