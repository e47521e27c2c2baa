//! A mock service: what an invocation reports, and how it ends if the service does not answer.

use std::sync::Arc;

use durawasm_core::{
    ambient::{SeededEntropy, VirtualClock},
    invocation::{Faults, Isolation, LogBuffer, Surroundings},
    orchestrator::{Invocable, Invocation},
    protocol::{
        ExecutionDetails, InvocationInput, InvocationOutput, InvocationResult, Limits, Operation,
        OperationAction, OperationType, ServiceError, StatePage, Timestamp,
    },
};
use durawasm_guest::{BoxError, DurableContext};
use durawasm_testing::{MockDurableServiceClient, NativeHandler};

async fn adds(n: u64, ctx: DurableContext) -> Result<u64, BoxError> {
    Ok(ctx.step(move |_| async move { Ok(n + 1) }).name("add").await?)
}

/// One invocation of a new execution of `adds`, with this service.
async fn invoke(mock: &Arc<MockDurableServiceClient>) -> InvocationResult {
    let start = Timestamp::Y2025;
    let execution = Operation {
        execution_details: Some(ExecutionDetails { input_payload: Some("1".into()) }),
        ..Operation::new("e".into(), OperationType::Execution, start)
    };
    let state = StatePage { operations: vec![Arc::new(execution)], next_marker: None };
    let input = InvocationInput {
        durable_execution_arn: "arn:1".into(),
        checkpoint_token: "token-0".into(),
        initial_execution_state: state,
        updated_operation_ids: Vec::new(),
        returned_at: None,
    };
    let around = Surroundings {
        client: mock.clone(),
        clock: Arc::new(VirtualClock::new(start)),
        entropy: Arc::new(SeededEntropy::new(1)),
        log: Arc::new(LogBuffer::default()),
        grants: Arc::default(),
        faults: Faults::default(),
        isolation: Isolation::default(),
        probe: durawasm_core::replay::Probed::default(),
    };
    let limits = Limits::default();
    let invocation = Invocation { function: "adds", id: "i".into(), input, limits: &limits, around };
    NativeHandler::durable("adds", adds).invoke(invocation).await.result
}

#[tokio::test]
async fn what_is_reported_is_on_record_and_what_is_not_answered_stays_pending() {
    let mock = Arc::new(MockDurableServiceClient::new().with_checkpoint_responses(1));
    // The service accepted the step but did not return it, so its outcome is not available.
    assert_eq!(invoke(&mock).await, InvocationResult::Output(InvocationOutput::pending()));
    let calls = mock.get_checkpoint_calls();
    assert_eq!(calls.len(), 1);
    assert_eq!((&*calls[0].durable_execution_arn, &*calls[0].checkpoint_token), ("arn:1", "token-0"));
    let reported: Vec<_> = calls[0].operations.iter().map(|u| (u.action, u.name.as_deref())).collect();
    assert_eq!(reported, [(OperationAction::Start, Some("add")), (OperationAction::Succeed, Some("add"))]);
    assert_eq!(calls[0].operations[1].payload.as_deref(), Some("2"));
}

#[tokio::test]
async fn a_service_that_refuses_ends_the_invocation_with_its_words() {
    let refusal = ServiceError::InvalidParameterValue("Invalid checkpoint token".to_owned());
    let mock = Arc::new(MockDurableServiceClient::new().with_checkpoint_response(Err(refusal)));
    let InvocationResult::Crashed(error) = invoke(&mock).await else { panic!("it must not end otherwise") };
    assert_eq!(error.error_type.as_deref(), Some("Service.CheckpointFailed"));
    assert!(error.error_message.unwrap().contains("Invalid checkpoint token"));
    let InvocationResult::Crashed(error) = invoke(&mock).await else { panic!("nothing is scripted") };
    assert!(error.error_message.unwrap().contains("no answer is scripted for call 2"));
}
