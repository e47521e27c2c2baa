//! `ServiceError`: why a service did not process a request.

use super::{ErrorObject, error_types};

/// Why a request failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServiceError {
    /// The request breaks the service's rules (`InvalidParameterValueException`). A retry fails in the same way.
    #[error("InvalidParameterValueException: {0}")]
    InvalidParameterValue(String),
    /// The execution, callback or function does not exist (`ResourceNotFoundException`).
    #[error("ResourceNotFoundException: {0}")]
    NotFound(String),
    /// The callback has ended already, by an answer or a timeout (`CallbackTimeoutException`).
    #[error("CallbackTimeoutException: {0}")]
    CallbackOver(String),
    /// The service cannot be reached.
    #[error("the checkpoint server cannot be reached: {0}")]
    Unavailable(String),
}

impl ServiceError {
    /// Converts it to the error of an invocation that ends because of it.
    pub fn to_error(&self) -> ErrorObject {
        ErrorObject::new(error_types::CHECKPOINT_FAILED, self.to_string())
    }
}
