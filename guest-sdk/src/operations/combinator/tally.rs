//! How the inputs of a combinator have ended, and what it came to.

use super::record::{
    COMBINATOR, EMPTY_INPUT, FIRST_SETTLED_FAILED, JOIN, JOIN_FAILED, RACE, all_failed, fulfilled, internal,
    recorded, rejected,
};
use crate::error::{BoxError, OperationError, SERIALIZATION_ERROR, WireError};

/// What it takes for a combinator to be over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    TryJoinAll,
    JoinAll,
    SelectOk,
    Race,
}

/// What a combinator came to.
pub(super) type Verdict = Result<Success, WireError>;

pub(super) struct Success {
    pub(super) json: String,
    /// The input that it comes from, if it is one.
    pub(super) winner: Option<usize>,
}

/// How the inputs have ended so far.
pub(super) struct Tally {
    rule: Rule,
    /// What succeeded, as JSON. Of a `join_all`: all, as they are recorded.
    values: Vec<String>,
    errors: Vec<Option<WireError>>,
}

impl Tally {
    pub(super) fn new(rule: Rule, count: usize) -> Self {
        let joins = matches!(rule, Rule::TryJoinAll | Rule::JoinAll);
        let values = if joins { vec![String::new(); count] } else { Vec::new() };
        let errors = if rule == Rule::SelectOk { vec![None; count] } else { Vec::new() };
        Self { rule, values, errors }
    }

    /// Notes how an input ended; what the combinator came to, if that decides it.
    pub(super) fn ended(
        &mut self,
        index: usize,
        outcome: Result<Result<String, BoxError>, OperationError>,
    ) -> Option<Verdict> {
        let outcome = match outcome {
            Ok(Ok(json)) => Ok(json),
            Ok(Err(error)) => return Some(Err(WireError::typed(&internal(error), SERIALIZATION_ERROR))),
            Err(error) => Err(error),
        };
        match (self.rule, outcome) {
            (Rule::TryJoinAll, Ok(json)) => self.note(index, json),
            (Rule::TryJoinAll, Err(error)) => {
                let wire = WireError::passed_on(&error, &format!("{JOIN_FAILED}{index}"));
                return Some(Err(wire.with_frame(format!("{JOIN}{index}"))));
            }
            (Rule::JoinAll, Ok(json)) => self.note(index, fulfilled(&json)),
            (Rule::JoinAll, Err(error)) => match rejected(&error) {
                Ok(json) => self.note(index, json),
                Err(error) => return Some(Err(WireError::typed(&internal(error), COMBINATOR))),
            },
            (Rule::SelectOk | Rule::Race, Ok(json)) => {
                return Some(Ok(Success { json, winner: Some(index) }));
            }
            (Rule::SelectOk, Err(error)) => {
                if let Some(place) = self.errors.get_mut(index) {
                    *place = Some(recorded(&error));
                }
            }
            (Rule::Race, Err(error)) => {
                let wire = WireError::passed_on(&error, FIRST_SETTLED_FAILED);
                return Some(Err(wire.with_frame(format!("{RACE}{index}"))));
            }
        }
        None
    }

    fn note(&mut self, index: usize, json: String) {
        if let Some(place) = self.values.get_mut(index) {
            *place = json;
        }
    }

    /// What the combinator came to, as none of its inputs decided it.
    pub(super) fn all_ended(self) -> Verdict {
        match self.rule {
            Rule::TryJoinAll | Rule::JoinAll => {
                Ok(Success { json: format!("[{}]", self.values.join(",")), winner: None })
            }
            Rule::SelectOk if !self.errors.is_empty() => Err(all_failed(self.errors)),
            Rule::SelectOk => Err(WireError::new(EMPTY_INPUT, "select_ok was called with no futures")),
            Rule::Race => Err(WireError::new(EMPTY_INPUT, "race was called with no futures")),
        }
    }
}
