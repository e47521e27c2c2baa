//! A trip: a hotel, a flight and a car, which are of no use one without the others.
//!
//! ```text
//! book-hotel -> book-flight -> book-car -> the trip
//!                                 |
//!                                 +- fails: cancel the flight, then the hotel
//! ```
//!
//! No transaction spans three companies. A saga does with what there is: each step says what undoes it, and when a
//! later step fails, what has been done is undone, the last thing first. The rollback is on record like everything
//! else: one that is interrupted goes on where it was, and cancels nothing twice.
#![forbid(unsafe_code)]

mod companies;

use durawasm_guest::builders::RetryStrategyConfig;
use durawasm_guest::{BoxError, CompensationStatus, DurableContext, OperationError, durable_execution};
use serde::{Deserialize, Serialize};

/// The event: what to book. `companies.rs` knows a few products that make trouble.
#[derive(Deserialize)]
struct Trip {
    hotel: String,
    flight: String,
    car: String,
}

/// The result. A trip that could not be booked is a result too, not an error: somebody has to be told.
#[derive(Serialize)]
#[serde(tag = "status", rename_all = "snake_case")]
enum Outcome {
    /// The numbers of the bookings.
    Booked { bookings: Vec<String> },
    /// Why, what was undone, and what could not be: a person has to look at that.
    RolledBack { reason: String, undone: Vec<String>, stuck: Vec<String> },
}

#[durable_execution]
async fn saga(trip: Trip, ctx: DurableContext) -> Result<Outcome, BoxError> {
    let error = match book_all(trip, &ctx).await {
        Ok(bookings) => return Ok(Outcome::Booked { bookings }),
        Err(error) => error,
    };

    // Runs what the steps have registered, last in, first out. A compensation that fails does not stop the others, and
    // is no error here: the result tells what became of each.
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
    // The message that is on record: it reads the same on a replay.
    let reason = error.wire().and_then(|wire| wire.error_message()).unwrap_or("unknown").to_owned();
    Ok(Outcome::RolledBack { reason, undone, stuck })
}

async fn book_all(trip: Trip, ctx: &DurableContext) -> Result<Vec<String>, OperationError> {
    let hotel = book(ctx, "book-hotel", trip.hotel).await?;
    let flight = book(ctx, "book-flight", trip.flight).await?;
    let car = book(ctx, "book-car", trip.car).await?;
    Ok(vec![hotel, flight, car])
}

/// Books one thing, and says how to get rid of it.
async fn book(ctx: &DurableContext, name: &str, product: String) -> Result<String, OperationError> {
    // A company that does not answer is asked again; one that has nothing left is not.
    let only_if_it_may_help =
        RetryStrategyConfig::builder().retryable_error_types([companies::NO_ANSWER]).build();
    ctx.step(move |step| async move { companies::book(&product, step.attempt()) })
        .name(name)
        .retry_strategy_config(only_if_it_may_help)
        // Registered when the step has succeeded, and only then. It gets what the step returned.
        .compensate_with(|booking| async move { companies::cancel(&booking) })
        .await
}
