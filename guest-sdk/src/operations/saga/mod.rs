//! Compensations, which undo steps that have succeeded.
//!
//! Invariants:
//! - The context on which a step was called owns the step's compensation from the start of the step: clones of the
//!   context share the list, children have their own. A rollback runs the compensation if the success of the step is
//!   recorded, whether or not the success was delivered.
//! - A rollback runs compensations one at a time, starting with the latest recorded success, each in its own context
//!   operation. It continues after a failure. Compensations whose end is recorded do not run again.
//! - A rollback runs the same compensations on each replay. The record of a step whose future was dropped does not
//!   change any more. The record of a step whose future is held may change, so the rollback records which of these
//!   steps had succeeded.
//! - The result of a rollback is created from the records of its compensations. Items of a dropped rollback are
//!   reported by the next one.

mod registration;
mod roll_back;

pub(super) use self::registration::Registration;
pub(crate) use self::roll_back::roll_back;
