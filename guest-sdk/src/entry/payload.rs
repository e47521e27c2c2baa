//! Deserialization of events, and the recorded outcome of a function.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::contract::Outcome;
use crate::error::{
    BoxError, CallbackErrorKind, OperationError, OperationErrorKind, SERIALIZATION_ERROR, WireError,
};
use crate::serdes::json;

/// Deserializes an event. The path of the first mismatch is determined only after deserialization has failed.
pub(super) fn parse<E: DeserializeOwned>(event: &str) -> Result<E, WireError> {
    serde_json::from_str(event).map_err(|error| {
        let mut json = serde_json::Deserializer::from_str(event);
        let message = match serde_path_to_error::deserialize::<_, E>(&mut json) {
            Err(error) if error.path().iter().len() > 0 => {
                format!("the event does not fit the handler: {}: {}", error.path(), error.inner())
            }
            _ => format!("the event does not fit the handler: {error}"),
        };
        WireError::new("InvalidEvent", message)
    })
}

/// The recorded outcome of a function.
pub(super) fn finish<O: Serialize, Err: Into<BoxError>>(result: Result<O, Err>) -> Outcome {
    match result {
        Ok(output) => match json::text(&output) {
            Ok(json) => Ok(Some(json)),
            Err(error) => Err(WireError::typed(&*error, SERIALIZATION_ERROR)),
        },
        Err(error) => Err(failure(&*error.into())),
    }
}

/// The recorded error of a function. A failure that an external system reported for a callback is passed on unchanged.
fn failure(error: &(dyn std::error::Error + 'static)) -> WireError {
    if let Some(error) = error.downcast_ref::<OperationError>()
        && let OperationErrorKind::Callback(callback) = error.kind()
        && matches!(callback.kind(), CallbackErrorKind::ExternalFailure)
        && let Some(wire) = error.wire()
    {
        return wire.clone();
    }
    WireError::of(error, "HandlerError")
}
