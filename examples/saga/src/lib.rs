//! A trip: a hotel, a flight and a car, which are useful only together.
//!
//! ```text
//! book-hotel -> book-flight -> book-car -> the trip
//!                                 |
//!                                 +- fails: cancel the flight, then the hotel
//! ```
//!
//! No transaction spans three companies. Instead, a saga gives each step a compensation, and when a later step fails,
//! the compensations run in reverse order. The rollback is recorded like everything else: an interrupted rollback
//! continues where it stopped, and cancels nothing twice.
#![forbid(unsafe_code)]

mod companies;

use durawasm_guest::builders::RetryStrategyConfig;
use durawasm_guest::{BoxError, CompensationStatus, DurableContext, OperationError, durable_execution};
use serde::{Deserialize, Serialize};

/// The event: what to book. `companies.rs` contains a few products whose booking fails.
#[derive(Deserialize)]
struct Trip {
    hotel: String,
    flight: String,
    car: String,
}

/// The result. A trip that could not be booked is a result too, not an error, because the caller must handle it.
#[derive(Serialize)]
#[serde(tag = "status", rename_all = "snake_case")]
enum Outcome {
    /// The numbers of the bookings.
    Booked { bookings: Vec<String> },
    /// The reason, what was cancelled, and what could not be cancelled and needs manual work.
    RolledBack { reason: String, undone: Vec<String>, stuck: Vec<String> },
}

#[durable_execution]
async fn saga(trip: Trip, ctx: DurableContext) -> Result<Outcome, BoxError> {
    let error = match book_all(trip, &ctx).await {
        Ok(bookings) => return Ok(Outcome::Booked { bookings }),
        Err(error) => error,
    };

    // Runs the registered compensations, last in, first out. A compensation that fails does not stop the others and
    // causes no error here: the result contains the outcome of each.
    let rollback = ctx.run_compensations().await?;

    let (mut undone, mut stuck) = (Vec::new(), Vec::new());
    for item in rollback.items {
        match item.status {
            CompensationStatus::Succeeded => undone.push(item.name),
            CompensationStatus::Failed => {
                stuck.push(format!("{}: {}", item.name, item.error.unwrap_or_default()));
            }
        }
    }
    // The recorded message is the same on a replay.
    let reason = error.wire().and_then(|wire| wire.error_message()).unwrap_or("unknown").to_owned();
    Ok(Outcome::RolledBack { reason, undone, stuck })
}

async fn book_all(trip: Trip, ctx: &DurableContext) -> Result<Vec<String>, OperationError> {
    let hotel = book(ctx, "book-hotel", trip.hotel).await?;
    let flight = book(ctx, "book-flight", trip.flight).await?;
    let car = book(ctx, "book-car", trip.car).await?;
    Ok(vec![hotel, flight, car])
}

/// Books a product, and registers its compensation.
async fn book(ctx: &DurableContext, name: &str, product: String) -> Result<String, OperationError> {
    // A company that does not answer is tried again; one that is sold out is not.
    let only_if_it_may_help =
        RetryStrategyConfig::builder().retryable_error_types([companies::NO_ANSWER]).build();
    ctx.step(move |step| async move { companies::book(&product, step.attempt()) })
        .name(name)
        .retry_strategy_config(only_if_it_may_help)
        // Registered only after the step has succeeded. It receives the step's result.
        .compensate_with(|booking| async move { companies::cancel(&booking) })
        .await
}
