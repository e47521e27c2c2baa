//! The record that an invocation begins with.

use std::sync::Arc;

use super::{DurableServiceClient, ServiceError};
use crate::protocol::{InvocationInput, Operation, OperationType};

/// The whole record of an execution, page after page, and the event in it.
///
/// # Errors
/// When the service refuses a page, or the record does not begin with the EXECUTION operation.
pub async fn load_state(
    input: &InvocationInput,
    client: &dyn DurableServiceClient,
) -> Result<(Vec<Arc<Operation>>, Arc<str>), ServiceError> {
    let mut operations = input.initial_execution_state.operations.clone();
    let mut marker = input.initial_execution_state.next_marker.clone();
    while let Some(at) = marker.filter(|m| !m.is_empty()) {
        let page = client.get_state(&input.durable_execution_arn, &input.checkpoint_token, &at).await?;
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
