//! A running server: its thread lives as long as the value.

use std::{io, sync::Arc, thread::JoinHandle};

use super::{execution_manager::ExecutionManager, handle::ServerHandle, store::Store, worker};
use crate::{
    ambient::{Clock, Entropy},
    budget::HostBudget,
    protocol::Limits,
};

/// The configuration of a server.
pub struct ServerConfig {
    /// The clock that provides the time of every request.
    pub clock: Arc<dyn Clock>,
    /// The source of ids and tokens.
    pub entropy: Arc<dyn Entropy>,
    /// The limits on requests.
    pub limits: Limits,
}

/// A checkpoint server and its thread. Dropping it stops the thread.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
///
/// use durawasm_core::{
///     ambient::{SeededEntropy, VirtualClock},
///     protocol::{ExecutionStatus, InvocationOutput, InvocationResult, Limits, Timestamp},
///     server::{CheckpointServer, Next, ServerConfig, StartExecution},
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let server = CheckpointServer::spawn(ServerConfig {
///     clock: Arc::new(VirtualClock::new(Timestamp::Y2025)),
///     entropy: Arc::new(SeededEntropy::new(1)),
///     limits: Limits::default(),
/// })?;
/// let handle = server.handle();
/// let arn = handle.start_execution(StartExecution::new("greet", Some("\"Ada\"".to_owned()))).await?;
/// assert_eq!(handle.poll(&arn).await?, Next::Invoke);
///
/// let invocation = handle.start_invocation(&arn).await?;
/// let output = InvocationResult::Output(InvocationOutput::succeeded(Some("\"Hello, Ada\"".to_owned())));
/// assert_eq!(handle.complete_invocation(&arn, &invocation.request_id, output).await?, Next::Closed);
/// assert_eq!(handle.view(&arn).await?.status, ExecutionStatus::Succeeded);
/// server.shutdown();
/// # Ok(())
/// # }
/// ```
pub struct CheckpointServer {
    handle: ServerHandle,
    thread: Option<JoinHandle<()>>,
}

impl CheckpointServer {
    /// Starts the thread. The host has a budget of bytes of its own.
    ///
    /// # Errors
    /// When the operating system cannot start a thread.
    pub fn spawn(config: ServerConfig) -> io::Result<Self> {
        Self::spawn_within(config, HostBudget::default())
    }

    /// Starts the thread. Several servers may share the host's budget of bytes.
    ///
    /// # Errors
    /// When the operating system cannot start a thread.
    pub fn spawn_within(config: ServerConfig, host: HostBudget) -> io::Result<Self> {
        Self::spawn_with(config, host, None)
    }

    /// Starts the thread of a server that keeps executions in a store. Those that are in the store can be continued.
    ///
    /// # Errors
    /// When the operating system cannot start a thread.
    pub fn spawn_with(
        config: ServerConfig,
        host: HostBudget,
        store: Option<Box<dyn Store>>,
    ) -> io::Result<Self> {
        let ServerConfig { clock, entropy, limits } = config;
        let mut manager = ExecutionManager::new(entropy, limits).with_host_budget(host);
        if let Some(store) = store {
            manager = manager.with_store(store);
        }
        let (shared, thread) = worker::spawn(manager, clock)?;
        let handle = ServerHandle::new(shared);
        Ok(Self { handle, thread: Some(thread) })
    }

    /// Creates a handle to the server. Handles do not keep the server alive.
    pub fn handle(&self) -> ServerHandle {
        self.handle.clone()
    }

    /// Stops the thread after it has processed all queued messages, and waits for it. Later requests fail with
    /// [`ServiceError::Unavailable`](crate::protocol::ServiceError::Unavailable). Dropping the server has the same effect.
    pub fn shutdown(self) {
        drop(self);
    }
}

impl Drop for CheckpointServer {
    fn drop(&mut self) {
        self.handle.shared().stop();
        if let Some(thread) = self.thread.take() {
            // The thread does not panic, because panics of requests are caught.
            let _ = thread.join();
        }
    }
}
