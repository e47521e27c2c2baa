//! Simulated rental, airline and hotel companies. A real handler would send requests here.

use durawasm_guest::{BoxError, TypedError};
use tracing::info;

/// The type of the error for a company that does not answer.
pub const NO_ANSWER: &str = "NoAnswer";

/// Books a product. Returns the number of the booking.
pub fn book(product: &str, attempt: u32) -> Result<String, BoxError> {
    if product.contains("sold-out") {
        return Err(TypedError::with_type("SoldOut", format!("no {product} left")).into());
    }
    if product.contains("busy") && attempt == 1 {
        return Err(TypedError::with_type(NO_ANSWER, "call again later").into());
    }
    info!(product, "booked");
    Ok(format!("{product}#1"))
}

/// Cancels a booking.
pub fn cancel(booking: &str) -> Result<(), BoxError> {
    if booking.contains("no-refund") {
        return Err(TypedError::with_type("NoRefund", format!("{booking} cannot be cancelled")).into());
    }
    info!(booking, "cancelled");
    Ok(())
}
