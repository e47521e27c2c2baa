//! The wire types of the AWS Lambda durable execution service.
//!
//! Plain data, and the trait through which an invocation calls a service. Names and shapes are those of the service
//! model; JSON is spelled as on the wire. This module contains no rules of the server.

mod client;
mod error_object;
pub mod error_types;
mod event;
mod function_name;
mod ids;
mod invocation;
mod limits;
mod open_work;
mod operation;
mod service_error;
mod update;

pub use client::{Budgeting, ChangeSubscription, DurableServiceClient, ServiceCall, Subscribing};
pub use error_object::ErrorObject;
pub use event::{
    CallbackStartedDetails, ChainedInvokeStartedDetails, Event, EventDetails, EventError, EventInput,
    EventReason, EventResult, EventType, ExecutionPausedDetails, ExecutionResumedDetails,
    ExecutionStartedDetails, InvocationCompletedDetails, RetryDetails, StepClosedDetails, StepError,
    StepResult, WaitStartedDetails,
};
pub use function_name::{FunctionName, LATEST, LATEST_PUBLISHED};
pub use ids::{
    CallbackId, CheckpointToken, ExecutionArn, FUNCTION_NAME_CHARACTERS, InvalidName,
    LONGEST_COMPONENT_FUNCTION_NAME, OperationId, TENANT_ID_CHARACTERS, check_execution_name,
    is_component_function_name, is_function_name, is_tenant_id,
};
pub use invocation::{InvocationInput, InvocationOutput, InvocationResult, InvocationStatus};
pub use limits::Limits;
pub use open_work::open_work;
pub use operation::{
    CallbackDetails, ChainedInvokeDetails, ContextDetails, ExecutionDetails, ExecutionStatus, Operation,
    OperationStatus, OperationType, StepDetails, WaitDetails, sub_type,
};
pub use service_error::ServiceError;
pub(crate) use service_error::invalid;
pub use update::{
    CallbackOptions, ChainedInvokeOptions, CheckpointResponse, ContextOptions, OperationAction,
    OperationUpdate, StatePage, StepOptions, WaitOptions,
};

pub use crate::time::Timestamp;
