//! The runtime of one case.

use durawasm_core::orchestrator::EnvironmentError;

use super::RunnerError;

/// A runtime on this thread.
///
/// # Errors
/// When the system refuses it.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, RunnerError> {
    let made = tokio::runtime::Builder::new_current_thread().enable_all().build();
    made.map_err(|error| RunnerError::Environment(EnvironmentError::Server(error)))
}
