//! The environment of a test: how time passes, and the checkpoint server that its runners share.
//!
//! Invariants: an environment belongs to the thread that set it up, which is the thread of one test; runners created on
//! that thread while it is set up use it, on whichever thread they run later.

use std::{cell::RefCell, sync::Arc};

use crate::{
    TestError,
    checkpoint_server::{CheckpointWorkerManager, CheckpointWorkerParams},
};

/// The configuration of a test environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TestEnvironmentConfig {
    /// Whether waits, delays and timeouts take no real time. The default is `true`.
    pub skip_time: bool,
    /// The duration of each checkpoint, in milliseconds of the environment's time. The default is none.
    pub checkpoint_delay: Option<u64>,
}

impl Default for TestEnvironmentConfig {
    fn default() -> Self {
        Self { skip_time: true, checkpoint_delay: None }
    }
}

/// A test environment to set up: its configuration, and whether it includes tokio's time.
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
    /// The same setup, with tokio's clock advanced by skipped time: for a `#[tokio::test(start_paused = true)]`.
    #[must_use]
    pub fn with_tokio_time(self) -> TestEnvironmentSetup {
        TestEnvironmentSetup { config: self, tokio_time: true }
    }

    pub(super) fn worker(self, seed: Option<u64>) -> CheckpointWorkerParams {
        let Self { skip_time, checkpoint_delay } = self;
        CheckpointWorkerParams { checkpoint_delay, skip_time, seed, ..CheckpointWorkerParams::default() }
    }
}

/// A test environment that is set up.
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

/// Sets up an environment for this thread, and replaces an existing one. Its checkpoint server runs when this returns.
///
/// Runners do not require an environment: without one, each run has its own checkpoint server and its own time. With
/// one, the runners created on this thread share both, until [`teardown_test_environment`] is called.
///
/// # Errors
/// [`TestError::CheckpointServerError`] if the checkpoint server cannot be started.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use durawasm_guest::{BoxError, DurableContext};
/// use durawasm_testing::{
///     LocalDurableTestRunner, TestEnvironmentConfig, TestError, setup_test_environment,
///     teardown_test_environment,
/// };
///
/// async fn nap(_: (), ctx: DurableContext) -> Result<(), BoxError> {
///     Ok(ctx.wait(Duration::from_secs(60)).await?)
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), TestError> {
/// setup_test_environment(TestEnvironmentConfig::default()).await?;
/// let (one, other) = (LocalDurableTestRunner::new(nap), LocalDurableTestRunner::new(nap));
/// let (first, second) = (one.run(()).await?, other.run(()).await?);
/// let start = |events: &[std::sync::Arc<durawasm_testing::Event>]| events[0].event_timestamp;
/// let between = start(second.get_history_events()).since(start(first.get_history_events()));
/// assert_eq!(between.as_secs(), 60, "both runners have the same time");
///
/// teardown_test_environment().await?;
/// assert!(matches!(one.run(()).await, Err(TestError::EnvironmentNotSetUp)));
/// # Ok(())
/// # }
/// ```
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

/// Tears down the environment of this thread: when this returns, the thread of its checkpoint server has ended, and its
/// runners return errors.
///
/// # Errors
/// [`TestError::EnvironmentNotSetUp`] if the thread has no environment.
///
/// # Examples
///
/// ```
/// use durawasm_testing::{
///     TestEnvironmentConfig, TestError, setup_test_environment, teardown_test_environment,
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), TestError> {
/// setup_test_environment(TestEnvironmentConfig::default()).await?;
/// teardown_test_environment().await?;
/// let again = teardown_test_environment().await;
/// assert!(matches!(again, Err(TestError::EnvironmentNotSetUp)));
/// # Ok(())
/// # }
/// ```
pub async fn teardown_test_environment() -> Result<(), TestError> {
    let environment = CURRENT.take().ok_or(TestError::EnvironmentNotSetUp)?;
    environment.worker.teardown().await
}
