//! Scripted answers to callbacks.
//!
//! Invariants: an entry is used once, unless it applies to every callback; entries are used in the script's order by
//! callbacks in the order of their START.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use super::{
    api::{Answer, AnswerOrder, ExecutionView, ScriptedAnswer},
    ids::Index,
    saved::SavedScript,
};
use crate::protocol::{Operation, OperationStatus, OperationType};

/// The unused entries. An entry for every callback is shared by all of them.
#[derive(Debug)]
pub(super) struct AnswerScript {
    entries: VecDeque<Arc<ScriptedAnswer>>,
    order: AnswerOrder,
    sequence: Sequence,
}

/// For answers in turn: the position in the sequence of callbacks, in the order of their START.
#[derive(Debug, Default)]
struct Sequence {
    /// The next operation to look at.
    next: Index,
    /// The callback that has a pending answer, and whether it takes another one afterwards.
    at: Option<(Index, bool)>,
}

/// The state of the sequence of answers in turn.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ScriptPosition {
    /// This callback has a pending answer.
    Pending(Index),
    /// The next callback is at or after this index.
    From(Index),
}

impl AnswerScript {
    pub(super) fn new(entries: Vec<ScriptedAnswer>, order: AnswerOrder) -> Self {
        Self { entries: entries.into_iter().map(Arc::new).collect(), order, sequence: Sequence::default() }
    }

    /// Adds entries after those that are left.
    pub(super) fn add(&mut self, entries: Vec<ScriptedAnswer>) {
        self.entries.extend(entries.into_iter().map(Arc::new));
    }

    /// What is saved of it.
    pub(super) fn saved(&self) -> SavedScript {
        SavedScript {
            answers: self.entries.iter().map(|entry| ScriptedAnswer::clone(entry)).collect(),
            order: self.order,
            next: self.sequence.next,
            at: self.sequence.at,
        }
    }

    /// A saved script.
    pub(super) fn restore(saved: SavedScript) -> Self {
        let SavedScript { answers, order, next, at } = saved;
        Self { sequence: Sequence { next, at }, ..Self::new(answers, order) }
    }

    /// The state of the sequence. `None` for other orders, or if no entries are left.
    pub(super) fn position(&self) -> Option<ScriptPosition> {
        if self.order == AnswerOrder::ByCallback || (self.entries.is_empty() && self.sequence.at.is_none()) {
            return None;
        }
        Some(match self.sequence.at {
            Some((callback, _)) => ScriptPosition::Pending(callback),
            None => ScriptPosition::From(self.sequence.next),
        })
    }

    /// Moves on to this callback, and takes the entry that matches its name, if there is one.
    pub(super) fn visit(&mut self, callback: Index, name: &str) -> Option<Arc<ScriptedAnswer>> {
        self.sequence.next = callback + 1;
        let place = self.entries.iter().position(|entry| entry.is_for(name))?;
        let entry = self.entries.remove(place)?;
        self.sequence.at = Some((callback, entry.answer == Answer::Heartbeat));
        Some(entry)
    }

    /// The pending answer of this callback was given or is lost. Returns whether the callback takes another one.
    pub(super) fn given(&mut self, callback: Index) -> bool {
        match self.sequence.at.take_if(|(at, _)| *at == callback) {
            Some((_, again)) => again,
            None => false,
        }
    }

    /// Takes the answers for a callback of this name: heartbeats up to the first other answer. Empty for answers in
    /// turn.
    pub(super) fn take(&mut self, name: &str) -> Vec<Arc<ScriptedAnswer>> {
        let mut taken = Vec::new();
        if self.order == AnswerOrder::InTurn {
            return taken;
        }
        let mut from = 0;
        while let Some(place) =
            self.entries.iter().skip(from).position(|entry| matches(&entry.callback, name))
        {
            from += place;
            let entry = match self.entries.get(from) {
                Some(entry) if entry.every => {
                    from += 1;
                    Some(entry.clone())
                }
                _ => self.entries.remove(from),
            };
            let Some(entry) = entry else { break };
            let more = entry.answer == Answer::Heartbeat;
            taken.push(entry);
            if !more {
                break;
            }
        }
        taken
    }
}

impl ScriptedAnswer {
    /// Whether it matches this name of a callback or its context.
    pub fn is_for(&self, name: &str) -> bool {
        matches(&self.callback, name)
    }
}

/// Why an answer had no effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unused {
    /// No callback has that name.
    NoCallback,
    /// All callbacks of that name took earlier answers.
    TooMany,
    /// The callback ended before the answer was due.
    TooLate {
        /// How the callback ended; `None` if the execution ended first.
        status: Option<OperationStatus>,
        /// How long after its START it ended.
        after: Duration,
    },
}

