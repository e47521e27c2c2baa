//! Handlers for tests, one for each behaviour that the tests of the host and of the SDK check.
//!
//! The documentation of each handler states its event, its operations and its result. Tests rely on all of it.
#![forbid(unsafe_code)]

mod batches;
mod disk;
mod divergence;
mod dropped;
mod grants;
mod hostile;
mod hostile_bytes;
#[cfg(target_family = "wasm")]
mod hostile_calls;
#[cfg(not(target_family = "wasm"))]
#[path = "hostile_calls_native.rs"]
mod hostile_calls;
mod hostile_text;
mod hostile_time;
mod invokes;
mod leaks;
mod limits;
mod misplaced;
mod operations;
mod outside;
mod plugins;
mod prints;
mod probes;
mod retries;
mod saga;
mod seeds;
mod sequence;
mod timeouts;
mod workflow;

use batches::{batch, combine, ends_together, many_items, nested_maps, races_a_retry};
use disk::fills;
use divergence::diverges;
use dropped::{books_together, drops, drops_rollback};
use durawasm_guest::{BoxError, DurableContext, Options, durable_handlers};
use grants::{holds_files, plain_reaches, reaches};
use hostile::{
    aborts, allocates, at_most_once_panics, blocks_on, divergent, exits, exits_well, hangs_in_step,
    hangs_on_foreign_future, panics, panics_in_step, recurses, sleeps_with_tokio, spins, spins_in_step,
    starts_a_thread,
};
use hostile_bytes::{hoards, multiplies};
use hostile_calls::{breaks_the_contract, fails_with_frames, opens_a_scope_over_a_child, polls_long_lists};
use hostile_text::{has_a_long_name, says};
use hostile_time::{asks_without_end, fills_memory, many_bodies_that_spin, sleeps_for_ages};
use invokes::{counts_down, invokes, invokes_all, invokes_in_own_format, invokes_or_fails};
use leaks::{counts_words, leaks, leaks_side_by_side};
use limits::{big_result, many_concurrent_steps, many_steps, many_waits, map_of_steps};
use misplaced::misplaces;
use operations::{
    abandons_a_builder, awaits_in_reverse, bad_event, child, concurrent_children, empty, flaky, greet,
    invalid_argument, nested_children, retries_beside_a_sleep, two_steps_and_wait, two_waits, typed_failure,
    waits_for,
};
use outside::{asks_many, await_approval, callback, never_saves, waits_days};
use plugins::{Slow, Teller, Troubled, clocked, watched};
use prints::{plain_prints, prints_parts, subscribes};
use probes::{nondeterminism_probe, plain, plain_async, prints, sleeps_in_step, verbatim};
use retries::{block_with_retry, filtered_retries, keeps_files, polls, polls_much};
use saga::{checkpoint_costs, draws, hides_divergence, logs, saga, saga_in_child, saga_of_many, tells};
use seeds::{ported_callback, ported_saga};
use sequence::{races, returns, sequence};
use timeouts::slow_body;
use workflow::workflow;

/// An event of a closure: not `pub`, and need not be.
#[derive(serde::Deserialize)]
struct Guest {
    name: String,
}

durable_handlers! {
    /// All of them.
    pub fn functions;
    abandons_a_builder,
    aborts,
    allocates,
    asks_many,
    asks_without_end,
    at_most_once_panics,
    await_approval,
    awaits_in_reverse,
    bad_event,
    batch,
    big_result,
    block_with_retry,
    breaks_the_contract,
    blocks_on,
    callback,
    checkpoint_costs,
    child,
    combine,
    concurrent_children,
    counts_down,
    counts_words,
    divergent,
    diverges,
    draws,
    empty,
    ends_together,
    fails_with_frames,
    fills_memory,
    exits,
    exits_well,
    filtered_retries,
    fills,
    flaky,
    greet,
    has_a_long_name,
    hangs_in_step,
    hangs_on_foreign_future,
    hides_divergence,
    hoards,
    holds_files,
    invalid_argument,
    invokes,
    invokes_all,
    invokes_in_own_format,
    invokes_or_fails,
    keeps_files,
    leaks,
    leaks_side_by_side,
    logs,
    misplaces,
    multiplies,
    many_concurrent_steps,
    many_items,
    many_steps,
    many_waits,
    map_of_steps,
    many_bodies_that_spin,
    nested_children,
    nested_maps,
    never_saves,
    nondeterminism_probe,
    opens_a_scope_over_a_child,
    panics,
    panics_in_step,
    plain plain,
    plain plain_async,
    plain plain_reaches,
    polls,
    polls_much,
    polls_long_lists,
    ported_callback,
    ported_saga,
    prints,
    prints_parts,
    plain plain_prints,
    races,
    races_a_retry,
    reaches,
    recurses,
    retries_beside_a_sleep,
    returns,
    books_together,
    drops,
    drops_rollback,
    saga,
    saga_in_child,
    saga_of_many,
    says,
    sequence,
    sleeps_in_step,
    sleeps_for_ages,
    sleeps_with_tokio,
    slow_body,
    spins,
    spins_in_step,
    starts_a_thread,
    subscribes,
    tells,
    two_steps_and_wait,
    two_waits,
    typed_failure,
    verbatim,
    waits_days,
    waits_for,
    workflow,
    watched,
    "watched_by_both" => (watched, Options::builder().plugin(Troubled::default()).plugin(Teller)),
    "watched_by_teller" => (watched, Options::builder().plugin(Teller).build()),
    "watched_by_troubled" => (watched, Options::builder().plugin(Troubled::default())),
    "closure" => |guest: Guest, ctx: DurableContext| async move {
        Ok::<_, BoxError>(ctx.step(move |_| async move { Ok(format!("Hello, {}", guest.name)) }).await?)
    },
    "closure_with_options" => (
        |number: u32, ctx: DurableContext| async move {
            Ok::<_, BoxError>(ctx.step(move |_| async move { Ok(number) }).name("number").await?)
        },
        Options::builder().plugin(Teller),
    ),
    plain "plain_closure" => |number: u32| Ok::<_, BoxError>(number * 2),
    "clocked_watched_by_slow" => (clocked, Options::builder().plugin(Slow).plugin(Teller)),
}
