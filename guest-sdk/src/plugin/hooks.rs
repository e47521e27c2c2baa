//! The hooks of a plugin.

use super::info::{
    InvocationEndInfo, InvocationInfo, OperationChangeInfo, OperationEndInfo, OperationInfo,
    UserFunctionEndInfo, UserFunctionInfo,
};
use crate::error::BoxError;

/// Watches an execution: see the [module](self).
///
/// Each hook does nothing unless it is implemented. An error that one returns is logged as a warning and has no other
/// effect.
pub trait Plugin: Send + 'static {
    /// What warnings call the plugin; the type's name by default.
    fn name(&self) -> &str {
        std::any::type_name::<Self>()
    }

    /// An invocation begins; the handler's code has not run yet.
    fn on_invocation_start(&mut self, info: &InvocationInfo) -> Result<(), BoxError> {
        let _ = info;
        Ok(())
    }

    /// The invocation is over: the handler has returned, or is suspended.
    fn on_invocation_end(&mut self, info: &InvocationEndInfo) -> Result<(), BoxError> {
        let _ = info;
        Ok(())
    }

    /// The handler has started an operation, or, with [`is_replay`](OperationInfo::is_replay), has come again to one
    /// that is on record and not over. It is not called for one that was over when the invocation began.
    fn on_operation_start(&mut self, info: &OperationInfo) -> Result<(), BoxError> {
        let _ = info;
        Ok(())
    }

    /// An operation is over. Called once for an operation, in the invocation that first finds it so: the one that
    /// completed it, or, with [`is_replay`](OperationInfo::is_replay), the first after it was completed from outside.
    /// Replays of what was over before that do not call it again.
    fn on_operation_end(&mut self, info: &OperationEndInfo) -> Result<(), BoxError> {
        let _ = info;
        Ok(())
    }

    /// The service has answered a checkpoint, and reports operations as changed.
    fn on_operation_change(&mut self, info: &OperationChangeInfo) -> Result<(), BoxError> {
        let _ = info;
        Ok(())
    }

    /// A function of the handler's is about to run: an attempt of a step, a check of a condition, or the code of a
    /// child context.
    fn on_user_function_start(&mut self, info: &UserFunctionInfo) -> Result<(), BoxError> {
        let _ = info;
        Ok(())
    }

    /// The function has returned, or was left in the middle because the execution is suspended or the function is no
    /// longer needed.
    fn on_user_function_end(&mut self, info: &UserFunctionEndInfo) -> Result<(), BoxError> {
        let _ = info;
        Ok(())
    }
}
