//! The context of a serdes call.

use std::fmt;
use std::sync::{Arc, OnceLock};

use crate::contract::{Execution, Operation};

/// The origin of a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PayloadOrigin {
    /// A serdes of this handler created it.
    SdkRecord,
    /// Other code created it: an external system's answer to a callback, or another function's result. A serdes that
    /// records references must not follow a reference in it.
    External,
}

/// The operation for which a serdes is called.
#[derive(Clone)]
#[non_exhaustive]
pub struct SerdesContext {
    owner: Owner,
    operation_id: OnceLock<String>,
    origin: PayloadOrigin,
}

/// Ids are requested from the host only when they are used, because most serdes never use them.
#[derive(Clone)]
enum Owner {
    Named {
        arn: String,
    },
    Operation {
        operation: Arc<dyn Operation>,
        execution: Arc<Execution>,
    },
    /// An item in the result of its batch.
    Item {
        batch: Arc<dyn Operation>,
        index: usize,
        execution: Arc<Execution>,
    },
}

impl SerdesContext {
    /// Creates a context, for tests of a serdes. Its origin is [`PayloadOrigin::SdkRecord`].
    #[must_use]
    pub fn new(operation_id: impl Into<String>, durable_execution_arn: impl Into<String>) -> Self {
        Self {
            owner: Owner::Named { arn: durable_execution_arn.into() },
            operation_id: OnceLock::from(operation_id.into()),
            origin: PayloadOrigin::SdkRecord,
        }
    }

    pub(crate) fn of(operation: Arc<dyn Operation>, execution: Arc<Execution>) -> Self {
        Self {
            owner: Owner::Operation { operation, execution },
            operation_id: OnceLock::new(),
            origin: PayloadOrigin::SdkRecord,
        }
    }

    pub(crate) fn of_item(batch: Arc<dyn Operation>, index: usize, execution: Arc<Execution>) -> Self {
        Self {
            owner: Owner::Item { batch, index, execution },
            operation_id: OnceLock::new(),
            origin: PayloadOrigin::SdkRecord,
        }
    }

    /// The id of the operation, the same on every replay. For an item in the result of a batch: the id of the batch,
    /// `/item-` and the index.
    #[must_use]
    pub fn operation_id(&self) -> &str {
        self.operation_id.get_or_init(|| match &self.owner {
            Owner::Named { .. } => String::new(),
            Owner::Operation { operation, .. } => operation.id(),
            Owner::Item { batch, index, .. } => format!("{}/item-{index}", batch.id()),
        })
    }

    /// The execution's ARN.
    #[must_use]
    pub fn durable_execution_arn(&self) -> &str {
        match &self.owner {
            Owner::Named { arn } => arn,
            Owner::Operation { execution, .. } | Owner::Item { execution, .. } => execution.arn(),
        }
    }

    /// The origin of the payload.
    #[must_use]
    pub fn origin(&self) -> PayloadOrigin {
        self.origin
    }

    /// Returns the context with another origin.
    #[must_use]
    pub fn with_origin(mut self, origin: PayloadOrigin) -> Self {
        self.origin = origin;
        self
    }
}

impl fmt::Debug for SerdesContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SerdesContext")
            .field("operation_id", &self.operation_id())
            .field("durable_execution_arn", &self.durable_execution_arn())
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}
