//! The facts of an execution and of an invocation, each requested from the host once.

use std::sync::{Arc, OnceLock};

use super::data::ExecutionInfo;
use super::lambda_context::LambdaContext;
use super::runtime::Runtime;

/// The facts that all contexts of an invocation share.
pub(crate) struct Execution {
    runtime: Arc<dyn Runtime>,
    info: OnceLock<ExecutionInfo>,
    lambda: OnceLock<LambdaContext>,
}

impl Execution {
    pub(crate) fn new(runtime: Arc<dyn Runtime>) -> Arc<Self> {
        Arc::new(Self { runtime, info: OnceLock::new(), lambda: OnceLock::new() })
    }

    /// The facts of the execution.
    pub(crate) fn info(&self) -> &ExecutionInfo {
        self.info.get_or_init(|| self.runtime.execution())
    }

    /// The ARN of the execution.
    pub(crate) fn arn(&self) -> &str {
        &self.info().arn
    }

    /// The facts of the invocation.
    pub(crate) fn lambda_context(&self) -> &LambdaContext {
        self.lambda.get_or_init(|| LambdaContext::new(&*self.runtime, self.info()))
    }
}
