//! Runs combinators, which make one operation of several futures: `try_join_all`, `join_all`, `select_ok` and `race`.
//!
//! Invariants:
//! - A combinator is one CONTEXT. Its outcome is recorded as soon as enough inputs have ended; the others are dropped.
//!   Its result is created from that record, on the first run as on each replay.
//! - **The recorded winner wins again.** If the history has the outcome of a combinator, its inputs do not run: their
//!   operations are skipped, so that the host does not report them as missing. Therefore it does not matter which
//!   inputs have ended by then. Only if an input changes the state of its context, all inputs run again, as far as they
//!   did then.
//! - If the first state of a CONTEXT is not `Run`, its outcome is recorded.
//! - An input is polled only when it can continue.

mod inputs;
mod record;
mod results;
mod run;

pub(crate) use self::run::CombinatorRun;
