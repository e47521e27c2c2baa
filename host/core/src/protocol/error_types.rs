//! The types of all errors that durawasm itself makes: `ErrorObject::error_type`, which programs match on.
//!
//! Errors of a guest's own have the types that its SDK gives them.

/// The execution took longer than its timeout.
pub const EXECUTION_TIMEOUT: &str = "Execution.Timeout";
/// The execution was stopped, without an error of its own.
pub const EXECUTION_STOPPED: &str = "Execution.Stopped";
/// The history of the execution has as many events as it may have.
pub const EVENT_LIMIT: &str = "Execution.EventLimitExceeded";
/// The handler asks for something else than the record holds.
pub const NON_DETERMINISTIC: &str = "NonDeterministicExecutionError";
/// The guest used the contract in a way that it rules out.
pub const CONTRACT_VIOLATION: &str = "Durable.ContractViolation";
/// The service refused a checkpoint, or could not be reached.
pub const CHECKPOINT_FAILED: &str = "Service.CheckpointFailed";
/// The handler trapped, panicked or exited.
pub const EXIT: &str = "Runtime.ExitError";
/// The instance was killed by fault injection.
pub const KILLED: &str = "Runtime.Killed";
/// The service refused the output of the invocation.
pub const INVALID_OUTPUT: &str = "Runtime.InvalidOutput";
/// The system refused a thread for a native handler.
pub const THREAD_FAILED: &str = "Runtime.ThreadFailed";
/// The sandbox is shutting down.
pub const CLOSED: &str = "Sandbox.Closed";
/// The guest asked for more memory than an invocation may have.
pub const MEMORY_LIMIT: &str = "Sandbox.MemoryLimitExceeded";
/// The guest computed for longer than an invocation may.
pub const CPU_LIMIT: &str = "Sandbox.CpuLimitExceeded";
/// The invocation took longer, in real time, than it may.
pub const TIME_LIMIT: &str = "Sandbox.TimeLimitExceeded";
/// The guest started more operations than an invocation may.
pub const OPERATION_LIMIT: &str = "Sandbox.OperationLimitExceeded";
/// The guest wrote more log lines than an invocation may.
pub const LOG_LIMIT: &str = "Sandbox.LogLimitExceeded";
/// The guest held more contexts and pollables than it may.
pub const HANDLE_LIMIT: &str = "Sandbox.HandleLimitExceeded";
/// The guest made more timers than it may hold.
pub const TIMER_LIMIT: &str = "Sandbox.TimerLimitExceeded";
/// The guest asked for more random numbers than it may.
pub const RANDOM_LIMIT: &str = "Sandbox.RandomLimitExceeded";
/// A granted directory cannot be opened.
pub const GRANT_FAILED: &str = "Sandbox.GrantFailed";
/// One run has invoked as many functions as it may.
pub const INVOKE_COUNT: &str = "Invoke.CountExceeded";
/// As many functions wait for each other in one chain as may.
pub const INVOKE_DEPTH: &str = "Invoke.DepthExceeded";
/// The service refused to start the target of a chained invoke.
pub const INVOKE_REFUSED: &str = "Invoke.Refused";
/// The target of a chained invoke waits for an answer that nobody will give.
pub const INVOKE_STALLED: &str = "Stalled";
/// A plain function used durable operations.
pub const PLAIN_SUSPENDED: &str = "Plain.Suspended";
/// There is no function of that name.
pub const NOT_FOUND: &str = "ResourceNotFoundException";
