//! What a legal update changes.

use std::sync::Arc;

use crate::protocol::{CallbackOptions, ErrorObject, OperationId, OperationStatus};

/// One legal change.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::server) struct Transition {
    pub(in crate::server) id: OperationId,
    pub(in crate::server) effect: Effect,
}

/// The effect of a legal change.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::server) enum Effect {
    /// Starts an operation.
    Begin {
        parent_id: Option<OperationId>,
        name: Option<Arc<str>>,
        sub_type: Option<Arc<str>>,
        begin: Begin,
    },
    /// Starts the next attempt of a READY step.
    StartAttempt,
    StepSucceed(Option<Arc<str>>),
    StepFail(ErrorObject),
    StepRetry {
        delay_seconds: u64,
        outcome: Result<Option<Arc<str>>, ErrorObject>,
    },
    ContextSucceed {
        result: Option<Arc<str>>,
        replay_children: bool,
    },
    ContextFail(ErrorObject),
    CancelWait,
    CancelCallback,
    CancelInvoke,
    /// Records the execution's outcome.
    Decide(Result<Option<Arc<str>>, ErrorObject>),
}

/// The operation that is started.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::server) enum Begin {
    Context,
    Step,
    Wait { seconds: u64 },
    Callback(CallbackOptions),
    Invoke { function_name: Arc<str>, tenant_id: Option<Arc<str>>, payload: Option<Arc<str>> },
}

impl Effect {
    /// The status of the operation after the effect.
    pub(super) fn status_after(&self) -> OperationStatus {
        match self {
            Self::Begin { .. } | Self::StartAttempt => OperationStatus::Started,
            Self::StepRetry { .. } => OperationStatus::Pending,
            Self::StepSucceed(_) | Self::ContextSucceed { .. } | Self::Decide(Ok(_)) => {
                OperationStatus::Succeeded
            }
            Self::StepFail(_) | Self::ContextFail(_) | Self::Decide(Err(_)) => OperationStatus::Failed,
            Self::CancelWait | Self::CancelCallback | Self::CancelInvoke => OperationStatus::Cancelled,
        }
    }
}
