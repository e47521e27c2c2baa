//! The tests of this crate, in one binary: each binary links the whole host, which takes seconds and much space on disk.
//! `threads.rs` is the one test that needs a process of its own.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail in any way")]

mod batches;
mod check;
mod cloud;
mod common;
mod details;
mod determinism;
mod disturbed;
mod divergence;
mod documented;
mod dropped;
mod environments;
mod fuzz;
mod grants;
mod handles;
mod hostile;
mod hostile_bytes;
mod hostile_load;
mod hostile_memory;
mod hostile_set;
mod hostile_time;
mod invokes_and_conditions;
mod leaks;
mod misplaced;
mod mock;
mod native;
mod native_guests;
mod native_plugins;
mod operations;
mod outgoing_http;
mod plugins;
mod ported;
mod prints;
mod properties;
mod runner;
mod saga;
mod schedulers;
mod seeds;
mod served;
mod storage;
mod suspended;
mod timeouts;
mod workflows;
