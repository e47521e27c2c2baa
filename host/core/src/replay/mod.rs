//! One invocation's durable state: operation ids, replay decisions, checkpoint batching.
//!
//! Sans-IO.

#[cfg(test)]
mod accessor_tests;
#[cfg(test)]
mod attempt_tests;
mod checks;
mod closing;
#[cfg(test)]
mod closing_tests;
mod divergence;
mod engine;
mod error;
mod identity;
mod ids;
mod keys;
mod known;
mod outbox;
mod probe;
mod records;
mod slot;
mod starting;
mod starts;
mod state;
#[cfg(test)]
mod tests;
mod wait_set;
mod waiting;

pub use closing::ChildResult;
pub use engine::{Engine, Success};
pub use error::{Divergence, ReplayError};
pub use identity::Identity;
pub use ids::Position;
pub use keys::{Interest, Key, ScopeKey, SetKey};
pub use outbox::CheckpointMode;
pub use probe::{Code, Draw, ImportCall, Probe, Probed};
pub use slot::{Outcome, Semantics};
pub use starting::StepPlan;
pub use state::{ChildState, ConditionState, StepState};
