//! Simulations of the systems around the workflow: the handler of a real shop would send requests here, and therefore
//! only in step bodies. A body may fail half-way and run again, hence the order's number in each request.

use durawasm_guest::{BoxError, TypedError};
use tracing::{info, warn};

use crate::types::Order;

/// The error type for a declined card.
pub const CARD_DECLINED: &str = "CardDeclined";

/// The warehouse reserves the goods. Returns the number of the reservation.
pub fn reserve_stock(order: &Order) -> String {
    info!(order = order.id, lines = order.items.len(), "stock reserved");
    format!("res-{}", order.id)
}

/// The warehouse releases the reserved goods.
pub fn release_stock(reservation: &str) {
    info!(reservation, "stock released");
}

/// The payment gateway charges the card. Returns the number of the payment.
pub fn charge(order: &Order, attempt: u32) -> Result<String, BoxError> {
    match order.card.as_str() {
        "card-declined" => {
            warn!(order = order.id, "the bank refuses the card");
            Err(TypedError::with_type(CARD_DECLINED, "insufficient funds").into())
        }
        "card-flaky" if attempt <= 2 => Err(unavailable()),
        "card-gateway-down" => Err(unavailable()),
        _ => {
            info!(order = order.id, cents = order.total_cents(), "card charged");
            Ok(format!("pay-{}", order.id))
        }
    }
}

fn unavailable() -> BoxError {
    warn!("the payment gateway does not answer");
    TypedError::with_type("GatewayUnavailable", "no answer within 10 seconds").into()
}

/// The payment gateway refunds the payment.
pub fn refund(payment: &str) {
    info!(payment, "money refunded");
}

/// Asks a person. The answer requires the callback's id: here it would be part of a link in the message.
pub fn ask_for_approval(order: &str, callback_id: &str) {
    info!(order, callback_id, "approval requested");
}

/// The carrier collects the parcel. Returns its tracking number.
pub fn ship(order: &Order, reservation: &str) -> String {
    info!(order = order.id, reservation, "parcel handed to the carrier");
    format!("trk-{}", order.id)
}
