//! How an event is read, and what is recorded for what a function returned.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::contract::Outcome;
use crate::error::{
    BoxError, CallbackErrorKind, OperationError, OperationErrorKind, SERIALIZATION_ERROR, WireError,
};
use crate::serdes::json;

/// Reads an event. The place of what does not fit is looked for only when something does not.
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

/// What is recorded for what a function returned.
pub(super) fn finish<O: Serialize, Err: Into<BoxError>>(result: Result<O, Err>) -> Outcome {
    match result {
        Ok(output) => match json::text(&output) {
            Ok(json) => Ok(Some(json)),
            Err(error) => Err(WireError::typed(&*error, SERIALIZATION_ERROR)),
        },
        Err(error) => Err(failure(&*error.into())),
    }
}

/// The record of what a function failed with. What an external system reported for a callback is passed on as it is.
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
