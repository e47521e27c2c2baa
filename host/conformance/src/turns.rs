//! The answers of a case, given from outside.
//!
//! Invariants: as with `AnswerOrder::InTurn` of the server. Callbacks take answers one after another, in the order of
//! their START: each takes the first unused answer that matches its name, and after a heartbeat also the next one.

use std::collections::{HashMap, VecDeque};

use durawasm_core::{
    protocol::{CallbackId, Operation, OperationType},
    server::{Answer, ScriptedAnswer},
};

/// The answers that are left.
pub(super) struct Turns {
    left: VecDeque<ScriptedAnswer>,
    /// The callback that is next, counted from 0 in the order of their START.
    at: usize,
    /// Whether it has taken a heartbeat.
    again: bool,
}

impl Turns {
    pub(super) fn new(answers: &[ScriptedAnswer]) -> Self {
        Self { left: answers.iter().cloned().collect(), at: 0, again: false }
    }

    /// The next answer, and the callback that takes it; `None` if it has not started.
    pub(super) fn next<'a>(
        &mut self,
        operations: impl Iterator<Item = &'a Operation> + Clone,
    ) -> Option<(CallbackId, ScriptedAnswer)> {
        let contexts: HashMap<_, _> = operations.clone().map(|o| (&o.id, o.name.as_deref())).collect();
        let callbacks = operations.filter(|operation| operation.kind == OperationType::Callback);
        for callback in callbacks.skip(self.at) {
            let context = || callback.parent_id.as_ref().and_then(|id| contexts.get(id).copied().flatten());
            let name = callback.name.as_deref().or_else(context).unwrap_or_default();
            let is_over = self.again && callback.status.is_terminal();
            let place = self.left.iter().position(|answer| answer.is_for(name)).filter(|_| !is_over);
            let answer = place.and_then(|place| self.left.remove(place));
            let id = callback.callback_details.as_ref().and_then(|details| details.callback_id.clone());
            self.again = matches!(&answer, Some(answer) if answer.answer == Answer::Heartbeat);
            if !self.again {
                self.at += 1;
            }
            if let (Some(answer), Some(id)) = (answer, id) {
                return Some((id, answer));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use durawasm_core::protocol::{CallbackDetails, OperationStatus, Timestamp};

    use super::*;

    fn callback(id: &str, name: Option<&str>, parent: Option<&str>, status: OperationStatus) -> Operation {
        Operation {
            name: name.map(Into::into),
            parent_id: parent.map(Into::into),
            status,
            callback_details: Some(CallbackDetails {
                callback_id: Some(id.into()),
                ..CallbackDetails::default()
            }),
            ..Operation::new(id.into(), OperationType::Callback, Timestamp::Y2025)
        }
    }

    fn turns(answers: &[(&str, Answer)]) -> Turns {
        let answers =
            answers.iter().map(|(name, answer)| ScriptedAnswer::new(*name, Duration::ZERO, answer.clone()));
        Turns::new(&answers.collect::<Vec<_>>())
    }

    fn all(turns: &mut Turns, operations: &[Operation]) -> Vec<String> {
        std::iter::from_fn(|| turns.next(operations.iter()))
            .map(|(id, answer)| format!("{id}: {:?}", answer.answer))
            .collect()
    }

    #[test]
    fn callbacks_take_answers_in_the_order_of_their_start() {
        use OperationStatus::{Started, Succeeded};
        let success = |text: &str| Answer::Success(Some(text.to_owned()));
        let mut turns = turns(&[
            ("b", success("1")),
            ("a", Answer::Heartbeat),
            ("a", success("2")),
            ("around", success("3")),
        ]);
        let context = Operation {
            name: Some("around".into()),
            ..Operation::new("p".into(), OperationType::Context, Timestamp::Y2025)
        };
        let mut operations = vec![context, callback("x", Some("none"), None, Started)];
        assert_eq!(all(&mut turns, &operations), [""; 0]);
        operations.push(callback("y", Some("a"), None, Started));
        assert_eq!(all(&mut turns, &operations), ["y: Heartbeat", "y: Success(Some(\"2\"))"]);
        operations.push(callback("z", None, Some("p"), Started));
        operations.push(callback("w", Some("b"), None, Succeeded));
        assert_eq!(all(&mut turns, &operations), ["z: Success(Some(\"3\"))", "w: Success(Some(\"1\"))"]);
        assert_eq!(all(&mut turns, &operations), [""; 0]);
    }

    #[test]
    fn a_callback_that_ended_after_a_heartbeat_takes_nothing_more() {
        let mut turns = turns(&[("*", Answer::Heartbeat), ("*", Answer::Success(None))]);
        let mut operations = vec![callback("a", None, None, OperationStatus::Started)];
        assert!(turns.next(operations.iter()).is_some());
        operations[0].status = OperationStatus::TimedOut;
        assert!(turns.next(operations.iter()).is_none());
        operations.push(callback("b", None, None, OperationStatus::Started));
        assert_eq!(all(&mut turns, &operations), ["b: Success(None)"]);
    }
}
