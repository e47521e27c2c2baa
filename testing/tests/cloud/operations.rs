//! Operations that are rebuilt from a history are those that the server has.

use std::sync::Mutex;

use durawasm_core::{
    protocol::{ContextDetails, Operation, OperationStatus, OperationType},
    server::{Answer, ExecutionView, ScriptedAnswer, StartExecution},
};
use durawasm_testing::cloud::operations_of;
use proptest::{prelude::*, test_runner::Config};
use serde_json::{Value, json};

use crate::{
    generator::{ANSWERS, Kind, workflow},
    lambda::environment,
};

/// What a history tells of an operation that the server has.
pub fn told(operation: &Operation) -> Operation {
    let mut told = operation.clone();
    (told.sequence, told.start_sequence) = (0, 0);
    if let Some(details) = &mut told.context_details {
        *details = ContextDetails { replay_children: false, ..details.clone() };
    }
    if told.status == OperationStatus::Ready {
        // That an attempt may begin is no event.
        told.status = OperationStatus::Pending;
    }
    if told.status == OperationStatus::Cancelled && told.kind != OperationType::Wait {
        told.status = OperationStatus::Started;
        told.end_timestamp = None;
    }
    told
}

/// What the server has, and what its history tells: the same, as far as it tells.
pub fn compared(view: &ExecutionView) -> (Vec<Operation>, Vec<Operation>) {
    let has: Vec<Operation> = view.operations.iter().map(|operation| told(operation)).collect();
    let mut tells: Vec<Operation> =
        operations_of(view.events.iter().map(AsRef::as_ref)).iter().map(|o| o.as_ref().clone()).collect();
    for (told, operation) in tells.iter_mut().zip(&view.operations) {
        if operation.status == OperationStatus::Ready
            && let Some(details) = &mut told.step_details
        {
            assert!(details.next_attempt_timestamp.take().is_some());
        }
    }
    (has, tells)
}

/// The execution as it stood between its invocations, and at its end.
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
    #![proptest_config(Config { cases: 300, max_shrink_iters: 300, failure_persistence: None, ..Config::default() })]

    /// At every point at which an execution can be looked at.
    #[test]
    fn the_history_tells_of_all_operations(event in workflow(Kind::Any)) {
        for view in views(&event) {
            let (has, tells) = compared(&view);
            prop_assert_eq!(has, tells);
        }
    }
}
