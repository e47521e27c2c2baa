//! The wire: what the AWS Lambda durable execution service and a handler say to each other.
//!
//! Plain data. Names and shapes are the service model's; JSON is spelled as on the wire. Nothing here decides
//! anything, and nothing here depends on another room.

mod error_object;
mod event;
mod ids;
mod invocation;
mod limits;
mod open_work;
mod operation;
mod time;
mod update;

pub use error_object::ErrorObject;
pub use event::{
    CallbackStartedDetails, ChainedInvokeStartedDetails, Event, EventDetails, EventError, EventInput,
    EventResult, EventType, ExecutionStartedDetails, InvocationCompletedDetails, RetryDetails,
    StepClosedDetails, StepError, StepResult, WaitStartedDetails,
};
pub use ids::{
    CallbackId, CheckpointToken, ExecutionArn, FUNCTION_NAME_CHARACTERS, InvalidName, OperationId,
    TENANT_ID_CHARACTERS, check_execution_name, is_function_name, is_tenant_id,
};
pub use invocation::{InvocationInput, InvocationOutput, InvocationStatus};
pub use limits::Limits;
pub use open_work::open_work;
pub use operation::{
    CallbackDetails, ChainedInvokeDetails, ContextDetails, ExecutionDetails, ExecutionStatus, Operation,
    OperationStatus, OperationType, StepDetails, WaitDetails, sub_type,
};
pub use time::Timestamp;
pub use update::{
    CallbackOptions, ChainedInvokeOptions, CheckpointResponse, ContextOptions, OperationAction,
    OperationUpdate, StatePage, StepOptions, WaitOptions,
};
