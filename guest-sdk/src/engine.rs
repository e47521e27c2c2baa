//! What all contexts of one invocation share: the host, the executor and what they wait for.
//!
//! There is one engine for one invocation. It holds no state of any operation.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, OnceLock};

use crate::checkpointing::CheckpointMode;
use crate::executor::{Executor, Running, Spawned, Stalled};
use crate::lambda_context::LambdaContext;
use crate::logging;
use crate::reactor::{ParkedBody, Reactor, Ready};
use crate::runtime::{ExecutionInfo, Interest, Operation, Runtime};

pub(crate) struct Engine {
    runtime: Arc<dyn Runtime>,
    reactor: Arc<Reactor>,
    executor: Arc<Executor>,
    execution: OnceLock<ExecutionInfo>,
    lambda: OnceLock<LambdaContext>,
}

impl Engine {
    pub(crate) fn new(runtime: Arc<dyn Runtime>) -> Arc<Self> {
        let reactor = Reactor::new(Arc::clone(&runtime));
        Arc::new(Self {
            runtime,
            reactor,
            executor: Arc::default(),
            execution: OnceLock::new(),
            lambda: OnceLock::new(),
        })
    }

    pub(crate) fn runtime(&self) -> &dyn Runtime {
        &*self.runtime
    }

    /// Whether outcomes show before they are on record: a replay may then show them in another order, and what had not been sent
    /// is done again.
    pub(crate) fn shows_early(&self) -> bool {
        self.runtime.checkpoint_mode() == CheckpointMode::Optimistic
    }

    /// The execution's ARN, asked for once.
    pub(crate) fn execution_arn(&self) -> &str {
        &self.execution().arn
    }

    /// The execution, asked for once.
    pub(crate) fn execution(&self) -> &ExecutionInfo {
        self.execution.get_or_init(|| self.runtime.execution())
    }

    /// The invocation, asked for once.
    pub(crate) fn lambda_context(&self) -> &LambdaContext {
        self.lambda.get_or_init(|| LambdaContext::new(&*self.runtime, self.execution()))
    }

    pub(crate) fn run<F: Future>(&self, main: F) -> Result<F::Output, Stalled> {
        logging::within(&self.runtime, || self.executor.run(&self.reactor, main))
    }

    pub(crate) fn spawn<F>(&self, future: F) -> Spawned<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.executor.spawn(future)
    }

    /// Adds a task without an output.
    pub(crate) fn launch(&self, task: impl Future<Output = ()> + Send + 'static) -> Running {
        self.executor.launch(task)
    }

    /// Waits until there is something to do for an operation, or its outcome.
    pub(crate) fn changed(&self, operation: Arc<dyn Operation>) -> Ready {
        self.reactor.wait(operation, Interest::Change)
    }

    /// Waits until a callback's id is known.
    pub(crate) fn callback_id_known(&self, callback: Arc<dyn Operation>) -> Ready {
        self.reactor.wait(callback, Interest::CallbackId)
    }

    pub(crate) fn park_body(&self, waker: std::task::Waker) -> ParkedBody {
        self.reactor.park_body(waker)
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}
