//! The handlers in the README of AWS's own Rust SDK, compiled with this SDK.
//!
//! NOTICE: the bodies are examples of the README of the crate `aws-durable-execution-sdk` 0.1.0, licensed under the
//! Apache License 2.0, as a compatibility test; see the file NOTICE.
//!
//! Invariants:
//! - The code of the README is unchanged except for white space, the `use` line, which names this SDK, and the entry
//!   point: `durable_handlers!` instead of `main` and `durable::run`.
//! - Where the README shows only a part of a handler, the rest is added around it: its arguments, the functions it
//!   calls and its result.
#![forbid(unsafe_code)]
#![allow(
    clippy::duration_suboptimal_units,
    clippy::needless_question_mark,
    reason = "it is the README's text"
)]

mod first;
mod many;
mod operations;
mod serialization;

durawasm_guest::durable_handlers! {
    "first-durable-function" => first::handler,
    "spawn" => first::spawn,
    "step" => operations::step,
    "step-retry-strategy" => operations::step_retry_strategy,
    "wait" => operations::wait,
    "invoke" => operations::invoke,
    "wait-strategy-fn" => operations::wait_strategy_fn,
    "wait-strategy" => operations::wait_strategy,
    "create-callback" => operations::create_callback,
    "wait-for-callback" => operations::wait_for_callback,
    "child-context" => operations::child_context,
    "with-retry" => operations::with_retry,
    "map" => many::map,
    "parallel" => many::parallel,
    "await-batch" => many::await_batch,
    "try-join-all" => many::try_join_all,
    "join-all" => many::join_all,
    "select-ok" => many::select_ok,
    "race" => many::race,
    "custom-serdes" => serialization::custom_serdes,
    "file-system-serdes" => serialization::file_system_serdes,
    "increment" => first::increment,
}
