//! Handlers that replay, and handlers that do not.
//!
//! Each faulty handler has one fault, and most have a twin that does the same without it. The verdict for each is in
//! `host/check/tests/zoo.toml`.
#![forbid(unsafe_code)]

mod bodies;
mod clock;
mod contexts;
mod correct;
mod environment;
mod files;
mod hash;
mod logs;
mod memory;
mod modes;
mod options;
mod parts;
mod policies;
mod random;
mod replays;
mod statics;
mod ties;

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
use contexts::{
    branches_count_together, branches_numbered_by_the_handler, channel_between_children,
    child_named_by_a_result, child_named_by_a_variable, inner_result_from_a_step,
    inner_result_from_a_variable, item_returns_early_on_a_replay, items_named_by_results,
    items_named_by_variables, large_result_from_a_step, large_result_from_a_variable,
    numbers_between_children, predicate_reads_a_static, predicate_reads_its_argument,
};
use correct::{
    Counter, approval_awaited, block_at_second_attempt, bodies_that_sleep, charge_at_most_once,
    contexts_in_contexts, fails_on_purpose, fails_with_its_child, fifty_operations, functions_invoked,
    job_polled, joins_and_races, maps_in_a_map, nothing_but_a_result, offers_compared, order,
    regions_released, rows_imported, structured_results, third_attempt, third_attempt_by_default,
    trip_rolled_back, values_of_contexts, variable_in_bodies_only, watched, work_beside_a_wait,
};
use durawasm_guest::{Options, durable_handlers};
use environment::{
    result_has_the_arguments, step_named_by_a_variable, step_switched_on_by_a_variable,
    variable_read_in_a_step,
};
use files::{
    file_read_before_it_is_written, file_read_in_a_step, folder_made_under_a_key,
    invocations_counted_in_a_file, line_added_at_least_once, line_added_at_most_once,
    lines_counted_at_least_once, result_kept_in_a_file, runs_of_a_body_counted_in_a_file,
};
use hash::{
    groups_in_map_order, groups_in_tree_order, lookups_in_a_map, result_in_set_order, steps_in_map_order,
    steps_in_sorted_order,
};
use logs::{lines_everywhere, step_if_kept_lines_are_logged, step_if_lines_are_logged, step_if_output_fails};
use memory::{
    address_after_a_body, address_in_the_result, memory_in_bodies_and_outside, memory_size_in_the_result,
    number_in_the_result, step_if_memory_has_grown,
};
use modes::{flush_by_number_of_rows, step_named_by_pending_updates, step_named_by_the_mode};
use options::{
    payload_with_a_random_id, payload_with_an_id_of_the_context, timeout_from_a_variable,
    timeout_from_the_event, wait_computed_from_recorded_time, wait_computed_from_the_clock,
    wait_longer_on_a_replay,
};
use policies::{
    block_retried_by_a_static, block_retried_by_attempt, checks_counted_in_a_static,
    checks_counted_in_the_state, compensation_named_by_a_static, compensation_named_by_the_result,
    detour_after_an_interruption, fault_after_an_interruption, retry_budget_in_a_static,
    retry_budget_of_each_step, rollback_decided_by_a_static, rollback_decided_by_an_outcome,
};
use random::{
    biased_select_in_the_result, fair_select_in_the_result, generator_shared_with_a_body,
    generators_of_their_own, order_shuffled_by_context, order_shuffled_by_rand, order_shuffled_in_a_step,
    result_has_a_random_id, result_has_an_id_of_the_context,
};
use replays::{
    branch_on_is_replaying, branch_on_the_deadline, early_return_on_a_replay, mode_for_a_log_line,
    result_has_the_execution, result_has_the_request_id, result_tells_the_mode,
};
use statics::{
    cache_filled_from_a_result, cache_filled_in_a_body, counter_bumped_in_a_body, counter_returned_by_a_step,
    list_left_with_the_thread, list_returned_by_a_step, total_in_a_static, total_of_results,
};
use ties::{
    first_of_two_equal_waits, first_of_two_unequal_waits, list_signed_after_equal_waits,
    list_sorted_after_equal_waits, steps_after_equal_waits, steps_caused_by_steps,
};

