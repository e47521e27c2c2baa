//! Conversions between the types of the WIT and of the core.

use super::bindings::durawasm::durable::{operations as wit, types};
use durawasm_core::{
    invocation::InvalidArgument,
    protocol::ErrorObject,
    replay::{Identity, Outcome, Position},
};

pub(super) fn invalid_argument(invalid: InvalidArgument) -> types::InvalidArgument {
    types::InvalidArgument { argument: invalid.argument.to_owned(), reason: invalid.reason }
}

pub(super) fn identity(identity: wit::Identity) -> (Option<Position>, Identity) {
    (identity.position, Identity { name: identity.name, sub_type: identity.sub_type })
}

pub(super) fn outcome(outcome: Outcome) -> types::Outcome {
    match outcome {
        Ok(result) => Ok(result.map(|r| r.to_string())),
        Err(error) => Err(error_out(error)),
    }
}

pub(super) fn error_in(error: types::ErrorObject) -> ErrorObject {
    ErrorObject {
        error_message: error.message,
        error_type: error.error_type,
        error_data: error.data,
        stack_trace: error.stack_trace,
    }
}

pub(super) fn error_out(error: ErrorObject) -> types::ErrorObject {
    types::ErrorObject {
        error_type: error.error_type,
        message: error.error_message,
        data: error.error_data,
        stack_trace: error.stack_trace,
    }
}
