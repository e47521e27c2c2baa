//! A history that is read page by page while it grows.
//!
//! Invariants: the events are those of the history from its beginning, each once. Only the last page that was read is
//! asked for again, until [`GrowingHistory::reread`].

use std::sync::Arc;

use durawasm_core::protocol::{Event, EventType};

/// The events of an execution that is followed.
#[derive(Debug, Clone, Default)]
pub struct GrowingHistory {
    events: Vec<Arc<Event>>,
    /// The number of events before the last page that was read.
    before: usize,
    /// The marker of that page; `None` for the first.
    marker: Option<String>,
}

impl GrowingHistory {
    /// The marker of the next request; `None` for the first page.
    pub fn marker(&self) -> Option<&str> {
        self.marker.as_deref()
    }

    /// Adds the requested page. Returns whether there is another.
    pub fn take(&mut self, page: Vec<Event>, next: Option<String>) -> bool {
        self.events.truncate(self.before);
        self.events.extend(page.into_iter().map(Arc::new));
        if next.is_none() {
            return false;
        }
        self.before = self.events.len();
        self.marker = next;
        true
    }

    /// Makes the next request ask for the first page: a service may complete events after it has told of them.
    pub fn reread(&mut self) {
        self.before = 0;
        self.marker = None;
    }

    /// The events so far, in their order.
    pub fn events(&self) -> &[Arc<Event>] {
        &self.events
    }

    /// Whether it has the event that ends an execution.
    pub fn has_end(&self) -> bool {
        use EventType::{ExecutionFailed, ExecutionStopped, ExecutionSucceeded, ExecutionTimedOut};
        let ends = [ExecutionSucceeded, ExecutionFailed, ExecutionTimedOut, ExecutionStopped];
        self.events.iter().rev().any(|event| ends.contains(&event.event_type))
    }
}

#[cfg(test)]
mod tests {
    use durawasm_core::protocol::{EventDetails, Timestamp};

    use super::*;

    fn events(ids: std::ops::RangeInclusive<u64>) -> Vec<Event> {
        let event = |event_id| Event {
            event_type: EventType::StepStarted,
            sub_type: None,
            event_id,
            id: Some("s".into()),
            name: None,
            event_timestamp: Timestamp::from_millis(0),
            parent_id: None,
            details: EventDetails::StepStarted {},
        };
        ids.map(event).collect()
    }

    fn ids(history: &GrowingHistory) -> Vec<u64> {
        history.events().iter().map(|event| event.event_id).collect()
    }

    #[test]
    fn a_growing_history_is_read_from_its_last_page() {
        let mut history = GrowingHistory::default();
        assert_eq!(history.marker(), None);
        assert!(!history.take(events(1..=2), None));
        assert_eq!(history.marker(), None);
        assert!(history.take(events(1..=3), Some("a".into())));
        assert_eq!(history.marker(), Some("a"));
        assert!(!history.take(events(4..=4), None));
        assert_eq!(history.marker(), Some("a"));
        assert!(history.take(events(4..=6), Some("b".into())));
        assert!(!history.take(Vec::new(), None));
        assert_eq!((history.marker(), ids(&history)), (Some("b"), vec![1, 2, 3, 4, 5, 6]));
        history.reread();
        assert_eq!(history.marker(), None);
        assert!(!history.take(events(1..=7), None));
        assert_eq!(ids(&history), [1, 2, 3, 4, 5, 6, 7]);
        assert!(!history.has_end());
    }
}
