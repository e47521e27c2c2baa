//! Why a check could not be made.

use std::io;

use durawasm_core::orchestrator::EnvironmentError;

use crate::schedule::ScheduleId;

/// Why a check could not be made. A handler that does not replay is no error: that is its report.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The environment of a run could not be set up.
    #[error(transparent)]
    Environment(EnvironmentError),
    /// A run could not be started.
    #[error("{0}")]
    Run(String),
    /// A directory could not be copied.
    #[error("a private copy of a granted directory cannot be made: {0}")]
    Directories(io::Error),
    /// The system refused a thread or a runtime.
    #[error("the check cannot start a thread: {0}")]
    Thread(io::Error),
    /// The check was stopped before there was anything to report.
    #[error("the check was stopped before a run was recorded")]
    Stopped,
    /// The schedule does not exist in this recording.
    #[error(
        "the schedule {0} does not exist for this handler and event: it has {1} points of the record, {2} checkpoints, \
         {3} operations and {4} points within bodies"
    )]
    NoSuchSchedule(ScheduleId, usize, u64, u64, u64),
}
