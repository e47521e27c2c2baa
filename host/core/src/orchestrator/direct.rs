//! Plain functions: what they are granted, and those that are invoked from outside, without an execution.

use std::sync::Arc;

use super::{
    Function, Orchestrator,
    plain::{plain_arn, run_plain},
};
use crate::{budget::Budget, server::InvokeOutcome};

impl Orchestrator {
    /// Runs a function once as a plain function: it has no durable operations. `id` is unique, and seeds the function's
    /// randomness; the function's log lines name the execution [`plain_arn`]. What the function makes the host keep
    /// is charged to `budget`.
    pub async fn run_plain_function(
        &self,
        function: &Function,
        payload: Option<Arc<str>>,
        id: &str,
        budget: Budget,
    ) -> InvokeOutcome {
        // While it runs, virtual time does not advance, unless it sleeps.
        let _actor = self.clock.actor();
        let label = format!("{} {id}", plain_arn(&function.name, id));
        self.granted_plain(function, payload, id, &label, budget).await
    }

    /// Runs a plain function with what it was granted. `label` selects its stream of randomness.
    pub(super) async fn granted_plain(
        &self,
        function: &Function,
        payload: Option<Arc<str>>,
        id: &str,
        label: &str,
        budget: Budget,
    ) -> InvokeOutcome {
        // The directory exists as long as the value.
        let (grants, _scratch) = match self.grants.plain(&function.name) {
            Ok(granted) => granted,
            Err(error) => return InvokeOutcome::Failed(error),
        };
        run_plain(function, payload, id, self.around(grants, label), budget).await
    }
}
