//! What all contexts of one invocation share: the host, the executor and what they wait for.
//!
//! There is one engine for one invocation. It holds no state of any operation.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, OnceLock};

use crate::executor::{Executor, Spawned, Stalled};
use crate::reactor::{ParkedBody, Reactor, Ready};
use crate::runtime::{Pollable, Runtime};

pub(crate) struct Engine {
    runtime: Arc<dyn Runtime>,
    reactor: Arc<Reactor>,
    executor: Arc<Executor>,
    arn: OnceLock<String>,
}

impl Engine {
    pub(crate) fn new(runtime: Arc<dyn Runtime>) -> Arc<Self> {
        let reactor = Reactor::new(Arc::clone(&runtime));
        Arc::new(Self { runtime, reactor, executor: Arc::default(), arn: OnceLock::new() })
    }

    pub(crate) fn runtime(&self) -> &dyn Runtime {
        &*self.runtime
    }

    /// The execution's ARN, asked for once.
    pub(crate) fn execution_arn(&self) -> &str {
        self.arn.get_or_init(|| self.runtime.execution_arn())
    }

    pub(crate) fn run<F: Future>(&self, main: F) -> Result<F::Output, Stalled> {
        self.executor.run(&self.reactor, main)
    }

    pub(crate) fn spawn<F>(&self, future: F) -> Spawned<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.executor.spawn(future)
    }

    pub(crate) fn wait(&self, pollable: Box<dyn Pollable>) -> Ready {
        self.reactor.wait(pollable)
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
