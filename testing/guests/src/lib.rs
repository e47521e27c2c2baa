//! Handlers for tests: one for each thing that the tests of the host and of the SDK look at.
//!
//! Each handler's doc says what its event is, what operations it starts and how it ends. Tests rely on all of it.
#![forbid(unsafe_code)]

mod hostile;
mod limits;
mod operations;
mod outside;
mod probes;
mod timeouts;

use durawasm_guest::durable_handlers;
use hostile::{
    allocates, at_most_once_panics, divergent, exits, hangs_in_step, hangs_on_foreign_future, panics,
    panics_in_step, spins, spins_in_step,
};
use limits::{big_result, many_concurrent_steps, many_steps, many_waits};
use operations::{
    abandons_a_builder, awaits_in_reverse, bad_event, child, concurrent_children, empty, flaky, greet,
    invalid_argument, nested_children, retries_beside_a_sleep, two_steps_and_wait, two_waits, typed_failure,
};
use outside::{await_approval, callback};
use probes::{nondeterminism_probe, plain, plain_async, prints, sleeps_in_step};
use timeouts::slow_body;

durable_handlers! {
    abandons_a_builder,
    allocates,
    at_most_once_panics,
    await_approval,
    awaits_in_reverse,
    bad_event,
    big_result,
    callback,
    child,
    concurrent_children,
    divergent,
    empty,
    exits,
    flaky,
    greet,
    hangs_in_step,
    hangs_on_foreign_future,
    invalid_argument,
    many_concurrent_steps,
    many_steps,
    many_waits,
    nested_children,
    nondeterminism_probe,
    panics,
    panics_in_step,
    plain plain,
    plain plain_async,
    prints,
    retries_beside_a_sleep,
    sleeps_in_step,
    slow_body,
    spins,
    spins_in_step,
    two_steps_and_wait,
    two_waits,
    typed_failure,
}
