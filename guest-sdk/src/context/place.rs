//! Places of operations.

use std::sync::Arc;

use crate::contract::{Position, Scope};

/// The place of an operation: a scope and a position in it.
#[derive(Clone)]
pub(crate) struct Place {
    scope: Arc<dyn Scope>,
    position: Position,
}

impl Place {
    pub(crate) fn new(scope: Arc<dyn Scope>, position: Position) -> Self {
        Self { scope, position }
    }

    /// Tells the host that this invocation does not need the operation any more, whether or not it was started.
    pub(crate) fn skip(&self) {
        self.scope.skip(self.position);
    }
}
