//! The environment of a test: how time passes in it, and the checkpoint server that its runners share.
//!
//! Invariants: an environment belongs to the thread that set it up, which is a test's own; runners made there while it
//! is set up use it, wherever they run then.

use std::{cell::RefCell, sync::Arc};

use crate::{
    TestError,
    checkpoint_server::{CheckpointWorkerManager, CheckpointWorkerParams},
};

/// How a test's environment behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TestEnvironmentConfig {
    /// Waits, delays and timeouts take no real time. On by default.
    pub skip_time: bool,
    /// How long each checkpoint takes, in milliseconds of the environment's time. None by default.
    pub checkpoint_delay: Option<u64>,
}

impl Default for TestEnvironmentConfig {
    fn default() -> Self {
        Self { skip_time: true, checkpoint_delay: None }
    }
}

/// An environment that is to be set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TestEnvironmentSetup {
    config: TestEnvironmentConfig,
    tokio_time: bool,
}

impl From<TestEnvironmentConfig> for TestEnvironmentSetup {
    fn from(config: TestEnvironmentConfig) -> Self {
        Self { config, tokio_time: false }
    }
}

impl TestEnvironmentConfig {
    /// The same, with tokio's time taken along by what is skipped: for a `#[tokio::test(start_paused = true)]`.
    #[must_use]
    pub fn with_tokio_time(self) -> TestEnvironmentSetup {
        TestEnvironmentSetup { config: self, tokio_time: true }
    }

    pub(super) fn worker(self, seed: Option<u64>) -> CheckpointWorkerParams {
        let Self { skip_time, checkpoint_delay } = self;
        CheckpointWorkerParams { checkpoint_delay, skip_time, seed, ..CheckpointWorkerParams::default() }
    }
}

/// An environment that was set up.
pub(super) struct TestEnvironment {
    pub(super) config: TestEnvironmentConfig,
    pub(super) worker: Arc<CheckpointWorkerManager>,
}

thread_local! {
    static CURRENT: RefCell<Option<Arc<TestEnvironment>>> = const { RefCell::new(None) };
}

/// The environment of this thread.
pub(super) fn current() -> Option<Arc<TestEnvironment>> {
    CURRENT.with_borrow(Clone::clone)
}

/// Sets up an environment for this thread, in the place of one that is there. Its server runs when this ends.
///
/// Runners need none: without one, each run has a server and a time of its own. With one, the runners that are made on
/// this thread from now on share both, until [`teardown_test_environment`].
///
/// # Errors
/// [`TestError::CheckpointServerError`] when the server cannot start.
pub async fn setup_test_environment(setup: impl Into<TestEnvironmentSetup>) -> Result<(), TestError> {
    let TestEnvironmentSetup { config, tokio_time } = setup.into();
    let params = CheckpointWorkerParams { tokio_time, ..config.worker(Some(0)) };
    let worker = Arc::new(CheckpointWorkerManager::new(Some(params)));
    worker.setup().await?;
    let before = CURRENT.replace(Some(Arc::new(TestEnvironment { config, worker })));
    if let Some(before) = before {
        before.worker.teardown().await?;
    }
    Ok(())
}

/// Takes this thread's environment down: its server's thread is gone when this ends, and its runners run no more.
///
/// # Errors
/// [`TestError::EnvironmentNotSetUp`] when there is none.
pub async fn teardown_test_environment() -> Result<(), TestError> {
    let environment = CURRENT.take().ok_or(TestError::EnvironmentNotSetUp)?;
    environment.worker.teardown().await
}
