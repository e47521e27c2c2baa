//! Operations of an execution while it runs, and after: what a test sees is as old as the last look.

use super::CloudDurableTestRunner;
use crate::{ErrorObject, TestError, lookup::lookups};

impl<O> CloudDurableTestRunner<O> {
    lookups!();

    /// Stops the execution that runs: it ends as STOPPED, with this error.
    ///
    /// # Errors
    /// [`TestError::ExecutionNotFound`] when no execution runs; [`TestError::AwsError`] when the service refuses.
    pub async fn stop(&self, error: Option<ErrorObject>) -> Result<(), TestError> {
        self.hub.stop(error).await
    }
}
