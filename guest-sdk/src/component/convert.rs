//! Conversions between the types of the contract and those of the imports.

use super::bindings::durawasm::durable::{operations as wit, types};
use crate::contract::{Identity, Outcome};
use crate::error::{InvalidArgument, WireError};

pub(super) fn started<T>(operation: Result<T, types::InvalidArgument>) -> Result<T, InvalidArgument> {
    operation.map_err(Into::into)
}

pub(super) fn outcome(outcome: types::Outcome) -> Outcome {
    outcome.map_err(|error| {
        WireError::from_parts(error.error_type, error.message, error.data, error.stack_trace)
    })
}

impl From<&WireError> for types::ErrorObject {
    fn from(error: &WireError) -> Self {
        Self {
            error_type: error.error_type().map(str::to_owned),
            message: error.error_message().map(str::to_owned),
            data: error.error_data().map(str::to_owned),
            stack_trace: error.stack_trace().to_vec(),
        }
    }
}

impl From<types::InvalidArgument> for InvalidArgument {
    fn from(invalid: types::InvalidArgument) -> Self {
        Self { argument: invalid.argument, reason: invalid.reason }
    }
}

impl From<Identity> for wit::Identity {
    fn from(identity: Identity) -> Self {
        let Identity { position, name, sub_type } = identity;
        Self { position: Some(position), name, sub_type: sub_type.map(str::to_owned) }
    }
}
