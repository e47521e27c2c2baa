//! What whoever runs the server is told of what failed.

use std::{fmt, sync::Arc};

use durawasm_core::{orchestrator::RunError, protocol::ExecutionArn};

/// What failed, and why. The reason may name files of the server's machine.
#[derive(Debug, Clone, Copy)]
pub enum Failure<'a> {
    /// An execution could not be run. It is tried again, unless its function does not exist.
    Execution {
        /// The execution.
        arn: &'a ExecutionArn,
        /// Why.
        error: &'a RunError,
    },
    /// A request was not fulfilled for a reason that its client is not told.
    Request {
        /// The id of the request, which its client has.
        id: &'a str,
        /// Why.
        why: &'a str,
    },
}

impl fmt::Display for Failure<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Execution { arn, error } => write!(f, "{arn} cannot continue: {error}"),
            Self::Request { id, why } => write!(f, "request {id} failed: {why}"),
        }
    }
}

/// Is told of failures.
#[derive(Clone)]
pub struct Failures(Arc<Failed>);

type Failed = dyn Fn(&Failure<'_>) + Send + Sync;

impl Failures {
    /// Calls this function.
    pub fn to(failed: impl Fn(&Failure<'_>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(failed))
    }

    pub(crate) fn report(&self, failure: Failure<'_>) {
        (self.0)(&failure);
    }
}

impl fmt::Debug for Failures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Failures")
    }
}
