//! Runs what makes one operation of several futures: `try_join_all`, `join_all`, `select_ok` and `race`.
//!
//! Always true here:
//! - A combinator is one CONTEXT. What it came to is recorded at once when enough of its inputs have ended; the others
//!   are dropped. Its result is made from that record, on the first run as on each replay.
//! - **The recorded winner wins again.** A combinator that is over on record does not run its inputs: it gives up their
//!   operations, so that they are not missed. So it does not matter which of them have ended by then. Only where an
//!   input leaves something behind in its context, all run once more, as far as they did.
//! - A CONTEXT that is not to be run when it is first looked at is over on record.
//! - Each input is polled when it can go on, and not because another can.

mod inputs;
mod record;
mod results;
mod run;

pub(crate) use self::run::CombinatorRun;
