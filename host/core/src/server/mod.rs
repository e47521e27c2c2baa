//! The checkpoint server: durable executions, their state and their history, under the rules of the service.
//!
//! Invariants:
//! - the rules are plain functions over plain data: [`ExecutionManager`] is the whole server without its thread;
//! - requests are processed one at a time; callers send them through a [`ServerHandle`];
//! - a request is processed at one point in time of the server's clock;
//! - when the server has ended, for whatever reason, every pending and later request fails with that reason.

mod api;
mod apply;
mod attendance;
mod callback_manager;
mod checkpoint_manager;
mod checkpoint_server;
mod control;
mod dispatch;
mod dispatching;
mod event_processor;
mod execution_manager;
mod external_events;
mod handle;
mod holding;
mod ids;
mod inspect;
mod invocations;
mod invoke_table;
mod keeping;
mod kept;
mod kept_executions;
mod listing;
mod lists;
mod observer;
mod operations;
mod pause;
mod pausing;
mod phase;
mod reporting;
mod saved;
mod saving;
mod script;
mod store;
mod tally;
mod texts;
mod timers;
mod token;
mod transitions;
mod worker;

#[cfg(test)]
mod tests;

pub use api::{
    Answer, AnswerOrder, Continued, ExecutionView, InvocationRetry, InvocationView, InvokeOutcome,
    InvokeTarget, Next, NextAction, PendingExternal, ScriptedAnswer, StartExecution, StartedInvocation,
    StartedInvoke, TimerMode,
};
pub use attendance::{Attendance, Dispatched};
pub use callback_manager::CallbackManager;
pub use checkpoint_manager::CheckpointManager;
pub use checkpoint_server::{CheckpointServer, ServerConfig};
pub use control::ControlView;
pub use event_processor::EventProcessor;
pub use execution_manager::ExecutionManager;
pub use handle::ServerHandle;
pub use inspect::CompleteCallbackStatus;
pub use lists::{ExecutionSummary, ListExecutions, Standing};
pub use observer::{CallbackChange, Change, Observer};
pub use pause::{PauseRequest, PauseView};
pub use saving::{SavedRecord, saved_origin, saved_record, verify_saved};
pub use script::{Unused, callback_names, unused_answers};
pub use store::{Changes, Invoker, Lookup, OpenExecution, Saved, SavedError, Store, StoreError, Summary};
pub use tally::Tally;
pub use timers::{ScheduledTimer, TimerKey};
pub use token::{CheckpointTokenData, decode_checkpoint_token, encode_checkpoint_token};
