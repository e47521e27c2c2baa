//! Operations of an execution while it runs, and after: what a test sees is as old as the last look.

use super::CloudDurableTestRunner;
use crate::{DurableOperation, ErrorObject, OperationHandle, TestError, storage::Selector};

impl<O> CloudDurableTestRunner<O> {
    /// A handle of the first operation of this name, whether it has started or not.
    pub fn operation(&self, name: &str) -> OperationHandle {
        OperationHandle::new(&self.hub, Selector::Name(name.to_owned()))
    }

    /// A handle of the n-th operation that is started, from 0.
    pub fn operation_by_index(&self, index: usize) -> OperationHandle {
        OperationHandle::new(&self.hub, Selector::Index(index))
    }

    /// A handle of the n-th operation of this name, from 0.
    pub fn operation_by_name_and_index(&self, name: &str, index: usize) -> OperationHandle {
        OperationHandle::new(&self.hub, Selector::NameAndIndex(name.to_owned(), index))
    }

    /// A handle of the operation with this id.
    pub fn operation_by_id(&self, id: &str) -> OperationHandle {
        OperationHandle::new(&self.hub, Selector::Id(id.into()))
    }

    /// The first operation of this name, in the execution that runs or ran last; none if it has not been seen.
    pub fn get_operation(&self, name: &str) -> Option<DurableOperation> {
        self.find(&Selector::Name(name.to_owned()))
    }

    /// The n-th operation that was started, from 0.
    pub fn get_operation_by_index(&self, index: usize) -> Option<DurableOperation> {
        self.find(&Selector::Index(index))
    }

    /// The n-th operation of this name, from 0.
    pub fn get_operation_by_name_and_index(&self, name: &str, index: usize) -> Option<DurableOperation> {
        self.find(&Selector::NameAndIndex(name.to_owned(), index))
    }

    /// The operation with this id.
    pub fn get_operation_by_id(&self, id: &str) -> Option<DurableOperation> {
        self.find(&Selector::Id(id.into()))
    }

    fn find(&self, selector: &Selector) -> Option<DurableOperation> {
        self.hub.find(selector).map(|operation| DurableOperation::new(&self.hub, operation))
    }

    /// All operations that were started, in that order.
    pub fn get_operations(&self) -> Vec<DurableOperation> {
        self.hub.all().into_iter().map(|operation| DurableOperation::new(&self.hub, operation)).collect()
    }

    /// Stops the execution that runs: it ends as STOPPED, with this error.
    ///
    /// # Errors
    /// [`TestError::ExecutionNotFound`] when no execution runs; [`TestError::AwsError`] when the service refuses.
    pub async fn stop(&self, error: Option<ErrorObject>) -> Result<(), TestError> {
        self.hub.stop(error).await
    }
}
