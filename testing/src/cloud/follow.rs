//! Polls one execution and keeps its state.
//!
//! Invariants:
//! - the events are those of the history from its beginning, each once;
//! - a poll reads only the last page again; after the end of the execution, the whole history is read again, because
//!   the service may have completed earlier events;
//! - an execution has ended if the service reports so and its history contains the end event.

use durawasm_core::{
    protocol::{ExecutionArn, ExecutionStatus, Operation, OperationStatus, OperationType},
    server::ExecutionView,
};
use durawasm_report::{GrowingHistory, invocations_of, operations_of};

use super::{CloudApi, convert::Standing};
use crate::TestError;

/// The state of a polled execution.
pub(super) struct Followed {
    arn: ExecutionArn,
    standing: Option<Standing>,
    history: GrowingHistory,
}

impl Followed {
    pub(super) fn new(arn: ExecutionArn) -> Self {
        Self { arn, standing: None, history: GrowingHistory::default() }
    }

    /// Polls the execution once. Returns whether it has ended.
    pub(super) async fn look(&mut self, api: &CloudApi) -> Result<bool, TestError> {
        let standing = api.execution(&self.arn).await?;
        let over = standing.status != ExecutionStatus::Running;
        self.standing = Some(standing);
        if over {
            self.history.reread();
        }
        loop {
            let (events, next) = api.history(&self.arn, self.history.marker()).await?;
            if !self.history.take(events, next) {
                return Ok(over && self.history.has_end());
            }
        }
    }

    /// The state as of the last poll; `None` before the first.
    pub(super) fn view(&self) -> Option<ExecutionView> {
        let Standing { status, input, result, error, start, end } = self.standing.clone()?;
        let events = self.history.events().to_vec();
        Some(ExecutionView {
            arn: self.arn.clone(),
            status,
            result,
            error,
            input,
            operations: operations_of(events.iter().map(AsRef::as_ref)),
            invocations: invocations_of(events.iter().map(AsRef::as_ref)),
            events,
            start,
            end,
            // The service does not report it.
            checkpoints: 0,
        })
    }

    /// The operations that the execution waits for, as a text for messages.
    pub(super) fn waits_for(&self) -> String {
        let arn = &self.arn;
        let Some(view) = self.view() else { return format!("execution {arn} has not been seen yet") };
        if view.status != ExecutionStatus::Running {
            let status = view.status;
            return format!("execution {arn} is {status}, but its history has no end yet");
        }
        let mut what: Vec<String> = view.operations.iter().filter_map(|operation| waits(operation)).collect();
        let more = what.len().saturating_sub(MENTIONED);
        what.truncate(MENTIONED);
        if more > 0 {
            what.push(format!("{more} more"));
        }
        if what.is_empty() {
            return format!("execution {arn} is RUNNING, and waits for its handler");
        }
        format!("execution {arn} is RUNNING, and waits for {}", what.join(", "))
    }
}

/// The maximum number of awaited operations that a message names.
const MENTIONED: usize = 10;

/// A description of what the operation waits for; `None` if it does not wait.
fn waits(operation: &Operation) -> Option<String> {
    let name = operation.name.as_deref().unwrap_or(operation.id.as_str());
    Some(match (operation.kind, operation.status) {
        (OperationType::Callback, OperationStatus::Started) => format!("an answer to callback {name:?}"),
        (OperationType::ChainedInvoke, OperationStatus::Started) => format!("the end of invoke {name:?}"),
        (OperationType::Wait, OperationStatus::Started) => {
            let end = operation.wait_details.as_ref().and_then(|details| details.scheduled_end_timestamp);
            format!("wait {name:?}{}", end.map(|end| format!(" until {end}")).unwrap_or_default())
        }
        (OperationType::Step, OperationStatus::Pending) => {
            let next = operation.step_details.as_ref().and_then(|details| details.next_attempt_timestamp);
            let next = next.map(|next| format!(" at {next}")).unwrap_or_default();
            format!("the next attempt of step {name:?}{next}")
        }
        (OperationType::Step, OperationStatus::Started) => format!("the end of step {name:?}"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use durawasm_core::protocol::Timestamp;

    use super::*;

    #[test]
    fn what_is_waited_for_is_named() {
        let at = Timestamp::from_millis(1_735_689_600_000);
        let operation = |kind, status| Operation {
            name: Some("n".into()),
            status,
            ..Operation::new("i".into(), kind, at)
        };
        let started = |kind| operation(kind, OperationStatus::Started);
        let mut wait = started(OperationType::Wait);
        wait.wait_details.get_or_insert_default().scheduled_end_timestamp = Some(at);
        let mut step = operation(OperationType::Step, OperationStatus::Pending);
        step.step_details.get_or_insert_default().next_attempt_timestamp = Some(at);
        for (operation, expected) in [
            (started(OperationType::Callback), Some("an answer to callback \"n\"")),
            (started(OperationType::ChainedInvoke), Some("the end of invoke \"n\"")),
            (started(OperationType::Step), Some("the end of step \"n\"")),
            (wait, Some("wait \"n\" until 2025-01-01T00:00:00.000Z")),
            (step, Some("the next attempt of step \"n\" at 2025-01-01T00:00:00.000Z")),
            (started(OperationType::Context), None),
            (operation(OperationType::Callback, OperationStatus::Failed), None),
        ] {
            assert_eq!(waits(&operation).as_deref(), expected);
        }
    }
}
