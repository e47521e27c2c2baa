//! Operations that are derived from a history equal those of the server.

use std::sync::Mutex;

use durawasm_core::{
    protocol::{ContextDetails, Operation, OperationStatus, OperationType},
    server::{Answer, ExecutionView, ScriptedAnswer, StartExecution},
};
use durawasm_testing::cloud::operations_of;
use proptest::{prelude::*, test_runner::Config};
use serde_json::{Value, json};

use super::lambda::environment;
use crate::common::{
    random_cases,
    workflow::{ANSWERS, Kind, workflow},
};

/// An operation of the server, reduced to what a history contains.
pub fn visible_in_history(operation: &Operation) -> Operation {
    let mut visible = operation.clone();
    (visible.sequence, visible.start_sequence) = (0, 0);
    if let Some(details) = &mut visible.context_details {
        *details = ContextDetails { replay_children: false, ..details.clone() };
    }
    if visible.status == OperationStatus::Ready {
        // No event records that an attempt may begin.
        visible.status = OperationStatus::Pending;
    }
    if visible.status == OperationStatus::Cancelled && visible.kind != OperationType::Wait {
        visible.status = OperationStatus::Started;
        visible.end_timestamp = None;
    }
    visible
}

/// The operations of the server, reduced to what a history contains, and those derived from its history. They must be
/// equal.
pub fn compared(view: &ExecutionView) -> (Vec<Operation>, Vec<Operation>) {
    let has: Vec<Operation> = view.operations.iter().map(|operation| visible_in_history(operation)).collect();
    let mut derived: Vec<Operation> =
        operations_of(view.events.iter().map(AsRef::as_ref)).iter().map(|o| o.as_ref().clone()).collect();
    for (one, operation) in derived.iter_mut().zip(&view.operations) {
        if operation.status == OperationStatus::Ready
            && let Some(details) = &mut one.step_details
        {
            assert!(details.next_attempt_timestamp.take().is_some());
        }
    }
    (has, derived)
}

/// The execution between its invocations and at its end.
fn views(event: &[Value]) -> Vec<ExecutionView> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let mut start = StartExecution::new("workflow", Some(serde_json::to_string(event).unwrap()));
    start.answers = ANSWERS
        .map(|after| {
            let answer = Answer::Success(Some(json!(after).to_string()));
            ScriptedAnswer::new("outside", durawasm_core::parse_duration(after).unwrap(), answer)
        })
        .into();
    let views = Mutex::new(Vec::new());
    let run = runtime.block_on(async {
        let look = |view: &ExecutionView| {
            views.lock().unwrap().push(view.clone());
            false
        };
        environment().await.run_until(start, &look).await.unwrap()
    });
    let mut views = views.into_inner().unwrap();
    views.push(run.view);
    views
}

proptest! {
    #![proptest_config(Config { max_shrink_iters: 300, ..random_cases(300) })]

    /// At every point at which an execution can be observed.
    #[test]
    fn the_history_tells_of_all_operations(event in workflow(Kind::Any)) {
        for view in views(&event) {
            let (has, derived) = compared(&view);
            prop_assert_eq!(has, derived);
        }
    }
}
