//! One invocation's durable state: operation ids, replay decisions, checkpoint batching.
//!
//! Sans-IO.

mod checks;
mod closing;
mod divergence;
mod engine;
mod error;
mod ids;
mod outbox;
mod probe;
mod records;
mod slot;
mod starting;
mod state;
#[cfg(test)]
mod tests;
mod watch;

pub use closing::ChildResult;
pub use engine::{CheckpointMode, Engine, Interest, Key, ScopeKey, Success};
pub use error::{Divergence, ReplayError};
pub use ids::Position;
pub use probe::{Code, Draw, ImportCall, Probe, Probed};
pub use slot::{Identity, Outcome, Semantics};
pub use starting::StepPlan;
pub use state::{ChildState, ConditionState, StepState};
pub use watch::SetKey;
