//! Plain functions that are invoked from outside, without an execution.

use std::sync::Arc;

use super::{Orchestrator, UnknownFunction, plain::run_plain};
use crate::{budget::Budget, protocol::ExecutionArn, server::InvokeOutcome};

impl Orchestrator {
    /// Runs a function once as a plain function: it has no durable operations. `id` is unique, and seeds the function's
    /// randomness; the function's log lines name the execution [`plain_arn`]. What the function makes the host keep
    /// is charged to `budget`.
    ///
    /// # Errors
    /// When there is no such function. An error of the function is its outcome.
    pub async fn run_plain_function(
        &self,
        name: &str,
        payload: Option<Arc<str>>,
        id: &str,
        budget: Budget,
    ) -> Result<InvokeOutcome, UnknownFunction> {
        let function = self.functions.find(name)?;
        // The directory exists as long as the value.
        let (grants, _scratch) = match self.grants.plain(&function.name) {
            Ok(granted) => granted,
            Err(error) => return Ok(InvokeOutcome::Failed(error)),
        };
        let around = self.around(grants, &format!("{} {id}", plain_arn(&function.name, id)));
        Ok(run_plain(function, payload, id, around, budget).await)
    }
}

/// What stands for an execution in the log lines of a plain function.
pub fn plain_arn(function: &str, id: &str) -> ExecutionArn {
    ExecutionArn::new(function, "$LATEST", "plain", id)
}
