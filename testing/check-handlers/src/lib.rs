//! Handlers that replay, and handlers that do not.
//!
//! Each faulty handler has one fault, and most have a twin that does the same without it. The verdict for each is in
//! `host/check/tests/zoo.toml`.
#![forbid(unsafe_code)]

mod bodies;
mod clock;
mod parts;
mod replays;
mod statics;

use bodies::{
    channel_filled_by_a_body, error_judged_by_a_variable, error_judged_by_its_type,
    last_step_only_on_a_replay, last_step_only_on_the_first_run, names_counted_by_the_handler,
    names_counted_in_bodies, parcels_returned_by_a_step, result_from_a_captured_variable,
    result_from_the_step,
};
use clock::{
    clock_for_a_log_line, clock_in_a_step, lap_by_instant, late_fee_by_clock, late_fee_by_recorded_time,
    result_has_the_recorded_time, result_has_the_time, step_named_by_clock, step_named_by_recorded_time,
};
use durawasm_guest::durable_handlers;
use replays::{
    branch_on_is_replaying, branch_on_the_deadline, early_return_on_a_replay, mode_for_a_log_line,
    result_has_the_execution, result_has_the_request_id, result_tells_the_mode,
};
use statics::{
    cache_filled_from_a_result, cache_filled_in_a_body, counter_bumped_in_a_body, counter_returned_by_a_step,
    list_left_with_the_thread, list_returned_by_a_step, total_in_a_static, total_of_results,
};

durable_handlers! {
    branch_on_is_replaying,
    branch_on_the_deadline,
    cache_filled_from_a_result,
    cache_filled_in_a_body,
    channel_filled_by_a_body,
    clock_for_a_log_line,
    clock_in_a_step,
    counter_bumped_in_a_body,
    counter_returned_by_a_step,
    early_return_on_a_replay,
    error_judged_by_a_variable,
    error_judged_by_its_type,
    lap_by_instant,
    last_step_only_on_a_replay,
    last_step_only_on_the_first_run,
    late_fee_by_clock,
    late_fee_by_recorded_time,
    list_left_with_the_thread,
    list_returned_by_a_step,
    mode_for_a_log_line,
    names_counted_by_the_handler,
    names_counted_in_bodies,
    parcels_returned_by_a_step,
    result_from_a_captured_variable,
    result_from_the_step,
    result_has_the_execution,
    result_has_the_recorded_time,
    result_has_the_request_id,
    result_has_the_time,
    result_tells_the_mode,
    step_named_by_clock,
    step_named_by_recorded_time,
    total_in_a_static,
    total_of_results,
}
