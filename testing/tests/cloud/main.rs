//! The runner for deployed functions, against a stand-in for AWS Lambda: its API over HTTP, with the real host behind
//! it.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail in any way")]

#[path = "../common/mod.rs"]
mod common;
mod errors;
#[path = "../common/workflow.rs"]
mod generator;
mod http;
mod lambda;
mod operations;
mod runs;
mod waiting;
