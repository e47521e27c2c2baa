//! `ServiceError`: why a service did not process a request.

use super::{ErrorObject, error_types};
use crate::budget::BytesExceeded;

/// The message for a token that is not the current one.
const INVALID_TOKEN: &str = "Invalid checkpoint token";

/// Why a request failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServiceError {
    /// The request breaks the service's rules (`InvalidParameterValueException`). A retry fails in the same way.
    #[error("InvalidParameterValueException: {0}")]
    InvalidParameterValue(String),
    /// The checkpoint token is not the current one (`InvalidParameterValueException`).
    #[error("InvalidParameterValueException: {INVALID_TOKEN}")]
    InvalidToken,
    /// The invocation to complete is not running (`InvalidParameterValueException`).
    #[error("InvalidParameterValueException: {0}")]
    InvocationNotRunning(String),
    /// The execution, operation or function does not exist (`ResourceNotFoundException`).
    #[error("ResourceNotFoundException: {0}")]
    NotFound(String),
    /// The callback does not exist (`ResourceNotFoundException`).
    #[error("ResourceNotFoundException: {0}")]
    CallbackNotFound(String),
    /// The callback has ended already, by an answer or a timeout (`CallbackTimeoutException`).
    #[error("CallbackTimeoutException: {0}")]
    CallbackOver(String),
    /// The store failed, so the request had no effect (`ServiceException`).
    #[error("ServiceException: {0}")]
    Store(String),
    /// The execution is in no state for the request (`ResourceConflictException`).
    #[error("ResourceConflictException: {0}")]
    Conflict(String),
    /// The name belongs to an execution with another input (`DurableExecutionAlreadyStartedException`).
    #[error("DurableExecutionAlreadyStartedException: {0}")]
    AlreadyStarted(String),
    /// The host works on as many executions as it may (`TooManyRequestsException`).
    #[error("TooManyRequestsException: {0}")]
    TooManyRequests(String),
    /// The service cannot be reached.
    #[error("the checkpoint server cannot be reached: {0}")]
    Unavailable(String),
}

/// Refuses a request that breaks the service's rules.
pub(crate) fn invalid<T>(message: impl Into<String>) -> Result<T, ServiceError> {
    Err(ServiceError::InvalidParameterValue(message.into()))
}

impl From<BytesExceeded> for ServiceError {
    /// A request that asks to keep more than a budget allows. The service model has no exception of its own for it.
    fn from(exceeded: BytesExceeded) -> Self {
        Self::InvalidParameterValue(exceeded.to_string())
    }
}

impl ServiceError {
    /// The message without the name of the exception.
    pub fn message(&self) -> &str {
        match self {
            Self::InvalidToken => INVALID_TOKEN,
            Self::InvalidParameterValue(why)
            | Self::InvocationNotRunning(why)
            | Self::NotFound(why)
            | Self::CallbackNotFound(why)
            | Self::CallbackOver(why)
            | Self::Store(why)
            | Self::Conflict(why)
            | Self::AlreadyStarted(why)
            | Self::TooManyRequests(why)
            | Self::Unavailable(why) => why,
        }
    }

    /// Converts it to the error of an invocation that ends because of it.
    pub fn to_error(&self) -> ErrorObject {
        match self {
            // Without the name of the exception: whoever runs the invocation makes the same error of it again.
            Self::Store(why) => ErrorObject::new(error_types::STORE_FAILED, why),
            other => ErrorObject::new(error_types::CHECKPOINT_FAILED, other.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_of_an_invocation_says_once_what_failed() {
        let store = ServiceError::Store("s.db: no space is left".to_owned()).to_error();
        assert_eq!(store.to_string(), "Service.StoreFailed: s.db: no space is left");
        let refused = ServiceError::Conflict("it is over".to_owned()).to_error();
        assert_eq!(refused.error_type.as_deref(), Some(error_types::CHECKPOINT_FAILED));
        assert_eq!(refused.error_message.as_deref(), Some("ResourceConflictException: it is over"));
    }
}
