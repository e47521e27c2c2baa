//! Places of operations.

use std::sync::Arc;

use crate::contract::{Position, Scope};

/// Where an operation stands, or would stand.
#[derive(Clone)]
pub(crate) struct Place {
    scope: Arc<dyn Scope>,
    position: Position,
}

impl Place {
    pub(crate) fn new(scope: Arc<dyn Scope>, position: Position) -> Self {
        Self { scope, position }
    }

    /// Says that the operation is not needed any more in this invocation, started or not.
    pub(crate) fn skip(&self) {
        self.scope.skip(self.position);
    }
}
