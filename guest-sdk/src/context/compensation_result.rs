//! The result of a rollback.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::{OperationError, WireError};

/// The result of [`DurableContext::run_compensations`](crate::DurableContext::run_compensations).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CompensationResult {
    /// The compensations, in the order in which they ran: that of the latest step first.
    pub items: Vec<CompensationItem>,
    /// Whether no compensation failed or was dropped while it ran. True without compensations.
    pub all_succeeded: bool,
}

/// The result of one compensation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CompensationItem {
    /// The step's name; empty if it has none.
    pub name: String,
    /// Whether it succeeded.
    pub status: CompensationStatus,
    /// The recorded message of the error, if the compensation failed. [`wire`](Self::wire) has the type of the error.
    pub error: Option<String>,
    #[serde(skip)]
    wire: Option<Arc<WireError>>,
}

/// How a compensation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CompensationStatus {
    /// It returned `Ok`.
    Succeeded,
    /// It returned an error, could not be started, or its rollback was dropped while it ran.
    Failed,
}

impl CompensationItem {
    /// The item of a compensation whose rollback was dropped while it ran.
    pub(crate) fn interrupted(name: String) -> Self {
        let error = Some("the rollback was dropped while this compensation ran".to_owned());
        Self { name, status: CompensationStatus::Failed, error, wire: None }
    }

    pub(crate) fn new(name: Option<String>, outcome: Result<(), OperationError>) -> Self {
        let name = name.unwrap_or_default();
        match outcome {
            Ok(()) => Self { name, status: CompensationStatus::Succeeded, error: None, wire: None },
            Err(failure) => {
                let wire = failure.wire().cloned();
                let message = wire.as_ref().and_then(WireError::error_message);
                let error = message.map_or_else(|| format!("{failure:#}"), str::to_owned);
                let status = CompensationStatus::Failed;
                Self { name, status, error: Some(error), wire: wire.map(Arc::new) }
            }
        }
    }

    /// The recorded error; `None` for a compensation that succeeded or could not be started, and for an item that was
    /// deserialized.
    #[must_use]
    pub fn wire(&self) -> Option<&WireError> {
        self.wire.as_deref()
    }
}

impl fmt::Display for CompensationStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
        })
    }
}
