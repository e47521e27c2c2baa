//! What a service says where it does not do what it was asked for.

use super::{ErrorObject, error_types};

/// What the service says of a token that is not the current one.
const INVALID_TOKEN: &str = "Invalid checkpoint token";

/// Why a service refused, or could not be asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServiceError {
    /// The request breaks the service's rules (`InvalidParameterValueException`). Asking again will not help.
    #[error("InvalidParameterValueException: {0}")]
    InvalidParameterValue(String),
    /// The checkpoint token is not the current one (`InvalidParameterValueException`).
    #[error("InvalidParameterValueException: {INVALID_TOKEN}")]
    InvalidToken,
    /// The invocation to complete is not running (`InvalidParameterValueException`).
    #[error("InvalidParameterValueException: {0}")]
    InvocationNotRunning(String),
    /// There is no such execution, operation or function (`ResourceNotFoundException`).
    #[error("ResourceNotFoundException: {0}")]
    NotFound(String),
    /// There is no such callback (`ResourceNotFoundException`).
    #[error("ResourceNotFoundException: {0}")]
    CallbackNotFound(String),
    /// The callback was answered or has timed out already (`CallbackTimeoutException`).
    #[error("CallbackTimeoutException: {0}")]
    CallbackOver(String),
    /// The service cannot be reached any more.
    #[error("the checkpoint server cannot be reached: {0}")]
    Unavailable(String),
}

impl ServiceError {
    /// What is wrong, without the name of the exception.
    pub fn message(&self) -> &str {
        match self {
            Self::InvalidToken => INVALID_TOKEN,
            Self::InvalidParameterValue(why)
            | Self::InvocationNotRunning(why)
            | Self::NotFound(why)
            | Self::CallbackNotFound(why)
            | Self::CallbackOver(why)
            | Self::Unavailable(why) => why,
        }
    }

    /// As the error of an invocation that came to nothing because of it.
    pub fn to_error(&self) -> ErrorObject {
        ErrorObject::new(error_types::CHECKPOINT_FAILED, self.to_string())
    }
}
