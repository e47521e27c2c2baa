//! Runs the body of an attempt of a step, or the check of a condition.
//!
//! Invariants:
//! - Only the body, with the serialization of its result, is polled inside the operation; everything between its polls
//!   runs outside.
//! - A suspension never interrupts a body: a body that no remaining task can complete ends with an error.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use crate::contract::Attempts;
use crate::engine::{Engine, ParkedBody, Section};
use crate::error::{BoxError, TypedError};
use crate::output::{self, LogScope};

/// Why a body has no recorded result.
pub(crate) enum Failure {
    /// It returned an error.
    Body(BoxError),
    /// Its result could not be serialized, or its payload could not be deserialized.
    Serialization(BoxError),
}

/// The error of a body that can never complete.
#[derive(Debug)]
struct Stalled;

impl fmt::Display for Stalled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the step's body waits for a future that nothing left to run in this component can complete; a body cannot \
             be suspended, so it must not wait for durable operations or for other tasks that do",
        )
    }
}

impl std::error::Error for Stalled {}

/// Runs a body of an operation. Returns inside the operation: the caller closes the attempt
/// immediately, which leaves it.
///
/// The caller pins the body, so that the future of an operation contains it only once.
pub(crate) fn run<'a, T, W>(
    engine: &'a Arc<Engine>,
    operation: &'a (impl Attempts + ?Sized),
    scope: &'a Arc<LogScope>,
    section: &'a Arc<Section>,
    mut work: Pin<&'a mut W>,
) -> impl Future<Output = Result<T, Failure>> + 'a
where
    T: 'a,
    W: Future<Output = Result<T, Failure>>,
{
    let mut parked = None;
    poll_fn(move |cx| {
        let stalled = parked.take().is_some_and(|body: ParkedBody| body.is_stalled());
        output::flush();
        operation.enter();
        if stalled {
            return Poll::Ready(Err(Failure::Body(TypedError::with_type("StepStalled", Stalled).into())));
        }
        let poll = section.within(|| scope.within(|| work.as_mut().poll(cx)));
        output::flush();
        if poll.is_pending() {
            operation.leave();
            parked = Some(engine.park_body(cx.waker().clone()));
        }
        poll
    })
}
