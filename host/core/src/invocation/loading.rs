//! Loads the record at the start of an invocation.

use std::sync::Arc;

use super::{Driver, Facts, InvocationBounds, Surroundings};
use crate::{
    protocol::{
        CheckpointToken, DurableServiceClient, ExecutionArn, InvocationInput, Limits, Operation,
        OperationType, ServiceError, StatePage,
    },
    replay::Engine,
};

/// Loads the whole state of the execution. Returns the invocation's driver and the input of the execution as JSON text.
///
/// # Errors
/// When the service refuses a page of the state, or the state does not begin with the EXECUTION operation.
pub async fn load(
    invocation_id: Arc<str>,
    input: InvocationInput,
    limits: &Limits,
    bounds: InvocationBounds,
    around: &Surroundings,
) -> Result<(Driver, Arc<str>), ServiceError> {
    let InvocationInput {
        durable_execution_arn: arn,
        checkpoint_token,
        initial_execution_state,
        updated_operation_ids,
    } = input;
    let client = &*around.client;
    let (operations, event) = load_state(&arn, &checkpoint_token, initial_execution_state, client).await?;
    let engine = Engine::new(operations, limits.clone(), bounds.operations);
    let engine = engine.with_updated(&updated_operation_ids).with_probe(around.probe.clone());
    let facts = Facts {
        arn,
        invocation_id,
        started: engine.time(),
        deadline: around.clock.precise_now().saturating_add(bounds.wall),
    };
    let driver = Driver::new(
        engine,
        facts,
        checkpoint_token,
        updated_operation_ids,
        (around.faults.clone(), around.isolation),
        (around.log.clone(), bounds.log),
    );
    Ok((driver, event))
}

/// Loads all pages of the state, and returns the operations and the input of the execution.
async fn load_state(
    arn: &ExecutionArn,
    token: &CheckpointToken,
    first: StatePage,
    client: &dyn DurableServiceClient,
) -> Result<(Vec<Arc<Operation>>, Arc<str>), ServiceError> {
    let StatePage { mut operations, next_marker: mut marker } = first;
    while let Some(at) = marker.filter(|m| !m.is_empty()) {
        let page = client.get_state(arn, token, &at).await?;
        operations.extend(page.operations);
        marker = page.next_marker;
    }
    let execution = operations.first().filter(|o| o.kind == OperationType::Execution).ok_or_else(|| {
        ServiceError::InvalidParameterValue(
            "the state does not begin with the EXECUTION operation".to_owned(),
        )
    })?;
    let event = execution.execution_details.as_ref().and_then(|d| d.input_payload.clone());
    Ok((operations, event.unwrap_or_else(|| "null".into())))
}
