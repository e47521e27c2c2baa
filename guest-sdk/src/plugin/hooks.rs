//! The hooks of a plugin.

use super::info::{
    InvocationEndInfo, InvocationInfo, OperationChangeInfo, OperationEndInfo, OperationInfo,
    UserFunctionEndInfo, UserFunctionInfo,
};
use crate::error::BoxError;

/// Observes an execution: see the [module](crate::plugin).
///
/// The default implementation of each hook does nothing. An error that a hook returns is logged as a warning and has no
/// other effect.
pub trait Plugin: Send + 'static {
    /// The name of the plugin in warnings; by default the name of its type.
    fn name(&self) -> &str {
        std::any::type_name::<Self>()
    }

    /// An invocation begins. The code of the handler has not run yet.
    fn on_invocation_start(&mut self, info: &InvocationInfo) -> Result<(), BoxError> {
        let _ = info;
        Ok(())
    }

    /// The invocation ends: the handler has returned, or is suspended.
    fn on_invocation_end(&mut self, info: &InvocationEndInfo) -> Result<(), BoxError> {
        let _ = info;
        Ok(())
    }

    /// The handler has started an operation, or, with [`is_replay`](OperationInfo::is_replay), has reached an operation
    /// again that is recorded and has not ended. Not called for operations that had ended when the invocation began.
    fn on_operation_start(&mut self, info: &OperationInfo) -> Result<(), BoxError> {
        let _ = info;
        Ok(())
    }

    /// An operation has ended. Called once per operation, in the invocation that first finds it ended: the one that
    /// completed it, or, with [`is_replay`](OperationInfo::is_replay), the first one after it was completed from
    /// outside. Not called again on replays of operations that had ended before.
    fn on_operation_end(&mut self, info: &OperationEndInfo) -> Result<(), BoxError> {
        let _ = info;
        Ok(())
    }

    /// The service has answered a checkpoint, and reports changed operations.
    fn on_operation_change(&mut self, info: &OperationChangeInfo) -> Result<(), BoxError> {
        let _ = info;
        Ok(())
    }

    /// A function of the handler is about to run: an attempt of a step, a check of a condition, or the code of a child
    /// context.
    fn on_user_function_start(&mut self, info: &UserFunctionInfo) -> Result<(), BoxError> {
        let _ = info;
        Ok(())
    }

    /// The function has returned, or was dropped because the execution is suspended or the function is not needed any
    /// more.
    fn on_user_function_end(&mut self, info: &UserFunctionEndInfo) -> Result<(), BoxError> {
        let _ = info;
        Ok(())
    }
}
