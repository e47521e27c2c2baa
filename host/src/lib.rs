//! The durawasm host: everything that runs durable handlers.
//!
//! Rooms, from the ground up; each imports only from those before it:
//!
//! | room | what is in it |
//! |---|---|
//! | [`protocol`] | the wire types of the AWS Lambda durable execution service |
//! | `durations` | durations and times as people write and read them |
//! | `hint` | did-you-mean |
//! | [`ambient`] | time and randomness, each behind a trait |
//! | [`replay`] | one invocation's durable state, sans-IO |
//! | [`sandbox`] | wasmtime: instances, limits, virtual clocks and random |
//! | [`server`] | the checkpoint server: executions, checkpoints, callbacks, history |
//! | [`orchestrator`] | one execution's life: invoke, suspend, invoke again |
//! | [`report`] | what people are shown of executions |
//! | [`build`] | from a handler crate to a component; what a component imports |
//! | [`scenario`] | tests as data: reading them, running them, comparing |
//! | [`cli`] | the command line |

pub mod ambient;
pub mod build;
pub mod cli;
mod durations;
mod hint;
pub mod orchestrator;
pub mod protocol;
pub mod replay;
pub mod report;
pub mod sandbox;
pub mod scenario;
pub mod server;

pub use durations::{DurationError, parse_duration};
