//! The operations of an execution, during and after a run, as of the last poll.

use super::CloudDurableTestRunner;
use crate::{ErrorObject, TestError, lookup::lookups};

impl<O> CloudDurableTestRunner<O> {
    lookups!();

    /// Stops the running execution: it ends as STOPPED with this error.
    ///
    /// # Errors
    /// [`TestError::ExecutionNotFound`] if no execution runs; [`TestError::AwsError`] if the service rejects the
    /// request.
    pub async fn stop(&self, error: Option<ErrorObject>) -> Result<(), TestError> {
        self.hub.stop(error).await
    }
}
