//! The operations of one execution, indexed for lookups by tests.
//!
//! Invariants: operations are in the order of their start, without the EXECUTION operation; each operation is stored
//! once, in its latest known state.

use std::{collections::HashMap, sync::Arc};

use durawasm_core::protocol::{Operation, OperationId, OperationStatus, OperationType, sub_type};

use crate::TestError;

/// Selects an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Selector {
    Name(String),
    Index(usize),
    NameAndIndex(String, usize),
    Id(OperationId),
}

impl std::fmt::Display for Selector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Name(name) => write!(f, "{name:?}"),
            Self::Index(index) => write!(f, "number {index} (from 0)"),
            Self::NameAndIndex(name, index) => write!(f, "{name:?}, number {index} of that name (from 0)"),
            Self::Id(id) => write!(f, "with the id {id}"),
        }
    }
}

/// Operations, indexed by id, name and order.
#[derive(Debug, Clone, Default)]
pub struct OperationStorage {
    operations: Vec<Arc<Operation>>,
    by_id: HashMap<OperationId, usize>,
    by_name: HashMap<Arc<str>, Vec<usize>>,
    children: HashMap<OperationId, Vec<usize>>,
}

impl OperationStorage {
    /// An empty storage.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an operation, or replaces its earlier state. The EXECUTION operation is ignored.
    pub fn add_operation(&mut self, operation: Arc<Operation>) {
        if operation.kind == OperationType::Execution {
            return;
        }
        if let Some(known) = self.by_id.get(&operation.id).and_then(|index| self.operations.get_mut(*index)) {
            *known = operation;
            return;
        }
        let index = self.operations.len();
        self.by_id.insert(operation.id.clone(), index);
        if let Some(name) = &operation.name {
            self.by_name.entry(name.clone()).or_default().push(index);
        }
        if let Some(parent) = &operation.parent_id {
            self.children.entry(parent.clone()).or_default().push(index);
        }
        self.operations.push(operation);
    }

    /// The operation with this id.
    pub fn get_by_id(&self, id: &str) -> Option<&Arc<Operation>> {
        self.operations.get(*self.by_id.get(&OperationId::from(id))?)
    }

    /// The first operation with this name.
    pub fn get_by_name(&self, name: &str) -> Option<&Arc<Operation>> {
        self.get_by_name_and_index(name, 0)
    }

    /// The n-th operation with this name, counted from 0.
    pub fn get_by_name_and_index(&self, name: &str, index: usize) -> Option<&Arc<Operation>> {
        self.operations.get(*self.by_name.get(name)?.get(index)?)
    }

    /// The n-th operation, counted from 0.
    pub fn get_by_index(&self, index: usize) -> Option<&Arc<Operation>> {
        self.operations.get(index)
    }

    /// All operations in the order of their start.
    pub fn get_all(&self) -> &[Arc<Operation>] {
        &self.operations
    }

    /// The operations in this context, in the order of their start.
    pub fn get_children(&self, parent: &OperationId) -> impl Iterator<Item = &Arc<Operation>> {
        let indices = self.children.get(parent).into_iter().flatten();
        indices.filter_map(|index| self.operations.get(*index))
    }

    /// Removes all operations.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    pub(crate) fn find(&self, selector: &Selector) -> Option<&Arc<Operation>> {
        match selector {
            Selector::Name(name) => self.get_by_name(name),
            Selector::Index(index) => self.get_by_index(*index),
            Selector::NameAndIndex(name, index) => self.get_by_name_and_index(name, *index),
            Selector::Id(id) => self.get_by_id(id.as_str()),
        }
    }
}

impl FromIterator<Arc<Operation>> for OperationStorage {
    fn from_iter<T: IntoIterator<Item = Arc<Operation>>>(operations: T) -> Self {
        let mut storage = Self::default();
        operations.into_iter().for_each(|operation| storage.add_operation(operation));
        storage
    }
}

impl OperationStorage {
    /// The callback itself, or the callback inside a wait-for-callback.
    pub(crate) fn callback(&self, of: &Operation) -> Option<Arc<Operation>> {
        match of.kind {
            OperationType::Callback => self.get_by_id(of.id.as_str()).cloned(),
            OperationType::Context if of.sub_type.as_deref() == Some(sub_type::WAIT_FOR_CALLBACK) => {
                self.get_children(&of.id).find(|child| child.kind == OperationType::Callback).cloned()
            }
            _ => None,
        }
    }

    /// Whether an external system can answer the callback: its id exists, and the submitter of a wait-for-callback has
    /// finished.
    pub(crate) fn is_submitted(&self, operation: &Operation) -> Result<bool, TestError> {
        let waits = |context: &Operation| context.sub_type.as_deref() == Some(sub_type::WAIT_FOR_CALLBACK);
        if operation.kind == OperationType::Context && waits(operation) && operation.status.is_terminal() {
            return Ok(true);
        }
        let Some(callback) = self.callback(operation) else {
            // A wait-for-callback that has just started contains no callback yet.
            let will = operation.kind == OperationType::Context && waits(operation);
            return if will { Ok(false) } else { Err(TestError::NotCallbackOperation) };
        };
        if callback.status.is_terminal() {
            return Ok(true);
        }
        let parent = callback.parent_id.as_ref().and_then(|id| self.get_by_id(id.as_str()));
        Ok(match parent.filter(|parent| waits(parent)) {
            Some(context) => self
                .get_children(&context.id)
                .any(|child| child.kind == OperationType::Step && child.status == OperationStatus::Succeeded),
            None => true,
        })
    }

    /// The text that identifies a callback in messages: its name, or the name of its context.
    pub(crate) fn label(&self, callback: &Operation) -> String {
        let parent = || callback.parent_id.as_ref().and_then(|id| self.get_by_id(id.as_str()));
        let name = callback.name.clone().or_else(|| parent()?.name.clone());
        name.map_or("a callback without a name".to_owned(), |name| format!("callback {name:?}"))
    }
}
