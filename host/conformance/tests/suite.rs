//! The tests of this crate, in one binary: each binary links the whole host.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail in any way")]

mod cases;
mod check;
mod common;
mod endpoint;
mod runner;
mod unreliable;
