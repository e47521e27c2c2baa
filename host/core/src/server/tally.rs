//! Whoever counts the executions of a server.
//!
//! Invariants: it is told once of every start and every end, after the commit, and in their order; of what was not
//! committed it is told nothing.

use std::sync::Arc;

use crate::protocol::{ExecutionArn, ExecutionStatus};

/// Is told of executions that start and end. It must not block and must not call the server.
pub trait Tally: Send + Sync {
    /// An execution has started.
    fn started(&self, arn: &ExecutionArn);

    /// An execution has ended, with this status.
    fn ended(&self, arn: &ExecutionArn, status: ExecutionStatus);
}

/// What happened since the last commit, for a tally.
#[derive(Default)]
pub(super) struct Tallied {
    tally: Option<Arc<dyn Tally>>,
    /// The executions that have started (`Running`) or ended.
    happened: Vec<(ExecutionArn, ExecutionStatus)>,
}

impl Tallied {
    /// Tells this tally what happens from now on.
    pub(super) fn tell(&mut self, tally: Arc<dyn Tally>) {
        self.tally = Some(tally);
    }

    /// Records that an execution has this status from now on.
    pub(super) fn record(&mut self, arn: &ExecutionArn, status: ExecutionStatus) {
        if self.tally.is_some() {
            self.happened.push((arn.clone(), status));
        }
    }

    /// Tells the tally, if the changes were committed.
    pub(super) fn conclude(&mut self, committed: bool) {
        let happened = std::mem::take(&mut self.happened);
        let Some(tally) = self.tally.as_ref().filter(|_| committed) else { return };
        for (arn, status) in &happened {
            match status {
                ExecutionStatus::Running => tally.started(arn),
                ended => tally.ended(arn, *ended),
            }
        }
    }
}
