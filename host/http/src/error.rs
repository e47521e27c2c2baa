//! Errors of the API: the exceptions of the service model, with their status and the members of their shapes.

use durawasm_core::{orchestrator::VersionError, protocol::ServiceError};
use serde_json::{Value, json};

/// An exception of the service model, or one that AWS's front end raises for every service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exception {
    InvalidParameterValue,
    InvalidRequestContent,
    ResourceNotFound,
    ResourceConflict,
    DurableExecutionAlreadyStarted,
    CallbackTimeout,
    TooManyRequests(Scarce),
    RequestTooLarge,
    Service,
    /// No operation has this method and path.
    UnknownOperation,
    /// A web page sent the request.
    AccessDenied,
    /// The body did not arrive in time.
    RequestTimeout,
    /// The request is not signed.
    MissingAuthenticationToken,
    /// The signature lacks a part.
    IncompleteSignature,
    /// The signature is wrong, too old, too new, or was used before.
    InvalidSignature,
    /// There is no such access key.
    UnrecognizedClient,
}

/// What there was no room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scarce {
    /// The bodies of all requests.
    Bodies,
    /// Executions that are at work.
    Executions,
    /// Plain functions that run for requests.
    PlainFunctions,
    /// Signatures that are remembered.
    Signatures,
}

impl Scarce {
    pub(crate) const ALL: [Self; 4] =
        [Self::Bodies, Self::Executions, Self::PlainFunctions, Self::Signatures];

    /// The name in metrics.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bodies => "bodies",
            Self::Executions => "executions",
            Self::PlainFunctions => "plain_functions",
            Self::Signatures => "signatures",
        }
    }
}

impl Exception {
    /// The name, the status, and the member that holds the message.
    fn shape(self) -> (&'static str, u16, &'static str) {
        match self {
            Self::InvalidParameterValue => ("InvalidParameterValueException", 400, "message"),
            Self::InvalidRequestContent => ("InvalidRequestContentException", 400, "message"),
            Self::ResourceNotFound => ("ResourceNotFoundException", 404, "Message"),
            Self::ResourceConflict => ("ResourceConflictException", 409, "message"),
            Self::DurableExecutionAlreadyStarted => {
                ("DurableExecutionAlreadyStartedException", 409, "Message")
            }
            Self::CallbackTimeout => ("CallbackTimeoutException", 400, "Message"),
            Self::TooManyRequests(_) => ("TooManyRequestsException", 429, "message"),
            Self::RequestTooLarge => ("RequestTooLargeException", 413, "message"),
            Self::Service => ("ServiceException", 500, "Message"),
            Self::UnknownOperation => ("UnknownOperationException", 404, "message"),
            Self::AccessDenied => ("AccessDeniedException", 403, "message"),
            Self::RequestTimeout => ("RequestTimeoutException", 408, "message"),
            Self::MissingAuthenticationToken => ("MissingAuthenticationTokenException", 403, "message"),
            Self::IncompleteSignature => ("IncompleteSignatureException", 403, "message"),
            Self::InvalidSignature => ("InvalidSignatureException", 403, "message"),
            Self::UnrecognizedClient => ("UnrecognizedClientException", 403, "message"),
        }
    }

    pub(crate) fn name(self) -> &'static str {
        self.shape().0
    }

    pub(crate) fn status(self) -> u16 {
        self.shape().1
    }
}

/// Why a request is not fulfilled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {}", .exception.name(), .inside.as_ref().unwrap_or(.message))]
pub(crate) struct ApiError {
    pub(crate) exception: Exception,
    /// What the client is told.
    pub(crate) message: String,
    /// In place of the message, what only whoever runs the server is told. It may name files.
    pub(crate) inside: Option<String>,
}

impl ApiError {
    pub(crate) fn new(exception: Exception, message: impl Into<String>) -> Self {
        Self { exception, message: message.into(), inside: None }
    }

    /// The server failed, for a reason that is no client's affair.
    fn inside(message: impl Into<String>, why: String) -> Self {
        Self { inside: Some(why), ..Self::new(Exception::Service, message) }
    }

    /// The body.
    pub(crate) fn body(&self) -> Value {
        let (_, status, member) = self.exception.shape();
        let fault = if status >= 500 { "Service" } else { "User" };
        let mut body = json!({ "Type": fault, member: self.message });
        if matches!(self.exception, Exception::TooManyRequests(_))
            && let Some(members) = body.as_object_mut()
        {
            members.insert("Reason".to_owned(), json!("ConcurrentInvocationLimitExceeded"));
        }
        body
    }
}

/// What clients are told when the store failed.
const STORE_FAILED: &str =
    "the store failed, so the request had no effect; the server's standard error says why";

/// Refuses a parameter.
pub(crate) fn invalid<T>(message: impl Into<String>) -> Result<T, ApiError> {
    Err(ApiError::new(Exception::InvalidParameterValue, message))
}

impl From<ServiceError> for ApiError {
    fn from(error: ServiceError) -> Self {
        let exception = match &error {
            ServiceError::InvalidParameterValue(_)
            | ServiceError::InvalidToken
            | ServiceError::InvocationNotRunning(_) => Exception::InvalidParameterValue,
            ServiceError::NotFound(_) | ServiceError::CallbackNotFound(_) => Exception::ResourceNotFound,
            ServiceError::CallbackOver(_) => Exception::CallbackTimeout,
            ServiceError::Conflict(_) => Exception::ResourceConflict,
            ServiceError::AlreadyStarted(_) => Exception::DurableExecutionAlreadyStarted,
            ServiceError::TooManyRequests(_) => Exception::TooManyRequests(Scarce::Executions),
            ServiceError::Unavailable(_) => Exception::Service,
            ServiceError::Store(why) => return Self::inside(STORE_FAILED, why.clone()),
        };
        Self::new(exception, error.message())
    }
}

impl From<VersionError> for ApiError {
    fn from(error: VersionError) -> Self {
        match error {
            VersionError::Function(_) | VersionError::Qualifier { .. } => {
                Self::new(Exception::ResourceNotFound, format!("Function not found: {error}"))
            }
            VersionError::Code { ref function, .. } => {
                Self::inside(format!("the code of {function} cannot be loaded"), error.to_string())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_not_told_of_files() {
        let (why, function) = ("/srv/s.db: no space is left for the store".to_owned(), "order".into());
        let store = ApiError::from(ServiceError::Store(why.clone()));
        let code = ApiError::from(VersionError::Code { function, why });
        for error in [store, code] {
            let (told, kept) = (error.body().to_string(), error.to_string());
            assert_eq!((error.exception.status(), told.contains("/srv")), (500, false), "{told}");
            assert!(kept.starts_with("ServiceException: ") && kept.contains("/srv/s.db: no space"), "{kept}");
        }
        let refused = ApiError::from(ServiceError::Conflict("it is over".to_owned()));
        assert_eq!(refused.to_string(), "ResourceConflictException: it is over");
    }
}
