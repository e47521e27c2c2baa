//! The payloads of an execution that is restored: those that an operation and its events have in common are kept once, as
//! they were before.

use std::{collections::HashSet, sync::Arc};

use super::saved::SavedOperation;
use crate::protocol::Event;

/// Payloads without repetitions.
#[derive(Default)]
pub(super) struct Texts {
    all: HashSet<Arc<str>>,
    bytes: usize,
}

impl Texts {
    /// Keeps the payloads of an operation.
    pub(super) fn of_operation(&mut self, saved: &mut SavedOperation) {
        let operation = &saved.operation;
        let input = operation.execution_details.as_ref().and_then(|details| details.input_payload.as_ref());
        for text in operation.result().into_iter().chain(input) {
            self.insert(text);
        }
        if let Some(payload) = saved.invoke.as_mut().and_then(|invoke| invoke.payload.as_mut()) {
            self.share(payload);
        }
    }

    /// Keeps the payload of an event, or replaces it by the same one of an operation.
    pub(super) fn of_event(&mut self, event: &mut Event) {
        if let Some(payload) = event.details.payload_mut() {
            self.share(payload);
        }
    }

    /// The lengths of all payloads.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    fn share(&mut self, text: &mut Arc<str>) {
        match self.all.get(&**text) {
            Some(same) => text.clone_from(same),
            None => self.insert(text),
        }
    }

    fn insert(&mut self, text: &Arc<str>) {
        if self.all.insert(text.clone()) {
            self.bytes += text.len();
        }
    }
}
