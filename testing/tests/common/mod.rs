//! Shared by the tests: the component with the test handlers, and short functions that inspect results.
#![allow(dead_code, reason = "each test binary uses its part")]

pub mod native;
pub mod wat_guest;
pub mod workflow;

use proptest::test_runner::{Config, RngSeed};

use durawasm_testing::{LocalDurableTestRunner, SandboxLimits, TestResult};
use serde_json::Value;

const GUESTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/guests");

/// Random cases, the same in every run, so that a test turns red because of a change of the code. The environment can
/// set other ones: `PROPTEST_RNG_SEED` and `PROPTEST_CASES` are numbers.
pub fn random_cases(cases: u32) -> Config {
    let given = Config { failure_persistence: None, ..Config::default() };
    let is_set = |name| std::env::var_os(name).is_some();
    Config {
        cases: if is_set("PROPTEST_CASES") { given.cases } else { cases },
        rng_seed: if is_set("PROPTEST_RNG_SEED") { given.rng_seed } else { RngSeed::Fixed(1) },
        ..given
    }
}

/// A runner for one of the test handlers.
pub fn handler(function: &str) -> LocalDurableTestRunner {
    LocalDurableTestRunner::from_crate(GUESTS).unwrap().function(function)
}

/// A runner for one of the test handlers, with other limits.
pub fn bounded(function: &str, limits: &SandboxLimits) -> LocalDurableTestRunner {
    let component = LocalDurableTestRunner::build(GUESTS).unwrap();
    LocalDurableTestRunner::with_limits(component, limits).unwrap().function(function)
}

/// The result of an execution that must succeed.
pub fn value(result: &TestResult) -> Value {
    result.get_result_as().unwrap_or_else(|e| panic!("{e}\n{}", history(result).join("\n")))
}

/// The type and message of the error of an execution that must fail.
pub fn error(result: &TestResult) -> (String, String) {
    let error =
        result.get_error().unwrap_or_else(|_| panic!("it did not fail:\n{}", history(result).join("\n")));
    (error.error_type.clone().unwrap_or_default(), error.error_message.clone().unwrap_or_default())
}

/// The history in short: event type, name and seconds since the start.
pub fn history(result: &TestResult) -> Vec<String> {
    let events = result.get_history_events();
    let start = events[0].event_timestamp;
    let line = |e: &durawasm_testing::Event| {
        let name = e
            .name
            .as_deref()
            .filter(|_| e.event_id > 1 && !format!("{:?}", e.event_type).starts_with("Exec"));
        let seconds = e.event_timestamp.since(start).as_secs();
        format!("{:?}{} +{seconds}", e.event_type, name.map(|n| format!(" {n}")).unwrap_or_default())
    };
    events.iter().map(|e| line(e)).collect()
}
