//! Conformance: compares the histories of handlers with those of the AWS service.
//!
//! A case is a file that states what to run, the external behaviour, and the expected result, events and log lines.
//! Each case runs the handler with its id as the name: of a component in virtual time, in its own environment, or at an
//! endpoint that serves the handlers. `docs/conformance.md` describes the format; the binary `conformance` is the
//! command-line interface of this crate.
//!
//! ```no_run
//! use durawasm_conformance::{Cases, Config, ConformanceRunner};
//!
//! # fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let cases = Cases::load("cases".as_ref())?;
//! let runner = ConformanceRunner::from_crate("handlers")?.config(Config::load("config.yaml".as_ref())?);
//! let report = runner.run(&cases.cases, |outcome| println!("{outcome}"));
//! assert!(report.passed(), "{}", report.summary());
//! # Ok(())
//! # }
//! ```
//!
//! Invariants: a case with an expectation that the runner cannot check is unreadable; no expectation is ignored, but
//! those of log lines at an endpoint, and then the outcome says so.

mod case;
mod cases;
mod compare;
mod component;
mod config;
mod error;
mod history;
mod junit;
mod logs;
mod outcome;
mod place;
mod remote;
mod run;
mod runtime;
mod suite;
mod template;
mod turns;
mod yaml;

pub use case::{Case, CaseId};
pub use cases::{Cases, UnreadableCase};
pub use config::Config;
pub use error::{ConformanceError, RunnerError};
pub use outcome::{Outcome, Report, Verdict};
pub use suite::ConformanceRunner;
