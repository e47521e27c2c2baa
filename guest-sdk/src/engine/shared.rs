//! What all contexts of one invocation share: the host, the executor and the reactor.
//!
//! There is one engine per invocation. It holds no state of operations.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use super::executor::{Executor, Spawned, Stalled, TaskHandle};
use super::reactor::{ParkedBody, Reactor, Ready};
use crate::contract::{CheckpointMode, Execution, Interest, Operation, Runtime};
use crate::output::logging;
use crate::policy::JitterSeed;

pub(crate) struct Engine {
    runtime: Arc<dyn Runtime>,
    reactor: Arc<Reactor>,
    executor: Arc<Executor>,
    execution: Arc<Execution>,
}

impl Engine {
    pub(crate) fn new(runtime: Arc<dyn Runtime>) -> Arc<Self> {
        let reactor = Reactor::new(Arc::clone(&runtime));
        let execution = Execution::new(Arc::clone(&runtime));
        Arc::new(Self { runtime, reactor, executor: Arc::default(), execution })
    }

    pub(crate) fn runtime(&self) -> &dyn Runtime {
        &*self.runtime
    }

    /// Whether outcomes are delivered before they are recorded: a replay may then deliver them in another order, and
    /// runs again what had not been sent.
    pub(crate) fn delivers_unrecorded(&self) -> bool {
        self.runtime.checkpoint_mode() == CheckpointMode::Optimistic
    }

    /// The facts of the execution.
    pub(crate) fn execution(&self) -> &Arc<Execution> {
        &self.execution
    }

    /// The seed of the jitter of an operation, at the current time of the handler.
    pub(crate) fn jitter_seed(&self, operation: &str) -> JitterSeed {
        let arn = self.execution.arn();
        JitterSeed::new(arn, operation, self.runtime.now())
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

    /// Adds a task without a result.
    pub(crate) fn launch(&self, task: impl Future<Output = ()> + Send + 'static) -> TaskHandle {
        self.executor.launch(task)
    }

    /// Waits until the operation has something to do or an outcome.
    pub(crate) fn changed(&self, operation: Arc<dyn Operation>) -> Ready {
        self.reactor.wait(operation, Interest::Change)
    }

    /// Waits until the id of a callback is known.
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