durable_handlers! {
    address_after_a_body,
    address_in_the_result,
    approval_awaited,
    biased_select_in_the_result,
    block_at_second_attempt,
    block_retried_by_a_static,
    block_retried_by_attempt,
    bodies_that_sleep,
    branch_on_is_replaying,
    branch_on_the_deadline,
    branches_count_together,
    branches_numbered_by_the_handler,
    cache_filled_from_a_result,
    cache_filled_in_a_body,
    channel_between_children,
    channel_filled_by_a_body,
    charge_at_most_once,
    checks_counted_in_a_static,
    checks_counted_in_the_state,
    child_named_by_a_result,
    child_named_by_a_variable,
    clock_for_a_log_line,
    clock_in_a_step,
    compensation_named_by_a_static,
    compensation_named_by_the_result,
    contexts_in_contexts,
    counter_bumped_in_a_body,
    counter_returned_by_a_step,
    detour_after_an_interruption,
    early_return_on_a_replay,
    error_judged_by_a_variable,
    error_judged_by_its_type,
    fails_on_purpose,
    fails_with_its_child,
    fair_select_in_the_result,
    fault_after_an_interruption,
    fifty_operations,
    file_read_before_it_is_written,
    file_read_in_a_step,
    first_of_two_equal_waits,
    first_of_two_unequal_waits,
    flush_by_number_of_rows,
    folder_made_under_a_key,
    functions_invoked,
    generator_shared_with_a_body,
    generators_of_their_own,
    groups_in_map_order,
    groups_in_tree_order,
    inner_result_from_a_step,
    inner_result_from_a_variable,
    invocations_counted_in_a_file,
    item_returns_early_on_a_replay,
    items_named_by_results,
    items_named_by_variables,
    job_polled,
    joins_and_races,
    lap_by_instant,
    large_result_from_a_step,
    large_result_from_a_variable,
    last_step_only_on_a_replay,
    last_step_only_on_the_first_run,
    late_fee_by_clock,
    late_fee_by_recorded_time,
    line_added_at_least_once,
    line_added_at_most_once,
    lines_counted_at_least_once,
    lines_everywhere,
    list_left_with_the_thread,
    list_returned_by_a_step,
    list_signed_after_equal_waits,
    list_sorted_after_equal_waits,
    lookups_in_a_map,
    maps_in_a_map,
    memory_in_bodies_and_outside,
    memory_size_in_the_result,
    mode_for_a_log_line,
    names_counted_by_the_handler,
    names_counted_in_bodies,
    nothing_but_a_result,
    number_in_the_result,
    numbers_between_children,
    offers_compared,
    order,
    order_shuffled_by_context,
    order_shuffled_by_rand,
    order_shuffled_in_a_step,
    parcels_returned_by_a_step,
    payload_with_a_random_id,
    payload_with_an_id_of_the_context,
    predicate_reads_a_static,
    predicate_reads_its_argument,
    regions_released,
    result_from_a_captured_variable,
    result_from_the_step,
    result_has_a_random_id,
    result_has_an_id_of_the_context,
    result_has_the_arguments,
    result_has_the_execution,
    result_has_the_recorded_time,
    result_has_the_request_id,
    result_has_the_time,
    result_in_set_order,
    result_kept_in_a_file,
    result_tells_the_mode,
    retry_budget_in_a_static,
    retry_budget_of_each_step,
    rollback_decided_by_a_static,
    rollback_decided_by_an_outcome,
    rows_imported,
    runs_of_a_body_counted_in_a_file,
    step_if_kept_lines_are_logged,
    step_if_lines_are_logged,
    step_if_memory_has_grown,
    step_if_output_fails,
    step_named_by_a_variable,
    step_named_by_clock,
    step_named_by_pending_updates,
    step_named_by_recorded_time,
    step_named_by_the_mode,
    step_switched_on_by_a_variable,
    steps_after_equal_waits,
    steps_caused_by_steps,
    steps_in_map_order,
    steps_in_sorted_order,
    structured_results,
    third_attempt,
    third_attempt_by_default,
    timeout_from_a_variable,
    timeout_from_the_event,
    total_in_a_static,
    total_of_results,
    trip_rolled_back,
    values_of_contexts,
    variable_in_bodies_only,
    variable_read_in_a_step,
    wait_computed_from_recorded_time,
    wait_computed_from_the_clock,
    wait_longer_on_a_replay,
    work_beside_a_wait,
    "watched" => (watched, Options::builder().plugin(Counter::default())),
}
