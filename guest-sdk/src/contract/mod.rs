//! The contract between this crate and the host of a handler: traits and plain data.
//!
//! The traits mirror the resources of the WIT package `durawasm:durable`, one method for each function, with the same
//! rules. Operations, contexts and the executor use the host only through these traits: in a component the imports
//! implement them, natively a test runner does. Only [`Runtime::next`], [`Runtime::next_or_idle`], [`Runtime::flush`]
//! and [`Operation::block`] block.
//!
//! The names are public for runners only. They follow the WIT package, not the stability promises of this crate.

mod checkpoint_mode;
mod data;
mod execution;
mod lambda_context;
mod observing;
mod operation;
mod operation_type;
mod runtime;
mod scope;
mod step_semantics;

pub use self::checkpoint_mode::CheckpointMode;
pub use self::data::{
    CallbackOptions, ChildResult, ChildState, ConditionState, EndStatus, ExecutionInfo, Identity, Interest,
    InvokeOptions, Outcome, Position, StepOptions, StepState, Success,
};
pub(crate) use self::execution::Execution;
pub use self::lambda_context::{ClientContext, CognitoIdentity, LambdaConfig, LambdaContext};
pub use self::observing::{Beginning, ObservedOperation, Observing};
pub use self::operation::{Attempts, Callback, Completed, Condition, Invoke, Operation, Pollable, Step};
pub use self::operation_type::{OperationStatus, OperationType};
pub use self::runtime::Runtime;
pub use self::scope::{Child, Scope};
pub use self::step_semantics::StepSemantics;
