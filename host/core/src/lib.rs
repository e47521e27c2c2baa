//! The durable runtime without a guest: everything that runs durable executions, independent of what runs their code.
//!
//! Each module imports only from those above it:
//!
//! | module | its one job |
//! |---|---|
//! | [`time`] | points in time, to the millisecond |
//! | [`files`] | reads regular files of a bounded size |
//! | [`hint`] | suggestions for misspelled names |
//! | [`ambient`] | time and randomness, each behind a trait |
//! | [`budget`] | what executions make this process keep, in bytes |
//! | [`protocol`] | the wire types of the AWS Lambda durable execution service, and the trait of a service |
//! | [`durations`] | durations and times as people write and read them |
//! | [`replay`] | one invocation's durable state: ids, decisions, batching. Sans-IO |
//! | [`invocation`] | the invocation driver: when to send, wait, restart, suspend and end. Sans-IO |
//! | [`server`] | the checkpoint server: executions, checkpoints, callbacks, history |
//! | [`orchestrator`] | one execution's life: invoke, suspend, invoke again |

pub mod ambient;
pub mod budget;
pub mod durations;
pub mod files;
pub mod hint;
pub mod invocation;
pub mod orchestrator;
pub mod protocol;
pub mod replay;
pub mod server;
pub mod time;

pub use durations::{DurationError, parse_duration};
