//! The outside world as data: which scripted answers a callback gets.
//!
//! Always true: an entry is given once, and entries are given in the script's order to callbacks in the order of
//! their START.

use std::collections::{HashMap, VecDeque};

use super::{
    api::{Answer, AnswerOrder, ExecutionView, ScriptedAnswer},
    operations::Index,
};
use crate::protocol::OperationType;

/// The entries that are not used yet.
#[derive(Debug)]
pub(super) struct AnswerScript {
    entries: VecDeque<ScriptedAnswer>,
    order: AnswerOrder,
    /// The callback that the first entry is on its way to; only in turn.
    addressee: Option<Index>,
}

impl AnswerScript {
    pub(super) fn new(entries: Vec<ScriptedAnswer>, order: AnswerOrder) -> Self {
        Self { entries: entries.into(), order, addressee: None }
    }

    /// The entry whose turn it is, and the callback that it is on its way to. None unless entries are given in turn.
    pub(super) fn turn(&self) -> Option<(&ScriptedAnswer, Option<Index>)> {
        match self.order {
            AnswerOrder::ByCallback => None,
            AnswerOrder::InTurn => Some((self.entries.front()?, self.addressee)),
        }
    }

    /// The entry whose turn it is goes to this callback, or waits for one.
    pub(super) fn address(&mut self, callback: Option<Index>) {
        self.addressee = callback;
    }

    /// A callback has got a scripted answer: if it was the one whose turn it was, it is the next one's now.
    pub(super) fn given(&mut self, callback: Index) {
        if self.addressee == Some(callback) {
            self.addressee = None;
            self.entries.pop_front();
        }
    }

    /// Takes the answers for a callback of this name: heartbeats up to the first other answer. None where entries are given
    /// in turn.
    pub(super) fn take(&mut self, name: &str) -> Vec<ScriptedAnswer> {
        let mut taken = Vec::new();
        if self.order == AnswerOrder::InTurn {
            return taken;
        }
        let mut from = 0;
        while let Some(place) =
            self.entries.iter().skip(from).position(|entry| matches(&entry.callback, name))
        {
            from += place;
            let Some(entry) = self.entries.remove(from) else { break };
            let more = entry.answer == Answer::Heartbeat;
            taken.push(entry);
            if !more {
                break;
            }
        }
        taken
    }
}

/// Whether the name fits the pattern, in which `*` stands for any text.
impl ScriptedAnswer {
    /// Whether it is for a callback, or a context with one, of this name.
    pub fn is_for(&self, name: &str) -> bool {
        matches(&self.callback, name)
    }
}

/// The answers of a script that no callback of the execution has taken, in the script's order. Of a script whose answers go to
/// callbacks by their names ([`AnswerOrder::ByCallback`]).
pub fn unused_answers(answers: &[ScriptedAnswer], view: &ExecutionView) -> Vec<ScriptedAnswer> {
    let mut script = AnswerScript::new(answers.to_vec(), AnswerOrder::ByCallback);
    for name in callback_names(view) {
        script.take(name);
    }
    script.entries.into()
}

/// The names of an execution's callbacks, in the order of their START: the name that a callback has, or else that of the context
/// it is in, or else nothing.
pub fn callback_names(view: &ExecutionView) -> impl Iterator<Item = &str> {
    let contexts: HashMap<_, _> = view.operations.iter().map(|o| (&o.id, o.name.as_deref())).collect();
    let callbacks = view.operations.iter().filter(|o| o.kind == OperationType::Callback);
    callbacks.map(move |callback| {
        let context = || callback.parent_id.as_ref().and_then(|id| contexts.get(id).copied().flatten());
        callback.name.as_deref().or_else(context).unwrap_or_default()
    })
}

fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(last) = parts.next_back() else { return pattern == name };
    let Some(mut rest) = name.strip_prefix(first).and_then(|rest| rest.strip_suffix(last)) else {
        return false;
    };
    for part in parts {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    true
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn patterns() {
        for (pattern, name, fits) in [
            ("approve", "approve", true),
            ("approve", "approved", false),
            ("*", "", true),
            ("*", "anything", true),
            ("", "", true),
            ("", "x", false),
            ("app*", "approve", true),
            ("*ove", "approve", true),
            ("a*p*e", "approve", true),
            ("a*x*e", "approve", false),
            ("ab*ba", "aba", false),
            ("a**e", "approve", true),
            ("*a*b*", "xbxa", false),
        ] {
            assert_eq!(matches(pattern, name), fits, "{pattern} {name}");
        }
    }

    #[test]
    fn successive_callbacks_get_successive_answers() {
        let entry = |callback: &str, answer| ScriptedAnswer {
            callback: callback.into(),
            after: Duration::ZERO,
            answer,
        };
        let ok = |text: &str| Answer::Success(Some(text.into()));
        let entries = vec![
            entry("a", Answer::Heartbeat),
            entry("b", ok("b1")),
            entry("a", Answer::Heartbeat),
            entry("a", ok("a1")),
            entry("*", ok("any")),
            entry("a", ok("a2")),
        ];
        let mut script = AnswerScript::new(entries, AnswerOrder::ByCallback);
        let mut take = |name| script.take(name).into_iter().map(|entry| entry.answer).collect::<Vec<_>>();
        assert_eq!(take("a"), [Answer::Heartbeat, Answer::Heartbeat, ok("a1")]);
        assert_eq!(take("c"), [ok("any")]);
        assert_eq!(take("a"), [ok("a2")]);
        assert_eq!(take("a"), []);
        assert_eq!(take("b"), [ok("b1")]);
    }
}
