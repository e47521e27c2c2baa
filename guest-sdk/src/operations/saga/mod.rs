//! Compensations: what undoes steps that have succeeded.
//!
//! Always true here:
//! - A context owns the compensation of a step from when the step starts, whoever holds the step's future: it is one
//!   that is to run as soon as the step's success is on record, delivered or not. It goes to the list of the context
//!   that the step was called on: clones share it, children have their own.
//! - A rollback takes compensations one at a time, that of the latest success on record first, each into a context
//!   operation of its own. Whatever becomes of one, the next follows. What is on record as ended does not run again.
//! - What a rollback takes is the same on each replay: of a step whose future was dropped, the record does not change
//!   any more. Of one whose future is held it may: so what counted is recorded.
//! - What a rollback tells of a compensation is made from its record. What a rollback that was dropped did not tell,
//!   the next one does.

mod registration;
mod roll_back;

pub(super) use self::registration::Registration;
pub(crate) use self::roll_back::roll_back;
