//! `TestResult`: the result, operations and history of an execution.

use std::{fmt::Display, sync::Arc};

use chrono::{DateTime, Utc};
use durawasm_core::{
    invocation::LogLine,
    protocol::{Event, ExecutionStatus, Operation, OperationStatus, OperationType, Timestamp},
    server::{ExecutionView, InvocationView},
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{PrintConfig, TestError, TestResultError, history, print};

/// One invocation of the handler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// When the invocation began.
    pub start_timestamp: Option<DateTime<Utc>>,
    /// When the invocation ended; `None` while it runs.
    pub end_timestamp: Option<DateTime<Utc>>,
    /// The invocation's request id.
    pub request_id: Option<String>,
    /// Why the invocation crashed; `None` if it returned or was suspended.
    pub error: Option<TestResultError>,
}

impl From<&InvocationView> for Invocation {
    fn from(view: &InvocationView) -> Self {
        Self {
            start_timestamp: Some(view.start.to_utc()),
            end_timestamp: view.end.map(Timestamp::to_utc),
            request_id: Some(view.request_id.to_string()),
            error: view.error.clone(),
        }
    }
}

/// The outcome of an execution with its operations and its history. `T` is the type that the result is deserialized as.
#[derive(Debug, Clone)]
pub struct TestResult<T = Value> {
    view: ExecutionView,
    outcome: Result<T, TestResultError>,
    operations: Vec<Operation>,
    invocations: Vec<Invocation>,
    log: Vec<LogLine>,
    updates: u64,
}

impl<T: DeserializeOwned> TestResult<T> {
    /// A result of this state of an execution, the log lines that the execution wrote, and the number of checkpoints
    /// with updates that it sent.
    pub fn new(view: ExecutionView, log: Vec<LogLine>, updates: u64) -> Self {
        let outcome = match view.status {
            ExecutionStatus::Succeeded => read(view.result.as_deref()).map_err(|error| {
                TestResultError::new("ResultTypeMismatch", format!("the result is of another type: {error}"))
            }),
            status => Err(view
                .error
                .clone()
                .unwrap_or_else(|| TestResultError::new("NoResult", format!("the execution is {status}")))),
        };
        let is_operation = |operation: &&Arc<Operation>| operation.kind != OperationType::Execution;
        Self {
            operations: view.operations.iter().filter(is_operation).map(|o| Operation::clone(o)).collect(),
            invocations: view.invocations.iter().map(Invocation::from).collect(),
            view,
            outcome,
            log,
            updates,
        }
    }
}

/// Deserializes a result. A missing result counts as `null`.
fn read<T: DeserializeOwned>(text: Option<&str>) -> serde_json::Result<T> {
    serde_json::from_str(text.unwrap_or("null"))
}

impl<T> TestResult<T> {
    /// The status of the execution.
    pub fn get_status(&self) -> ExecutionStatus {
        self.view.status
    }

    /// The result of the execution.
    ///
    /// # Errors
    /// The execution's error if it did not succeed; an error of type `ResultTypeMismatch` if the result cannot be
    /// deserialized as `T`.
    pub fn get_result(&self) -> Result<&T, TestResultError> {
        self.outcome.as_ref().map_err(Clone::clone)
    }

    /// The result, deserialized as another type.
    ///
    /// # Errors
    /// [`TestError::ExecutionFailed`] if the execution did not succeed; [`TestError::SerializationError`] if the result
    /// cannot be deserialized as `O`.
    pub fn get_result_as<O: DeserializeOwned>(&self) -> Result<O, TestError> {
        if let (ExecutionStatus::Succeeded, _) | (_, Ok(_)) = (self.view.status, &self.outcome) {
            return read(self.view.result.as_deref())
                .map_err(|source| TestError::SerializationError { what: "the result", source });
        }
        Err(self.outcome.as_ref().err().cloned().unwrap_or_default().into())
    }

