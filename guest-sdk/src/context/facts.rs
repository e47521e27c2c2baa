//! Methods of a context that describe the execution, the invocation and the context itself.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::durable_context::DurableContext;
use super::execution_mode::ExecutionMode;
use crate::contract::LambdaContext;

impl DurableContext {
    /// The execution's ARN, the same on every replay:
    /// `arn:aws:lambda:REGION:ACCOUNT:function:NAME:VERSION/durable-execution/EXECUTION-NAME/ID`.
    #[must_use]
    pub fn execution_arn(&self) -> &str {
        self.engine().execution().arn()
    }

    /// Short for [`execution_arn`](Self::execution_arn).
    #[must_use]
    pub fn arn(&self) -> &str {
        self.execution_arn()
    }

    /// The name of the function that runs, without qualifier. The same on every replay.
    #[must_use]
    pub fn function_name(&self) -> &str {
        &self.engine().execution().info().function_name
    }

    /// The version of the function that runs, such as `$LATEST`.
    #[must_use]
    pub fn function_version(&self) -> &str {
        &self.engine().execution().info().function_version
    }

    /// When the execution started, with a precision of milliseconds. The same on every replay.
    #[must_use]
    pub fn start_time(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.engine().execution().info().start_time_ms)
    }

    /// The Lambda context of this invocation: its request id, its deadline and the ARN of the function. It differs
    /// between invocations: use it for logs, not for decisions.
    ///
    /// # Examples
    ///
    /// ```
    /// # use durawasm_guest::{BoxError, DurableContext};
    /// # async fn handler(ctx: DurableContext) -> Result<(), BoxError> {
    /// let request_id = &ctx.lambda_context().request_id;
    /// tracing::info!(%request_id, "invoked");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn lambda_context(&self) -> &LambdaContext {
        self.engine().execution().lambda_context()
    }

    /// Whether recorded operations remain to be replayed, in any context.
    ///
    /// Use it to skip actions that should happen once, such as a log line that is not replay-safe. Do not use it to
    /// choose operations.
    #[must_use]
    pub fn is_replaying(&self) -> bool {
        self.engine().runtime().is_replaying()
    }

    /// [`is_replaying`](Self::is_replaying), as an enum.
    ///
    /// # Examples
    ///
    /// ```
    /// # use durawasm_guest::DurableContext;
    /// use durawasm_guest::ExecutionMode;
    ///
    /// # fn note(ctx: &DurableContext) {
    /// match ctx.execution_mode() {
    ///     ExecutionMode::Replaying => println!("replayed"),
    ///     ExecutionMode::Executing => println!("for the first time"),
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn execution_mode(&self) -> ExecutionMode {
        if self.is_replaying() { ExecutionMode::Replaying } else { ExecutionMode::Executing }
    }

    /// The id of the operation that this context belongs to, as in the history; none for the root context of the
    /// execution.
    ///
    /// A branch or item without its own operation (in a flat map or parallel) has the id of the context around it.
    #[must_use]
    pub fn context_id(&self) -> Option<&str> {
        self.scope_id()
    }

    /// The parent id that the history shows for the operations of this context: the same as
    /// [`context_id`](Self::context_id).
    ///
    /// # Examples
    ///
    /// ```
    /// # use durawasm_guest::{BoxError, DurableContext};
    /// # async fn handler(ctx: DurableContext) -> Result<(), BoxError> {
    /// assert_eq!(ctx.parent_op_id(), None);
    /// ctx.run_in_child_context(|child| async move {
    ///     assert!(child.parent_op_id().is_some());
    ///     Ok(())
    /// })
    /// .await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn parent_op_id(&self) -> Option<&str> {
        self.context_id()
    }

    /// Calls [`keep_replayed`](crate::logging::keep_replayed).
    pub fn keep_replayed_logs(&self, keep: bool) {
        self.engine().runtime().keep_replayed_logs(keep);
    }
}
