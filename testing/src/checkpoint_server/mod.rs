//! Direct access to the checkpoint server: its thread, its requests, and its components.
//!
//! A runner starts and stops a server for each run. This module is for tests that send requests themselves, or share a
//! server.

mod requests;
mod worker_manager;

pub use durawasm_core::server::{
    CallbackManager, CheckpointManager, CheckpointTokenData, CompleteCallbackStatus, EventProcessor,
    ExecutionManager, ServerHandle, StartedInvocation, decode_checkpoint_token, encode_checkpoint_token,
};
pub use requests::{
    ApiRequest, Checkpoint, CompleteInvocation, GetExecution, GetState, PollCheckpointData, SendCallback,
    StartDurableExecution, StartInvocation, StopExecution,
};
pub use worker_manager::{CheckpointWorkerManager, CheckpointWorkerParams};
