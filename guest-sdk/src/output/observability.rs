//! Names for code that observes durable handlers: a `tracing` subscriber of the handler, a plugin, a query on logs.
//!
//! The names are those of AWS's SDK, so tools for one work for the other.
//!
//! **What is logged without further code.** Every log line of a handler goes to the host with its level and fields, the
//! operation whose code wrote it, its name and [`ATTEMPT`](field_names::ATTEMPT), and the invocation: see
//! [`logging`](crate::logging). The history of the execution has every start, end and retry of its operations, so this
//! crate logs no lines about them.
//!
//! **Names for further spans and events.** A plugin or a handler that exports operations to a tracing backend should
//! use spans and events with these names and fields:
//!
//! | event | when | fields in addition to those of the operation |
//! |---|---|---|
//! | [`OPERATION_STARTED`](event_names::OPERATION_STARTED) | an operation begins | `attempt` |
//! | [`OPERATION_SUCCEEDED`](event_names::OPERATION_SUCCEEDED), [`OPERATION_FAILED`](event_names::OPERATION_FAILED) | it has ended | `attempt`, `error` |
//! | [`OPERATION_RETRY_SCHEDULED`](event_names::OPERATION_RETRY_SCHEDULED) | an attempt failed, and another follows | `attempt`, `delaySeconds`, `error` |
//! | [`OPERATION_REPLAYED`](event_names::OPERATION_REPLAYED) | a recorded outcome was returned | `attempt` |
//! | [`EXECUTION_STARTED`](event_names::EXECUTION_STARTED), [`EXECUTION_RESUMED`](event_names::EXECUTION_RESUMED) | an invocation begins, without or with recorded operations | |
//! | [`EXECUTION_SUSPENDED`](event_names::EXECUTION_SUSPENDED) | an invocation ends before its execution | |

/// The target of events about operations.
pub const TARGET: &str = "durawasm_guest::lifecycle";

/// Names of spans.
pub mod span_names {
    /// Around an invocation of the handler, and around the code of each child context.
    pub const EXECUTION: &str = "durable_execution";

    /// Around the body of a step.
    pub const OPERATION: &str = "durable_operation";
}

/// Names of events: their messages.
pub mod event_names {
    /// An operation has begun.
    pub const OPERATION_STARTED: &str = "operation_started";

    /// An operation has succeeded.
    pub const OPERATION_SUCCEEDED: &str = "operation_succeeded";

    /// An operation has failed, without another attempt.
    pub const OPERATION_FAILED: &str = "operation_failed";

    /// An attempt has failed, and another follows.
    pub const OPERATION_RETRY_SCHEDULED: &str = "operation_retry_scheduled";

    /// A recorded outcome was returned.
    pub const OPERATION_REPLAYED: &str = "operation_replayed";

    /// An invocation begins without recorded operations.
    pub const EXECUTION_STARTED: &str = "execution_started";

    /// An invocation begins with recorded operations.
    pub const EXECUTION_RESUMED: &str = "execution_resumed";

    /// An invocation ends with the suspension of its execution.
    pub const EXECUTION_SUSPENDED: &str = "execution_suspended";
}

/// Names of fields.
pub mod field_names {
    /// The execution's ARN.
    pub const EXECUTION_ARN: &str = "executionArn";

    /// The invocation's id.
    pub const REQUEST_ID: &str = "requestId";

    /// The operation's id in the history.
    pub const OPERATION_ID: &str = "operationId";

    /// The operation's name; left out when it has none.
    pub const OPERATION_NAME: &str = "operationName";

    /// The operation's type: `Step`, `Wait`, `Context`, `Callback` or `ChainedInvoke`.
    pub const OPERATION_TYPE: &str = "operationType";

    /// The operation's sub-type, such as `Map` or `Compensation`.
    pub const OPERATION_SUB_TYPE: &str = "operationSubType";

    /// The number of the attempt, from 1.
    pub const ATTEMPT: &str = "attempt";

    /// Whether the event is replayed.
    pub const IS_REPLAY: &str = "isReplay";

    /// The delay before the next attempt, in seconds.
    pub const DELAY_SECONDS: &str = "delaySeconds";

    /// The error.
    pub const ERROR: &str = "error";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_aws_sdk() {
        let events = [
            event_names::OPERATION_STARTED,
            event_names::OPERATION_SUCCEEDED,
            event_names::OPERATION_FAILED,
            event_names::OPERATION_RETRY_SCHEDULED,
            event_names::OPERATION_REPLAYED,
            event_names::EXECUTION_STARTED,
            event_names::EXECUTION_RESUMED,
            event_names::EXECUTION_SUSPENDED,
        ];
        assert!(events.iter().all(|name| name.starts_with("operation_") || name.starts_with("execution_")));
        assert_eq!(
            (span_names::EXECUTION, span_names::OPERATION),
            ("durable_execution", "durable_operation")
        );
        assert_eq!(
            (field_names::OPERATION_SUB_TYPE, field_names::IS_REPLAY),
            ("operationSubType", "isReplay")
        );
    }
}
