//! Scenarios: tests of a handler as data. A file says what happens to an execution and what has to come of it.
//!
//! Invariants: everything that can be wrong with a file is found when it is read, before anything runs; a scenario has
//! an environment of its own, so none can disturb another; in virtual time, running it again gives the same. [`find()`]
//! looks for files, [`read()`] reads one, [`Components`] gets what they test, [`run()`] runs a scenario and compares.
//! Nothing is printed: what there is to say comes back as text, line by line.

mod answers;
mod compare;
mod components;
mod data;
mod error;
mod exact;
mod expect;
mod file;
mod find;
mod json;
mod operations;
mod read;
mod run;
mod values;
mod wording;

pub use answers::StandIn;
pub use compare::Mismatch;
pub use components::{Components, LoadError};
pub use error::{FileError, Place};
pub use exact::{Json, same_number};
pub use expect::{Expectation, ExpectedError, ExpectedOperation};
pub use file::{Scenario, ScenarioFile};
pub use find::{FindError, Found, find};
pub use read::read;
pub use run::{Outcome, RunFailure, SubjectError, function_of, grants_of, run, unused_answer_notes};

#[cfg(test)]
mod tests {
    mod comparing;
    mod reading;
}
