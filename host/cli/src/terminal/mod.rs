//! What `run` has of a terminal: one line that says how far it is, questions about callbacks, and Ctrl-C.
//!
//! States of a question: asked (its callback is open, and nobody else answers it), answered or left by the person, or
//! taken back because the callback is over.
//!
//! Invariants:
//! - nothing is asked, and no progress is shown, where standard error or standard input is no terminal;
//! - a line that somebody prints never runs into the line of progress;
//! - while a person is asked, skipped time does not reach the callback's deadline.

mod attend;
mod interrupt;
mod progress;
mod question;

pub(super) use attend::{Attend, Attending};
pub(super) use interrupt::Interrupts;
pub(super) use progress::Screen;