    /// The error of the execution.
    ///
    /// # Errors
    /// Returns an error if the execution succeeded or has not ended.
    pub fn get_error(&self) -> Result<&TestResultError, &'static str> {
        self.view.error.as_ref().ok_or(match self.view.status {
            ExecutionStatus::Succeeded => "the execution succeeded: it has no error",
            _ => "the execution is not over: it has no error",
        })
    }

    /// All operations in the order of their start, without the EXECUTION operation.
    pub fn get_operations(&self) -> &[Operation] {
        &self.operations
    }

    /// The operations with this status.
    pub fn get_operations_by_status(&self, status: OperationStatus) -> Vec<&Operation> {
        self.operations.iter().filter(|operation| operation.status == status).collect()
    }

    /// The first operation with this name.
    pub fn get_operation(&self, name: &str) -> Option<&Operation> {
        self.operations.iter().find(|operation| operation.name.as_deref() == Some(name))
    }

    /// The invocations, in order.
    pub fn get_invocations(&self) -> &[Invocation] {
        &self.invocations
    }

    /// The history events, in order. They serialize to the JSON of the service.
    pub fn get_history_events(&self) -> &[Arc<Event>] {
        &self.view.events
    }

    /// The history in short, one line per event, such as `+6s StepSucceeded charge (attempt 3)`. Times are relative to
    /// the start of the execution.
    pub fn get_history_lines(&self) -> Vec<String> {
        history::lines(&self.view.events)
    }

    /// The history in the service's JSON shape, normalized for snapshots: ids are numbered (`op-1`, `callback-1`,
    /// `request-1`), also inside payloads, times are relative to the start, and stack traces are removed. It is the
    /// same in every run of the same handler, whatever the seed is and however time passes.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use durawasm_guest::{BoxError, DurableContext};
    /// use durawasm_testing::{LocalDurableTestRunner, TestError};
    ///
    /// async fn nap(_: (), ctx: DurableContext) -> Result<(), BoxError> {
    ///     Ok(ctx.wait(Duration::from_secs(60)).name("nap").await?)
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), TestError> {
    /// // With random ids: two runs have the same normalized history.
    /// let runner = LocalDurableTestRunner::new(nap).seed(None);
    /// let history = runner.run(()).await?.get_normalized_history();
    /// assert_eq!(history, runner.run(()).await?.get_normalized_history());
    /// assert_eq!(history[1]["EventType"], "WaitStarted");
    /// assert_eq!(history[1]["Id"], "op-2");
    /// # Ok(())
    /// # }
    /// ```
    pub fn get_normalized_history(&self) -> Value {
        history::normalized(&self.view.events)
    }

    /// Asserts that the history equals these lines, in the format of [`get_history_lines`](Self::get_history_lines).
    /// Blank lines and the number of blanks between words are ignored.
    ///
    /// # Panics
    /// Panics if the history differs. The message contains the difference.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use durawasm_guest::{BoxError, DurableContext};
    /// use durawasm_testing::{LocalDurableTestRunner, TestError};
    ///
    /// async fn nap(_: (), ctx: DurableContext) -> Result<(), BoxError> {
    ///     Ok(ctx.wait(Duration::from_secs(60)).name("nap").await?)
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), TestError> {
    /// let result = LocalDurableTestRunner::new(nap).run(()).await?;
    /// result.assert_history(
    ///     "
    ///     +0s  ExecutionStarted
    ///     +0s  WaitStarted nap (1m)
    ///     +0s  InvocationCompleted
    ///     +1m  WaitSucceeded nap
    ///     +1m  InvocationCompleted
    ///     +1m  ExecutionSucceeded
    ///     ",
    /// );
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn assert_history(&self, expected: impl Display) {
        let difference = history::difference(&expected.to_string(), &self.get_history_lines());
        assert!(difference.is_none(), "{}", difference.unwrap_or_default());
    }

    /// The log lines of the handler, without those that it wrote again during replays.
    pub fn get_log(&self) -> &[LogLine] {
        &self.log
    }

    /// How many checkpoints with updates the handler sent.
    pub fn get_checkpoints(&self) -> u64 {
        self.updates
    }

    /// The execution's ARN.
    pub fn get_execution_arn(&self) -> &str {
        self.view.arn.as_str()
    }

    /// The duration of the execution in its own (virtual or real) time; for an execution that has not ended, until its
    /// last event.
    pub fn get_duration(&self) -> std::time::Duration {
        let last = self.view.events.last().map(|event| event.event_timestamp);
        self.view.end.or(last).map_or(std::time::Duration::ZERO, |end| end.since(self.view.start))
    }

    /// The table of operations that [`print`](Self::print) prints.
    pub fn get_table(&self, config: PrintConfig) -> String {
        print::table(&self.view.operations, self.view.start, config)
    }

    /// Prints the operations to standard output, as a table: name, type, status, start, end and duration.
    pub fn print(&self) {
        self.print_with_config(PrintConfig::default());
    }

    /// Prints the operations to standard output, as a table with these columns.
    pub fn print_with_config(&self, config: PrintConfig) {
        println!("{}", self.get_table(config));
    }
}
