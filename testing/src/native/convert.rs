//! Conversion between the types of the SDK's runtime traits and those of the host.

use durawasm_core::{
    invocation,
    protocol::ErrorObject,
    replay::{CheckpointMode, Identity, Interest, Outcome, Position},
};
use durawasm_guest::{
    WireError,
    runtime::{self, InvalidArgument},
};

pub(super) fn identity(identity: runtime::Identity) -> (Option<Position>, Identity) {
    let runtime::Identity { position, name, sub_type } = identity;
    (Some(position), Identity { name, sub_type: sub_type.map(str::to_owned) })
}

pub(super) fn interest(interest: runtime::Interest) -> Interest {
    match interest {
        runtime::Interest::Change => Interest::Change,
        runtime::Interest::CallbackId => Interest::CallbackId,
    }
}

pub(super) fn outcome(outcome: Outcome) -> runtime::Outcome {
    match outcome {
        Ok(result) => Ok(result.map(|result| result.to_string())),
        Err(error) => Err(error_out(&error)),
    }
}

pub(super) fn error_out(error: &ErrorObject) -> WireError {
    let ErrorObject { error_type, error_message, error_data, stack_trace } = error.clone();
    WireError::from_parts(error_type, error_message, error_data, stack_trace)
}

pub(super) fn error_in(error: &WireError) -> ErrorObject {
    ErrorObject {
        error_type: error.error_type().map(str::to_owned),
        error_message: error.error_message().map(str::to_owned),
        error_data: error.error_data().map(str::to_owned),
        stack_trace: error.stack_trace().to_vec(),
    }
}

pub(super) fn mode_in(mode: runtime::CheckpointMode) -> CheckpointMode {
    match mode {
        runtime::CheckpointMode::Eager => CheckpointMode::Eager,
        runtime::CheckpointMode::Optimistic => CheckpointMode::Optimistic,
        _ => CheckpointMode::Batched,
    }
}

pub(super) fn mode_out(mode: CheckpointMode) -> runtime::CheckpointMode {
    match mode {
        CheckpointMode::Batched => runtime::CheckpointMode::Batched,
        CheckpointMode::Eager => runtime::CheckpointMode::Eager,
        CheckpointMode::Optimistic => runtime::CheckpointMode::Optimistic,
    }
}

pub(super) fn invalid_argument(invalid: invocation::InvalidArgument) -> InvalidArgument {
    InvalidArgument { argument: invalid.argument.to_owned(), reason: invalid.reason }
}