/// Returns the answers that had no effect, in the script's order, and why. Valid for scripts with
/// [`AnswerOrder::ByCallback`].
pub fn unused_answers(answers: &[ScriptedAnswer], view: &ExecutionView) -> Vec<(ScriptedAnswer, Unused)> {
    let mut script = AnswerScript::new(answers.to_vec(), AnswerOrder::ByCallback);
    let mut names = HashSet::new();
    let mut late = Vec::new();
    let mut useful = Vec::new();
    for (name, callback) in callbacks(view) {
        names.insert(name);
        for answer in script.take(name) {
            match lateness(&answer, callback, view) {
                Some(why) => late.push((ScriptedAnswer::clone(&answer), why)),
                None => useful.push(answer),
            }
        }
    }
    let mut unused = Vec::new();
    for answer in answers {
        let of_script = |(other, _): &(ScriptedAnswer, Unused)| other == answer;
        if answer.every && useful.iter().any(|useful| **useful == *answer) {
            continue;
        }
        if let Some(at) = script.entries.iter().position(|left| **left == *answer)
            && !(answer.every && late.iter().any(of_script))
        {
            script.entries.remove(at);
            let some = names.iter().any(|name| answer.is_for(name));
            unused.push((answer.clone(), if some { Unused::TooMany } else { Unused::NoCallback }));
        } else if let Some(at) = late.iter().position(of_script) {
            unused.push(late.remove(at));
        }
    }
    unused
}

/// Why an answer came too late for the callback that took it, if it did. An answer that was due when the callback ended
/// may have ended it.
fn lateness(answer: &ScriptedAnswer, callback: &Operation, view: &ExecutionView) -> Option<Unused> {
    // Timestamps have millisecond precision.
    let due = Duration::new(answer.after.as_secs(), answer.after.subsec_millis() * 1_000_000);
    let due = due.max(Duration::from_millis(1));
    let Some(end) = callback.end_timestamp else {
        let left = view.end?.since(callback.start_timestamp);
        // A heartbeat leaves a callback open; any other answer would have ended it.
        let came = answer.answer == Answer::Heartbeat && due <= left;
        return (!came).then_some(Unused::TooLate { status: None, after: left });
    };
    let after = end.since(callback.start_timestamp);
    let answered = matches!(callback.status, OperationStatus::Succeeded | OperationStatus::Failed);
    let in_time = due < after || (due == after && answered);
    (!in_time).then_some(Unused::TooLate { status: Some(callback.status), after })
}

/// The names of an execution's callbacks, in the order of their START: the callback's own name, or that of its context,
/// or an empty text.
pub fn callback_names(view: &ExecutionView) -> impl Iterator<Item = &str> {
    callbacks(view).map(|(name, _)| name)
}

fn callbacks(view: &ExecutionView) -> impl Iterator<Item = (&str, &Operation)> {
    let contexts: HashMap<_, _> = view.operations.iter().map(|o| (&o.id, o.name.as_deref())).collect();
    let callbacks = view.operations.iter().filter(|o| o.kind == OperationType::Callback);
    callbacks.map(move |callback| {
        let context = || callback.parent_id.as_ref().and_then(|id| contexts.get(id).copied().flatten());
        (callback.name.as_deref().or_else(context).unwrap_or_default(), &**callback)
    })
}

/// Whether the name matches the pattern, in which `*` stands for any text.
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
        let entry = |callback: &str, answer| ScriptedAnswer::new(callback, Duration::ZERO, answer);
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
        let mut take = |name| script.take(name).iter().map(|entry| entry.answer.clone()).collect::<Vec<_>>();
        assert_eq!(take("a"), [Answer::Heartbeat, Answer::Heartbeat, ok("a1")]);
        assert_eq!(take("c"), [ok("any")]);
        assert_eq!(take("a"), [ok("a2")]);
        assert_eq!(take("a"), []);
        assert_eq!(take("b"), [ok("b1")]);
    }

    #[test]
    fn an_answer_for_every_callback_is_not_used_up() {
        let every = |callback: &str, answer| ScriptedAnswer {
            every: true,
            ..ScriptedAnswer::new(callback, Duration::ZERO, answer)
        };
        let ok = |text: &str| Answer::Success(Some(text.into()));
        let entries = vec![
            ScriptedAnswer::new("a1", Duration::ZERO, ok("first")),
            every("a*", Answer::Heartbeat),
            every("a*", ok("any")),
            every("*", ok("never for a")),
        ];
        let mut script = AnswerScript::new(entries, AnswerOrder::ByCallback);
        let mut take = |name| script.take(name).iter().map(|entry| entry.answer.clone()).collect::<Vec<_>>();
        assert_eq!(take("a1"), [ok("first")]);
        for name in ["a1", "a2", "a2"] {
            assert_eq!(take(name), [Answer::Heartbeat, ok("any")]);
        }
        assert_eq!(take("b"), [ok("never for a")]);
    }
}
