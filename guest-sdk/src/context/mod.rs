//! What operations are started in and what they return: contexts, futures, and the state of a context.

mod branch;
mod checkpointing;
mod compensation_result;
mod compensations;
mod deterministic;
mod durable_context;
mod execution_mode;
mod facts;
mod future;
mod place;
mod settled;
mod step_context;
mod values;

pub(crate) use self::branch::Body;
pub use self::branch::Branch;
pub use self::compensation_result::{CompensationItem, CompensationResult, CompensationStatus};
pub(crate) use self::compensations::{
    Compensation, CompensationFn, CompensationFuture, Compensations, Delivery, Entry,
};
pub use self::durable_context::DurableContext;
pub use self::execution_mode::ExecutionMode;
pub use self::future::DurableFuture;
pub(crate) use self::place::Place;
pub use self::settled::Settled;
pub use self::step_context::StepContext;
