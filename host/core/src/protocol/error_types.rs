//! The types of all errors that durawasm itself reports: `ErrorObject::error_type`, which programs match on.
//!
//! Errors of guests have the types that their SDK gives them.

use crate::budget::Owner;

/// The execution took longer than its timeout.
pub const EXECUTION_TIMEOUT: &str = "Execution.Timeout";
/// The execution was stopped, and no other error was given.
pub const EXECUTION_STOPPED: &str = "Execution.Stopped";
/// The history of the execution has reached its maximum number of events.
pub const EVENT_LIMIT: &str = "Execution.EventLimitExceeded";
/// The execution made the host keep more bytes than its budget.
pub const EXECUTION_BYTES: &str = "Execution.ByteLimitExceeded";
/// The executions of the host together made it keep more bytes than its budget.
pub const HOST_BYTES: &str = "Sandbox.HostByteLimitExceeded";
/// The handler's operations differ from its record.
pub const NON_DETERMINISTIC: &str = "NonDeterministicExecutionError";
/// The guest violated the contract.
pub const CONTRACT_VIOLATION: &str = "Durable.ContractViolation";
/// The service refused a checkpoint, or could not be reached.
pub const CHECKPOINT_FAILED: &str = "Service.CheckpointFailed";
/// The store of the service failed, so it did not take a checkpoint.
pub const STORE_FAILED: &str = "Service.StoreFailed";
/// The handler trapped, panicked or exited.
pub const EXIT: &str = "Runtime.ExitError";
/// The instance was killed by fault injection.
pub const KILLED: &str = "Runtime.Killed";
/// The process that ran the invocation ended before it did.
pub const HOST_ENDED: &str = "Runtime.HostEnded";
/// The service refused the output of the invocation.
pub const INVALID_OUTPUT: &str = "Runtime.InvalidOutput";
/// The system refused a thread for a native handler.
pub const THREAD_FAILED: &str = "Runtime.ThreadFailed";
/// The sandbox is shutting down.
pub const CLOSED: &str = "Sandbox.Closed";
/// The guest's calls were nested too deep.
pub const STACK_LIMIT: &str = "Sandbox.StackLimitExceeded";
/// The guest asked for more memory than the limit of an invocation.
pub const MEMORY_LIMIT: &str = "Sandbox.MemoryLimitExceeded";
/// The guest computed for longer than the limit of an invocation.
pub const CPU_LIMIT: &str = "Sandbox.CpuLimitExceeded";
/// The invocation took longer in real time than its limit.
pub const TIME_LIMIT: &str = "Sandbox.TimeLimitExceeded";
/// The guest started more operations than the limit of an invocation.
pub const OPERATION_LIMIT: &str = "Sandbox.OperationLimitExceeded";
/// The guest wrote more log lines than the limit of an invocation.
pub const LOG_LIMIT: &str = "Sandbox.LogLimitExceeded";
/// The guest held more contexts and pollables than the limit.
pub const HANDLE_LIMIT: &str = "Sandbox.HandleLimitExceeded";
/// The guest sent more HTTP requests, or more bytes with them, than the limit of an invocation.
pub const HTTP_LIMIT: &str = "Sandbox.HttpLimitExceeded";
/// The guest made more timers than the limit.
pub const TIMER_LIMIT: &str = "Sandbox.TimerLimitExceeded";
/// The guest asked for more random bytes in one call than the limit.
pub const RANDOM_LIMIT: &str = "Sandbox.RandomLimitExceeded";
/// A granted directory cannot be opened.
pub const GRANT_FAILED: &str = "Sandbox.GrantFailed";
/// One run has invoked more functions than the limit.
pub const INVOKE_COUNT: &str = "Invoke.CountExceeded";
/// A chain of nested invokes is deeper than the limit.
pub const INVOKE_DEPTH: &str = "Invoke.DepthExceeded";
/// The service refused to start the target of a chained invoke.
pub const INVOKE_REFUSED: &str = "Invoke.Refused";
/// The target of a chained invoke waits for an answer that nothing in this process can give.
pub const INVOKE_STALLED: &str = "Stalled";
/// A plain function used durable operations.
pub const PLAIN_SUSPENDED: &str = "Plain.Suspended";
/// There is no function of that name.
pub const NOT_FOUND: &str = "ResourceNotFoundException";

/// The type of the error with which the owner of a budget of bytes refuses to keep more.
pub fn of_bytes(owner: Owner) -> &'static str {
    match owner {
        Owner::Execution => EXECUTION_BYTES,
        Owner::Host => HOST_BYTES,
    }
}
