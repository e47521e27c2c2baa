//! Conformance: compares the histories of handlers with those that the service would make.
//!
//! A case is a file that says what to run, what the world outside does, and which result, events and log lines are
//! expected. Each case runs the handler of its own name, in virtual time, in an environment of its own.
//! `docs/conformance.md` tells of the format; the binary `conformance` is this crate on the command line.
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
//! Invariants: what a case expects and the runner cannot check makes the case unreadable; it is never passed over.

mod case;
mod cases;
mod compare;
mod config;
mod error;
mod history;
mod junit;
mod logs;
mod outcome;
mod run;
mod suite;
mod template;
mod yaml;

use std::{io, path::PathBuf};

pub use case::{Case, CaseId};
pub use cases::{Cases, UnreadableCase};
pub use config::Config;
pub use error::RunnerError;
pub use outcome::{Outcome, Report, Verdict};
pub use suite::ConformanceRunner;

/// Why there is nothing to run.
#[derive(Debug, thiserror::Error)]
pub enum ConformanceError {
    /// A file or a folder cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A folder without cases.
    #[error("there is no case in {}: no file whose name ends with .yaml, .yml or .json", .0.display())]
    NoCases(PathBuf),
    /// Two files of the same name.
    #[error("two cases have the id {id}: {} and {}", one.display(), other.display())]
    SameId {
        /// The id.
        id: CaseId,
        /// The one file.
        one: PathBuf,
        /// The other.
        other: PathBuf,
    },
    /// An id that no case has.
    #[error("there is no case {0}")]
    UnknownCase(CaseId),
    /// Not a configuration.
    #[error("{} is no configuration: {reason}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}
