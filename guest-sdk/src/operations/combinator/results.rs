//! Collects the outcomes of a combinator's inputs, and decides its outcome.

use super::record::{
    COMBINATOR, EMPTY_INPUT, FIRST_SETTLED_FAILED, JOIN, JOIN_FAILED, RACE, all_failed, fulfilled, internal,
    recorded, rejected,
};
use crate::error::{BoxError, OperationError, SERIALIZATION_ERROR, WireError};

/// The kinds of combinators, which differ in when they end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CombinatorKind {
    TryJoinAll,
    JoinAll,
    SelectOk,
    Race,
}

/// The outcome of a combinator.
pub(super) type CombinatorOutcome = Result<CombinatorValue, WireError>;

pub(super) struct CombinatorValue {
    pub(super) json: String,
    /// The input that the value comes from, if it is one.
    pub(super) winner: Option<usize>,
}

/// The outcomes of the inputs so far.
pub(super) struct InputResults {
    kind: CombinatorKind,
    /// The successes as JSON; for a `join_all` all outcomes, as recorded.
    values: Vec<String>,
    errors: Vec<Option<WireError>>,
}

impl InputResults {
    pub(super) fn new(kind: CombinatorKind, count: usize) -> Self {
        let joins = matches!(kind, CombinatorKind::TryJoinAll | CombinatorKind::JoinAll);
        let values = if joins { vec![String::new(); count] } else { Vec::new() };
        let errors = if kind == CombinatorKind::SelectOk { vec![None; count] } else { Vec::new() };
        Self { kind, values, errors }
    }

    /// Adds the outcome of an input. Returns the outcome of the combinator if that decides it.
    pub(super) fn ended(
        &mut self,
        index: usize,
        outcome: Result<Result<String, BoxError>, OperationError>,
    ) -> Option<CombinatorOutcome> {
        let outcome = match outcome {
            Ok(Ok(json)) => Ok(json),
            Ok(Err(error)) => return Some(Err(WireError::typed(&internal(error), SERIALIZATION_ERROR))),
            Err(error) => Err(error),
        };
        match (self.kind, outcome) {
            (CombinatorKind::TryJoinAll, Ok(json)) => self.set_value(index, json),
            (CombinatorKind::TryJoinAll, Err(error)) => {
                let wire = WireError::passed_on(&error, &format!("{JOIN_FAILED}{index}"));
                return Some(Err(wire.with_frame(format!("{JOIN}{index}"))));
            }
            (CombinatorKind::JoinAll, Ok(json)) => self.set_value(index, fulfilled(&json)),
            (CombinatorKind::JoinAll, Err(error)) => match rejected(&error) {
                Ok(json) => self.set_value(index, json),
                Err(error) => return Some(Err(WireError::typed(&internal(error), COMBINATOR))),
            },
            (CombinatorKind::SelectOk | CombinatorKind::Race, Ok(json)) => {
                return Some(Ok(CombinatorValue { json, winner: Some(index) }));
            }
            (CombinatorKind::SelectOk, Err(error)) => {
                if let Some(place) = self.errors.get_mut(index) {
                    *place = Some(recorded(&error));
                }
            }
            (CombinatorKind::Race, Err(error)) => {
                let wire = WireError::passed_on(&error, FIRST_SETTLED_FAILED);
                return Some(Err(wire.with_frame(format!("{RACE}{index}"))));
            }
        }
        None
    }

    fn set_value(&mut self, index: usize, json: String) {
        if let Some(place) = self.values.get_mut(index) {
            *place = json;
        }
    }

    /// The outcome of the combinator when all inputs have ended.
    pub(super) fn all_ended(self) -> CombinatorOutcome {
        match self.kind {
            CombinatorKind::TryJoinAll | CombinatorKind::JoinAll => {
                Ok(CombinatorValue { json: format!("[{}]", self.values.join(",")), winner: None })
            }
            CombinatorKind::SelectOk if !self.errors.is_empty() => Err(all_failed(self.errors)),
            CombinatorKind::SelectOk => {
                Err(WireError::new(EMPTY_INPUT, "select_ok was called with no futures"))
            }
            CombinatorKind::Race => Err(WireError::new(EMPTY_INPUT, "race was called with no futures")),
        }
    }
}
