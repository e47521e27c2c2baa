//! What a service says where it does not do what it was asked for.

use super::{ErrorObject, error_types};

/// Why a service refused, or could not be asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServiceError {
    /// The request breaks the service's rules (`InvalidParameterValueException`). Asking again will not help.
    #[error("InvalidParameterValueException: {0}")]
    InvalidParameterValue(String),
    /// There is no such execution, callback or function (`ResourceNotFoundException`).
    #[error("ResourceNotFoundException: {0}")]
    NotFound(String),
    /// The callback was answered or has timed out already (`CallbackTimeoutException`).
    #[error("CallbackTimeoutException: {0}")]
    CallbackOver(String),
    /// The service cannot be reached any more.
    #[error("the checkpoint server cannot be reached: {0}")]
    Unavailable(String),
}

impl ServiceError {
    /// As the error of an invocation that came to nothing because of it.
    pub fn to_error(&self) -> ErrorObject {
        ErrorObject::new(error_types::CHECKPOINT_FAILED, self.to_string())
    }
}
