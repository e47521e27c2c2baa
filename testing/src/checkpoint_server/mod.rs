//! The checkpoint server, by hand: its thread, the requests it takes, and the parts it is made of.
//!
//! A runner starts and stops one for each run. This is for those who want to talk to it themselves, or to share one.

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
