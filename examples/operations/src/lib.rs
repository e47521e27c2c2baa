//! One short handler for each operation and each of its uses, to look up and copy.
//!
//! Each has a test of the same name in `tests/operations.rs`. The other examples combine operations.
#![forbid(unsafe_code)]

mod concurrent;
mod contexts;
mod from_outside;
mod housekeeping;
mod many;
mod steps;

use durawasm_guest::Options;

durawasm_guest::durable_handlers! {
    "step" => steps::step,
    "step-retries" => steps::retries,
    "step-retry-preset" => steps::retry_preset,
    "step-retry-filter" => steps::retry_filter,
    "step-timeout" => steps::timeout,
    "step-at-most-once" => steps::at_most_once,
    "step-serdes" => steps::serdes,
    "wait" => from_outside::wait,
    "create-callback" => from_outside::create_callback,
    "wait-for-callback" => from_outside::wait_for_callback,
    "wait-for-condition" => from_outside::wait_for_condition,
    "invoke" => from_outside::invoke,
    plain "double" => from_outside::double,
    "child-context" => contexts::child_context,
    "with-retry" => contexts::with_retry,
    "compensations" => contexts::compensations,
    "map" => many::map,
    "parallel" => many::parallel,
    "spawn" => concurrent::spawn,
    "try-join-all" => concurrent::try_join_all,
    "join-all" => concurrent::join_all,
    "select-ok" => concurrent::select_ok,
    "race" => concurrent::race,
    "checkpoint-modes" => housekeeping::checkpoint_modes,
    "batch-mode" => housekeeping::batch_mode,
    "logging" => housekeeping::logging,
    "plugin" => (housekeeping::plugin, Options::builder().plugin(housekeeping::Counter::default())),
    "values" => housekeeping::values,
}
