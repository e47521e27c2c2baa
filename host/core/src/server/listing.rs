//! Lists of executions, and what they show of each.

use super::{
    checkpoint_manager::CheckpointManager,
    execution_manager::ExecutionManager,
    lists::{ExecutionSummary, ListExecutions, Standing},
};
use crate::protocol::ServiceError;

impl CheckpointManager {
    /// The status, and whether the execution is paused.
    pub(super) fn standing(&self) -> Standing {
        match self.pausing.view() {
            Some(pause) if pause.paused => Standing::Paused,
            Some(_) => Standing::Pausing,
            None => Standing::Unpaused(self.phase.status()),
        }
    }

    fn listed(&self) -> Option<ExecutionSummary> {
        let execution = self.operations.all().next()?;
        let (start, end) = (execution.start_timestamp, execution.end_timestamp);
        Some(ExecutionSummary { arn: self.arn.clone(), standing: self.standing(), start, end })
    }
}

impl ExecutionManager {
    /// Lists executions. With a store, those that are committed: of no other was anybody told. Without one, the cost grows
    /// with the number of executions, unlike that of other requests.
    ///
    /// # Errors
    /// [`ServiceError::Store`].
    pub fn list_executions(&mut self, list: &ListExecutions) -> Result<Vec<ExecutionSummary>, ServiceError> {
        if let Some(kept) = &mut self.kept {
            return Ok(kept.store.list(list)?);
        }
        let named = self.executions.iter().filter(|(arn, _)| list.names(arn));
        Ok(list.of(named.filter_map(|(_, (execution, _))| execution.listed())))
    }
}
