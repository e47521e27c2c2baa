//! One handler for each conformance case, under the case's id, written from the case's prose against the SDK's surface.
//!
//! Invariants here:
//! - A handler does what its case says and no more: nothing is fitted to the history that the case expects. Where a
//!   case leaves a name, a delay or a text open, any will do.
//! - What the cases invoke is in this component too (`targets`); its names come from the environment (`config.yaml`).
//! - `wrong-1-13` and so on are handlers for a case with one mistake each: they have to fail it. `README.md` lists
//!   them.
#![forbid(unsafe_code)]

mod callback;
mod child;
mod formats;
mod invoke;
mod map;
mod parallel;
mod plugin;
mod retries;
mod step;
mod targets;
mod wait;
mod wait_for_callback;
mod wait_for_condition;
mod wrong;

use durable::Options;
use plugin::dumps;

durable::durable_handlers! {
    "1-1" => step::case_1_1,
    "1-2" => step::case_1_2,
    "1-3" => step::case_1_3,
    "1-6" => step::case_1_6,
    "1-7" => step::case_1_7,
    "1-8" => step::case_1_8,
    "1-11" => step::case_1_11,
    "1-12" => step::case_1_12,
    "1-13" => step::case_1_13,
    "1-15" => step::case_1_15,
    "1-17" => step::case_1_17,
    "1-19" => step::case_1_19,
    "2-1" => wait::case_2_1,
    "2-2" => wait::case_2_2,
    "2-4" => wait::case_2_4,
    "3-1" => child::case_3_1,
    "3-2" => child::case_3_2,
    "3-3" => child::case_3_3,
    "3-4" => child::case_3_4,
    "3-7" => child::case_3_7,
    "3-9" => child::case_3_9,
    "3-10" => child::case_3_10,
    "3-11" => child::case_3_11,
    "3-14" => child::case_3_14,
    "3-15" => child::case_3_15,
    "3-17" => child::case_3_17,
    "4-1" => callback::case_4_1,
    "4-2" => callback::case_4_2,
    "4-3" => callback::case_4_3,
    "4-5" => callback::case_4_5,
    "4-6" => callback::case_4_6,
    "4-8" => callback::case_4_8,
    "4-9" => callback::case_4_9,
    "4-12" => callback::case_4_12,
    "4-14" => callback::case_4_14,
    "4-15" => callback::case_4_15,
    "4-18" => callback::case_4_18,
    "5-1" => invoke::case_5_1,
    "5-2" => invoke::case_5_2,
    "5-3" => invoke::case_5_3,
    "5-5" => invoke::case_5_5,
    "5-7" => invoke::case_5_7,
    "5-8" => invoke::case_5_8,
    "5-9" => invoke::case_5_9,
    "5-11" => invoke::case_5_11,
    "5-13" => invoke::case_5_13,
    "5-16" => invoke::case_5_16,
    "6-1" => wait_for_condition::case_6_1,
    "6-2" => wait_for_condition::case_6_2,
    "6-3" => wait_for_condition::case_6_3,
    "6-5" => wait_for_condition::case_6_5,
    "6-6" => wait_for_condition::case_6_6,
    "6-7" => wait_for_condition::case_6_7,
    "6-9" => wait_for_condition::case_6_9,
    "6-12" => wait_for_condition::case_6_12,
    "7-1" => wait_for_callback::case_7_1,
    "7-2" => wait_for_callback::case_7_2,
    "7-4" => wait_for_callback::case_7_4,
    "7-5" => wait_for_callback::case_7_5,
    "7-7" => wait_for_callback::case_7_7,
    "7-10" => wait_for_callback::case_7_10,
    "7-11" => wait_for_callback::case_7_11,
    "7-12" => wait_for_callback::case_7_12,
    "7-15" => wait_for_callback::case_7_15,
    "8-1" => parallel::case_8_1,
    "8-2" => parallel::case_8_2,
    "8-5" => parallel::case_8_5,
    "8-6" => parallel::case_8_6,
    "8-7" => parallel::case_8_7,
    "8-8" => parallel::case_8_8,
    "8-9" => parallel::case_8_9,
    "8-11" => parallel::case_8_11,
    "8-12" => parallel::case_8_12,
    "8-13" => parallel::case_8_13,
    "8-15" => parallel::case_8_15,
    "8-17" => parallel::case_8_17,
    "8-19" => parallel::case_8_19,
    "9-1" => map::case_9_1,
    "9-2" => map::case_9_2,
    "9-4" => map::case_9_4,
    "9-5" => map::case_9_5,
    "9-6" => map::case_9_6,
    "9-8" => map::case_9_8,
    "9-10" => map::case_9_10,
    "9-12" => map::case_9_12,
    "9-13" => map::case_9_13,
    "9-14" => map::case_9_14,
    "9-16" => map::case_9_16,
    "9-19" => map::case_9_19,
    "10-1" => (plugin::case_10_1, Options::builder().plugin(plugin::Invocations::default())),
    "10-2" => (plugin::case_10_2, Options::builder().plugin(plugin::Steps::default())),
    "10-3" => (plugin::case_10_3, Options::builder().plugin(plugin::Attempts::default())),
    "10-5" => (
        plugin::case_10_5,
        Options::builder()
            .plugin(plugin::OneOfSeveral::named("CONFPLUGIN-A"))
            .plugin(plugin::OneOfSeveral::named("CONFPLUGIN-B"))
    ),
    "10-6" => (plugin::case_10_6, Options::builder().plugin(plugin::Invocations::default())),
    "10-8" => (plugin::case_10_8, Options::builder().plugin(plugin::StepChanges::default())),
    "10-9" => (plugin::case_10_9, Options::builder().plugin(plugin::EndedWaits::default())),
    "10-11" => (plugin::case_10_11, Options::builder().plugin(plugin::Parents::default())),
    "10-12" => (plugin::case_10_12, Options::builder().plugin(plugin::Branches::default())),
    "10-14" => (plugin::case_10_14, Options::builder().plugin(plugin::Outcomes::default())),
    "10-16" => (plugin::case_10_16, Options::builder().plugin(plugin::Suspensions::default())),
    "10-19" => (dumps::case_10_19, Options::builder().plugin(dumps::InvocationDump::default())),
    "10-20" => (dumps::case_10_20, Options::builder().plugin(dumps::OperationDump::default())),
    "10-22" => (dumps::case_10_22, Options::builder().plugin(dumps::ChangeDump::default())),
    "echo" => targets::echo,
    "failing" => targets::failing,
    "measuring" => targets::measuring,
    "wrong-1-13" => wrong::case_1_13,
    "wrong-1-17" => wrong::case_1_17,
    "wrong-2-4" => wrong::case_2_4,
    "wrong-3-9" => wrong::case_3_9,
    "wrong-3-17" => wrong::case_3_17,
    "wrong-4-14" => wrong::case_4_14,
    "wrong-5-8" => wrong::case_5_8,
    "wrong-6-5" => wrong::case_6_5,
    "wrong-7-7" => wrong::case_7_7,
    "wrong-8-6" => wrong::case_8_6,
    "wrong-9-13" => wrong::case_9_13,
    "wrong-10-1" => plugin::case_10_1, // without the plugin
}
