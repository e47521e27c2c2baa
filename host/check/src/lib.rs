//! Checks whether a durable handler replays.
//!
//! A check records one run. Then it feeds every prefix of the record, and the whole record, to fresh instances; it
//! repeats the run with the instance killed at every checkpoint, operation and point within bodies; and it replays with
//! clocks, random numbers and other things perturbed that a sandbox virtualizes. It compares what the handler does with
//! what is on record, and reports the first difference.
//!
//! Invariants:
//! - every run and every replay is isolated: an environment, directories and randomness of its own;
//! - in a repeated run, the outcome of a body that runs again is replaced by the recorded one, so a difference in
//!   anything else is a fault;
//! - the same subject, options and seed lead to the same report, unless a budget of time ends it early.

mod advice;
mod budget;
mod compare;
mod crash;
mod diagnosis;
mod directories;
mod error;
mod explore;
mod history;
mod kind;
mod options;
mod perturbation;
mod record;
mod recorder;
mod replay;
mod report;
mod run;
mod schedule;
mod state;
mod subject;
mod text;
mod threads;
mod trace;
mod upgrade;
mod values;

pub use budget::{event_size, growth};
pub use error::CheckError;
pub use explore::check;
pub use history::{HistoryError, RecordedExecution, read_history};
pub use kind::{Kind, UnknownKind};
pub use options::{Budget, OnProgress, Options, Progress, Stop};
pub use report::{
    BudgetReport, Divergence, Explored, Finding, FindingKind, HistoryReport, Import, OperationRef, Report,
    Verdict,
};
pub use schedule::{ScheduleId, UnknownSchedule};
pub use subject::Subject;
pub use upgrade::{Replays, check_recorded};
