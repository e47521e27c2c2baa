//! The work to compile one function.
//!
//! A compiler gives each variable that a loop changes a value of its own in that loop, and the allocation of registers
//! compares such values with each other: so some kilobytes can take minutes. Branches, calls and blocks cost as much as
//! they have operands. The factors are measured, with wasmtime 48: a unit is about a microsecond.

use wasmparser::{BlockType, FunctionBody, Operator};

use super::{
    ComplexityError,
    signatures::{Arity, Signatures},
};

/// The work that each function takes, however small it is.
const BASE: u64 = 50;

/// The work for each operand of a call.
const OF_CALL: u64 = 4;

/// The number of variables times blocks that are a unit of work.
const IN_BLOCKS: u64 = 4;

/// The square of the number of variables that loops change, for a unit of work: 10,000 of them take 0.4 s.
const IN_LOOPS: u64 = 250;

/// A block, as far as branches to it are concerned.
struct Label {
    /// The operands of a branch to it.
    operands: u32,
    /// The number of changes of variables before it, if it is a loop.
    changes_before: Option<u64>,
}

/// The work to compile this function.
pub(super) fn work_of(
    module: &Signatures,
    body: &FunctionBody<'_>,
    arity: Arity,
) -> Result<u64, ComplexityError> {
    let mut variables = u64::from(arity.parameters);
    for locals in body.get_locals_reader()? {
        variables = variables.saturating_add(locals?.0.into());
    }
    let mut labels = vec![Label { operands: arity.results, changes_before: None }];
    let mut work = BASE.saturating_add(variables);
    let (mut blocks, mut accesses, mut changes, mut changed_in_loops) = (1_u64, 0_u64, 0_u64, 0_u64);
    let mut operators = body.get_operators_reader()?;
    while !operators.eof() {
        work = work.saturating_add(1);
        match operators.read()? {
            Operator::LocalGet { .. } => accesses += 1,
            Operator::LocalSet { .. } | Operator::LocalTee { .. } => {
                accesses += 1;
                changes += 1;
            }
            Operator::Block { blockty } | Operator::If { blockty } => {
                blocks += 1;
                let arity = arity_of(module, blockty);
                work = work.saturating_add(arity.operands());
                labels.push(Label { operands: arity.results, changes_before: None });
            }
            Operator::Loop { blockty } => {
                blocks += 1;
                let arity = arity_of(module, blockty);
                work = work.saturating_add(arity.operands());
                labels.push(Label { operands: arity.parameters, changes_before: Some(changes) });
            }
            Operator::TryTable { try_table } => {
                blocks += 1 + try_table.catches.len() as u64;
                let arity = arity_of(module, try_table.ty);
                work = work.saturating_add(arity.operands());
                labels.push(Label { operands: arity.results, changes_before: None });
            }
            Operator::Else => blocks += 1,
            Operator::End => {
                if let Some(before) = labels.pop().and_then(|label| label.changes_before) {
                    changed_in_loops = changed_in_loops.saturating_add(variables.min(changes - before));
                }
            }
            Operator::Br { relative_depth }
            | Operator::BrIf { relative_depth }
            | Operator::BrOnNull { relative_depth }
            | Operator::BrOnNonNull { relative_depth } => {
                blocks += 1;
                work = work.saturating_add(operands(&labels, relative_depth));
            }
            Operator::BrTable { targets } => {
                blocks += 1;
                // A target that is named several times is one edge, but its operands are the same for all targets.
                let each = operands(&labels, targets.default());
                let edges = u64::from(targets.len()).min(labels.len() as u64) + 1;
                work = work.saturating_add(targets.len().into()).saturating_add(each.saturating_mul(edges));
            }
            Operator::Return | Operator::Unreachable => {
                blocks += 1;
                work = work.saturating_add(arity.results.into());
            }
            Operator::Call { function_index } | Operator::ReturnCall { function_index } => {
                work = work.saturating_add(OF_CALL * module.arity_of_function(function_index).operands());
            }
            Operator::CallIndirect { type_index, .. }
            | Operator::ReturnCallIndirect { type_index, .. }
            | Operator::CallRef { type_index }
            | Operator::ReturnCallRef { type_index } => {
                work = work.saturating_add(OF_CALL * module.arity(type_index).operands());
            }
            _ => {}
        }
    }
    let in_blocks = variables.min(accesses).saturating_mul(blocks) / IN_BLOCKS;
    let in_loops = changed_in_loops.saturating_mul(changed_in_loops) / IN_LOOPS;
    Ok(work.saturating_add(in_blocks).saturating_add(in_loops))
}

fn operands(labels: &[Label], relative_depth: u32) -> u64 {
    let place = labels.len().checked_sub(1).and_then(|last| last.checked_sub(relative_depth as usize));
    place.and_then(|place| labels.get(place)).map_or(0, |label| label.operands.into())
}

fn arity_of(module: &Signatures, ty: BlockType) -> Arity {
    match ty {
        BlockType::Empty => Arity::default(),
        BlockType::Type(_) => Arity { parameters: 0, results: 1 },
        BlockType::FuncType(index) => module.arity(index),
    }
}
