//! The history of one execution.
//!
//! Invariants:
//! - `EventId`s count from 1 without gaps, and timestamps do not decrease;
//! - recorded events do not change, except that the target of a chained invoke is added when it is known.

use std::sync::Arc;

use super::api::InvokeTarget;
use crate::protocol::{
    ErrorObject, Event, EventDetails, EventError, EventInput, EventResult, Operation, OperationType,
    RetryDetails, StepClosedDetails, StepError, StepResult, Timestamp,
};

/// The events of one execution.
#[derive(Debug, Default)]
pub struct EventProcessor {
    events: Vec<Arc<Event>>,
    /// How many events are saved.
    saved: usize,
    /// Saved events that have changed since.
    annotated: Vec<usize>,
}

/// Identifies a recorded event.
#[derive(Debug, Clone, Copy)]
pub(super) struct EventKey(usize);

impl EventKey {
    /// The place of the event, from 0.
    pub(super) fn place(self) -> usize {
        self.0
    }
}

impl EventProcessor {
    /// Records an event of an operation.
    pub(super) fn of_operation(
        &mut self,
        at: Timestamp,
        operation: &Operation,
        details: EventDetails,
    ) -> EventKey {
        self.record(Event {
            event_type: details.event_type(),
            sub_type: operation.sub_type.clone(),
            event_id: 0,
            id: Some(operation.id.clone()),
            name: operation.name.clone(),
            event_timestamp: at,
            parent_id: operation.parent_id.clone(),
            details,
        })
    }

    /// Records an event of the execution itself.
    pub(super) fn of_execution(&mut self, at: Timestamp, details: EventDetails) {
        self.record(Event {
            event_type: details.event_type(),
            sub_type: None,
            event_id: 0,
            id: None,
            name: None,
            event_timestamp: at,
            parent_id: None,
            details,
        });
    }

    fn record(&mut self, mut event: Event) -> EventKey {
        let key = EventKey(self.events.len());
        event.event_id = key.0 as u64 + 1;
        self.events.push(Arc::new(event));
        key
    }

    /// Fills in what runs for a chained invoke.
    pub(super) fn annotate(&mut self, key: EventKey, target: InvokeTarget) {
        if let Some(event) = self.events.get_mut(key.0)
            && let EventDetails::ChainedInvokeStarted(details) = &mut Arc::make_mut(event).details
        {
            details.executed_version = target.executed_version;
            details.durable_execution_arn = target.durable_execution_arn;
            if key.0 < self.saved {
                self.annotated.push(key.0);
            }
        }
    }

    /// The history so far, in order.
    pub fn get_events(&self) -> &[Arc<Event>] {
        &self.events
    }

    /// Takes the events that were recorded or changed since the last call, with their places.
    pub(super) fn take_unsaved(&mut self) -> Vec<(usize, Arc<Event>)> {
        let first = std::mem::replace(&mut self.saved, self.events.len());
        let places = std::mem::take(&mut self.annotated).into_iter().chain(first..self.events.len());
        places.filter_map(|place| Some((place, self.events.get(place)?.clone()))).collect()
    }

    /// Starts recording changes for a store, beginning with all events.
    pub(super) fn save(&mut self) {
        self.saved = 0;
    }

    /// A saved history.
    pub(super) fn restore(events: Vec<Arc<Event>>) -> Self {
        Self { saved: events.len(), events, annotated: Vec::new() }
    }

    /// The key of a `ChainedInvokeStarted` event; `None` if another event or none is in that place.
    pub(super) fn started_invoke(&self, place: usize) -> Option<EventKey> {
        let event = self.events.get(place)?;
        matches!(event.details, EventDetails::ChainedInvokeStarted(_)).then_some(EventKey(place))
    }
}

/// An event's input.
pub(super) fn input(payload: Option<Arc<str>>) -> EventInput {
    EventInput { payload, truncated: false }
}

/// An event's result.
pub(super) fn result(payload: Option<Arc<str>>) -> EventResult {
    EventResult { payload, truncated: false }
}

/// An event's error.
pub(super) fn error(payload: ErrorObject) -> EventError {
    EventError { payload: Some(payload), truncated: false }
}

/// The event details for the end of a step's attempt, whose number the operation holds. With a delay, another attempt
/// follows.
pub(super) fn attempt_ended(
    step: &Operation,
    outcome: Result<Option<Arc<str>>, ErrorObject>,
    next_attempt_delay_seconds: Option<u64>,
) -> EventDetails {
    debug_assert_eq!(step.kind, OperationType::Step);
    let current_attempt = step.step_details.as_ref().map_or(0, |details| details.attempt);
    let retry_details = RetryDetails { current_attempt, next_attempt_delay_seconds };
    match outcome {
        Ok(payload) => {
            let outcome = StepResult { result: result(payload) };
            EventDetails::StepSucceeded(StepClosedDetails { outcome, retry_details })
        }
        Err(object) => {
            let outcome = StepError { error: error(object) };
            EventDetails::StepFailed(StepClosedDetails { outcome, retry_details })
        }
    }
}
