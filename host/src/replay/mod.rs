//! One invocation's durable state: operation ids, replay decisions, checkpoint batching.
//!
//! Sans-IO, but for the trait through which the sandbox talks to a service.

mod checks;
mod client;
mod closing;
mod divergence;
mod ended;
mod engine;
mod error;
mod ids;
mod loading;
mod observing;
mod outbox;
mod slot;
mod starting;
#[cfg(test)]
mod tests;
mod watch;

pub use client::{DurableServiceClient, ServiceCall, ServiceError, Watch, Watching};
pub use closing::ChildResult;
pub use ended::Ended;
pub use engine::{CheckpointMode, Engine, Interest, Key, ScopeKey, Success};
pub use error::{Divergence, ReplayError};
pub use ids::Position;
pub use loading::load_state;
pub use observing::ObservedChanges;
pub use slot::{Directive, Identity, Outcome, Semantics};
pub use starting::StepPlan;
pub use watch::SetKey;
