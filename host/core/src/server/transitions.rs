//! The rules for a handler's updates: from updates to transitions.
//!
//! Invariants:
//! - a batch is checked as a whole against the state before it; the state is not changed here;
//! - a [`Transition`] is legal: applying it cannot fail;
//! - the cost depends on the size of the batch, not on the history.

use std::collections::HashMap;

use super::operations::OperationTable;
use crate::protocol::{
    Limits, OperationAction, OperationId, OperationStatus, OperationType, OperationUpdate, ServiceError,
    invalid,
};

mod effect;
mod fields;
mod states;

pub(super) use effect::{Begin, Effect, Transition};
pub(super) use fields::written_by;

/// The effect of the batch on an operation so far.
struct Touched {
    kind: OperationType,
    first: OperationAction,
    updates: u32,
    status: OperationStatus,
}

/// Checks a batch. `written` is the number of bytes that the execution has written so far.
pub(super) fn check(
    updates: Vec<OperationUpdate>,
    operations: &OperationTable,
    limits: &Limits,
    written: usize,
) -> Result<Vec<Transition>, ServiceError> {
    fields::check_batch(&updates, limits, written)?;
    check_execution_update(&updates)?;
    let mut touched: HashMap<OperationId, Touched> = HashMap::with_capacity(updates.len());
    let mut count = operations.len();
    let mut transitions = Vec::with_capacity(updates.len());
    for update in updates {
        fields::check_update(&update, limits)?;
        check_repetition(&update, touched.get(&update.id))?;
        check_parent(&update, operations, &touched)?;
        let status = match touched.get(&update.id) {
            Some(touched) => Some((touched.kind, touched.status)),
            None => operations.find(&update.id).map(|(_, operation)| (operation.kind, operation.status)),
        };
        let (id, kind, action) = (update.id.clone(), update.kind, update.action);
        let effect = states::effect(update, status)?;
        if matches!(effect, Effect::Begin { .. }) {
            count += 1;
            // The EXECUTION does not count.
            if let Some(most) = limits.operations.filter(|most| count > most.saturating_add(1)) {
                return invalid(format!("the execution would have more than {most} operations"));
            }
        }
        touched
            .entry(id.clone())
            .and_modify(|touched| {
                touched.updates += 1;
                touched.status = effect.status_after();
            })
            .or_insert_with(|| Touched { kind, first: action, updates: 1, status: effect.status_after() });
        transitions.push(Transition { id, effect });
    }
    Ok(transitions)
}

fn check_execution_update(updates: &[OperationUpdate]) -> Result<(), ServiceError> {
    let is_execution = |update: &OperationUpdate| update.kind == OperationType::Execution;
    match updates.iter().filter(|update| is_execution(update)).count() {
        0 => Ok(()),
        1 if updates.last().is_some_and(is_execution) => Ok(()),
        1 => invalid("EXECUTION checkpoint must be the last update."),
        _ => invalid("Cannot checkpoint multiple EXECUTION updates."),
    }
}

/// Allows one update for each operation, or a START and the update that closes the attempt or the context.
fn check_repetition(update: &OperationUpdate, before: Option<&Touched>) -> Result<(), ServiceError> {
    let Some(before) = before else { return Ok(()) };
    let may_follow = matches!(before.kind, OperationType::Step | OperationType::Context)
        && before.first == OperationAction::Start
        && before.updates == 1
        && update.action != OperationAction::Start;
    if may_follow {
        return Ok(());
    }
    invalid(format!("Cannot update the same operation twice in a single request: operation {}.", update.id))
}

/// The parent must be a CONTEXT that exists or is started earlier in the batch, and must not change.
fn check_parent(
    update: &OperationUpdate,
    operations: &OperationTable,
    touched: &HashMap<OperationId, Touched>,
) -> Result<(), ServiceError> {
    let Some(parent) = &update.parent_id else { return Ok(()) };
    let kind = match touched.get(parent) {
        Some(touched) => Some(touched.kind),
        None => operations.find(parent).map(|(_, operation)| operation.kind),
    };
    let why = match kind {
        Some(OperationType::Context) if *parent != update.id => {
            let known = operations.find(&update.id).map(|(_, operation)| &operation.parent_id);
            match known {
                Some(known) if known.as_ref() != Some(parent) => "the operation has another",
                _ => return Ok(()),
            }
        }
        Some(OperationType::Context) => "it is the operation itself",
        Some(_) => "it is not a CONTEXT",
        None => "it does not exist",
    };
    invalid(format!("Invalid parent operation id: {parent}, of operation {}: {why}.", update.id))
}
