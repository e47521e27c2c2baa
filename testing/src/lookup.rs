//! The lookup methods of runners: the same for local and for deployed functions.

/// The methods of a runner that has a [`Hub`](crate::tracking::Hub) in its field `hub`.
macro_rules! lookups {
    () => {
        /// A handle of the first operation with this name. The operation may not have started yet. See
        /// [`wait_for_data`](crate::OperationHandle::wait_for_data) for an example.
        pub fn operation(&self, name: &str) -> crate::OperationHandle {
            crate::OperationHandle::new(&self.hub, crate::storage::Selector::Name(name.to_owned()))
        }

        /// A handle of the n-th operation that is started, counted from 0.
        pub fn operation_by_index(&self, index: usize) -> crate::OperationHandle {
            crate::OperationHandle::new(&self.hub, crate::storage::Selector::Index(index))
        }

        /// A handle of the n-th operation with this name, counted from 0.
        pub fn operation_by_name_and_index(&self, name: &str, index: usize) -> crate::OperationHandle {
            crate::OperationHandle::new(
                &self.hub,
                crate::storage::Selector::NameAndIndex(name.to_owned(), index),
            )
        }

        /// A handle of the operation with this id.
        pub fn operation_by_id(&self, id: &str) -> crate::OperationHandle {
            crate::OperationHandle::new(&self.hub, crate::storage::Selector::Id(id.into()))
        }

        /// The first operation with this name in the current or the last execution; `None` if it has not started.
        pub fn get_operation(&self, name: &str) -> Option<crate::DurableOperation> {
            self.find(&crate::storage::Selector::Name(name.to_owned()))
        }

        /// The n-th operation that was started, counted from 0; `None` if fewer have started.
        pub fn get_operation_by_index(&self, index: usize) -> Option<crate::DurableOperation> {
            self.find(&crate::storage::Selector::Index(index))
        }

        /// The n-th operation with this name, counted from 0; `None` if fewer have started.
        pub fn get_operation_by_name_and_index(
            &self,
            name: &str,
            index: usize,
        ) -> Option<crate::DurableOperation> {
            self.find(&crate::storage::Selector::NameAndIndex(name.to_owned(), index))
        }

        /// The operation with this id; `None` if it has not started.
        pub fn get_operation_by_id(&self, id: &str) -> Option<crate::DurableOperation> {
            self.find(&crate::storage::Selector::Id(id.into()))
        }

        fn find(&self, selector: &crate::storage::Selector) -> Option<crate::DurableOperation> {
            self.hub.find(selector).map(|operation| crate::DurableOperation::new(&self.hub, operation))
        }

        /// All operations that were started, in the order of their start.
        pub fn get_operations(&self) -> Vec<crate::DurableOperation> {
            self.hub
                .all()
                .into_iter()
                .map(|operation| crate::DurableOperation::new(&self.hub, operation))
                .collect()
        }
    };
}

pub(crate) use lookups;
