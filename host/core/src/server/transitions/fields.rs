//! Checks of a single update: texts, sizes and ranges.

use crate::protocol::{ErrorObject, Limits, OperationAction, OperationUpdate, ServiceError, invalid};

/// The size of the payload and the error of the update, in bytes.
pub(in crate::server) fn written_by(update: &OperationUpdate) -> usize {
    update.payload.as_ref().map_or(0, |payload| payload.len())
        + update.error.as_ref().map_or(0, ErrorObject::size)
}

/// Checks the size of a batch. A single update may exceed the size limit of a batch.
pub(super) fn check_batch(
    updates: &[OperationUpdate],
    limits: &Limits,
    written: usize,
) -> Result<(), ServiceError> {
    if updates.len() > limits.batch_updates {
        let (count, most) = (updates.len(), limits.batch_updates);
        return invalid(format!("the checkpoint has {count} updates; at most {most} are allowed"));
    }
    let bytes: usize = updates.iter().map(OperationUpdate::size).sum();
    if bytes > limits.batch_bytes && updates.len() > 1 {
        let most = limits.batch_bytes;
        return invalid(format!(
            "the checkpoint has {bytes} bytes; more than one update may have at most {most}"
        ));
    }
    let written = written + updates.iter().map(written_by).sum::<usize>();
    if let Some(most) = limits.written_bytes.filter(|most| written > *most) {
        return invalid(format!(
            "the execution would have written {written} bytes; at most {most} are allowed"
        ));
    }
    Ok(())
}

/// Checks the texts and sizes of an update.
pub(super) fn check_update(update: &OperationUpdate, limits: &Limits) -> Result<(), ServiceError> {
    let id = &update.id;
    id.check().map_err(|error| ServiceError::InvalidParameterValue(error.to_string()))?;
    if let Some(name) = &update.name
        && !(matches!(name.len(), 1..=256) && name.bytes().all(|byte| matches!(byte, 0x20..=0x7e)))
    {
        return invalid(format!("the name of operation {id} is not 1 to 256 printable ASCII characters"));
    }
    let word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if let Some(sub_type) = &update.sub_type
        && !(matches!(sub_type.len(), 1..=32) && sub_type.bytes().all(word))
    {
        return invalid(format!("the sub-type of operation {id} is not 1 to 32 of A-Z a-z 0-9 - _"));
    }
    let payload = update.payload.as_ref().map_or(0, |payload| payload.len());
    if payload > limits.payload_bytes {
        let most = limits.payload_bytes;
        return invalid(format!(
            "the payload of operation {id} has {payload} bytes; at most {most} are allowed"
        ));
    }
    if let Some(error) =
        update.error.as_ref().map(ErrorObject::size).filter(|size| *size > limits.error_bytes)
    {
        let most = limits.error_bytes;
        return invalid(format!(
            "Error object size must be at most {most} bytes: operation {id} has {error}."
        ));
    }
    check_outcome(update)
}

/// Checks that the update has a result or an error only where its action allows it.
fn check_outcome(update: &OperationUpdate) -> Result<(), ServiceError> {
    let id = &update.id;
    match update.action {
        OperationAction::Succeed if update.error.is_some() => {
            invalid(format!("Cannot provide an Error for SUCCEED action: operation {id}."))
        }
        OperationAction::Fail if update.payload.is_some() => {
            invalid(format!("Cannot provide a Payload for FAIL action: operation {id}."))
        }
        OperationAction::Retry if update.error.is_some() && update.payload.is_some() => {
            invalid(format!("Cannot provide both error and payload to RETRY a STEP: operation {id}."))
        }
        OperationAction::Start | OperationAction::Cancel if update.error.is_some() => {
            let action = if update.action == OperationAction::Start { "START" } else { "CANCEL" };
            invalid(format!("Cannot provide an Error for {action} action: operation {id}."))
        }
        _ => Ok(()),
    }
}
