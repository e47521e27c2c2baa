//! Scenarios: tests of a handler as data. A file states the inputs of an execution and its expected outcome.
//!
//! [`find()`] searches for files, [`read()`] reads one, [`Components`] loads the components to test, [`run()`] runs a
//! scenario and compares the outcome.
//!
//! Invariants: every error in a file is found when it is read, before anything runs; each scenario has its own
//! environment, so scenarios cannot affect each other; in virtual time, every run of a scenario has the same outcome.
//! Nothing is printed: reports are returned as lines of text.

mod answers;
mod compare;
mod components;
mod data;
mod exact;
mod expect;
mod file;
mod find;
mod json;
mod mismatch;
mod operations;
mod read;
mod run;
mod yaml;

pub use answers::StandIn;
pub use components::{Components, LoadError};
pub use exact::{Json, same_number};
pub use expect::{Expectation, ExpectedError, ExpectedOperation};
pub use file::{Scenario, ScenarioFile};
pub use find::{FindError, Found, find};
pub use mismatch::Mismatch;
pub use read::read;
pub use run::{
    Outcome, RunFailure, SubjectError, function_of, grants_of, run, run_within, unused_answer_notes,
};
pub use yaml::read_yaml;

#[cfg(test)]
mod tests {
    mod comparing;
    mod reading;
}
