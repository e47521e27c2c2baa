//! The terminal of `run`: a progress line, questions about callbacks, and Ctrl-C.
//!
//! A question is asked when its callback is open and has no scripted answer. It ends when the user answers or declines,
//! or is withdrawn when the callback has ended.
//!
//! Invariants:
//! - no question is asked unless standard input and standard error are terminals, and no progress is shown unless
//!   standard error is one;
//! - other lines never run into the progress line;
//! - while the user is asked, skipped time does not reach the callback's deadline.

mod attendant;
mod interrupt;
mod progress;
mod question;

pub(super) use attendant::{SharedAttendant, TerminalAttendant};
pub(super) use interrupt::Interrupts;
pub(super) use progress::Screen;
