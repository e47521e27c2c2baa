//! Why a request has no answer, or one that is an error.

use std::time::Duration;

use super::endpoint::Endpoint;

/// A request that failed.
#[derive(Debug, thiserror::Error)]
#[error("{operation}{} at {endpoint} failed: {problem}", if of.is_empty() { String::new() } else { format!(" of {of}") })]
pub struct ClientError {
    /// The operation, as the service model names it.
    pub operation: &'static str,
    /// The function, the execution or the callback that the request names.
    pub of: String,
    /// Where the request went.
    pub endpoint: Box<Endpoint>,
    /// What is wrong.
    pub problem: Problem,
}

/// What is wrong with a request or its answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The service refused the request, or failed.
    #[error("{message} ({name})")]
    Refused {
        /// The status of HTTP.
        status: u16,
        /// The exception, such as `ResourceNotFoundException`.
        name: String,
        /// The service's message.
        message: String,
    },
    /// There is no connection, or it broke.
    #[error("it cannot be reached: {0}")]
    Unreachable(String),
    /// There was no answer in time.
    #[error("there was no answer within {0:?}")]
    Late(Duration),
    /// The answer is not one of the API.
    #[error("what answers is not the AWS Lambda durable execution API: {0}")]
    Answer(String),
    /// The request cannot be written or signed.
    #[error("the request cannot be sent: {0}")]
    Request(String),
    /// The function is not durable: its invocation started no execution.
    #[error("the function is not durable: its invocation started no execution")]
    NotDurable,
}

impl ClientError {
    /// Whether the service says that there is no such thing.
    pub fn is_not_found(&self) -> bool {
        matches!(&self.problem, Problem::Refused { name, .. } if name == "ResourceNotFoundException")
    }

    /// Whether the service refused the request.
    pub fn is_refused(&self) -> bool {
        matches!(self.problem, Problem::Refused { .. }) && !self.is_passing()
    }

    /// Whether the same request may succeed later: the endpoint did not answer, has too much to do, or failed.
    pub fn is_passing(&self) -> bool {
        match &self.problem {
            Problem::Refused { status, .. } => matches!(status, 408 | 429 | 500..),
            Problem::Unreachable(_) | Problem::Late(_) => true,
            Problem::Answer(_) | Problem::Request(_) | Problem::NotDurable => false,
        }
    }
}
