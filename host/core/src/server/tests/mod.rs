//! The whole server: scenarios, refusals, properties, and its thread.

mod boundaries;
mod bytes;
mod callbacks;
mod dispatching;
mod group_commit;
mod handle;
mod holding;
mod invokes;
mod lifecycle;
mod limits;
mod listing;
mod looking_on;
mod outcomes;
mod pausing;
mod properties;
mod refusals;
mod saving;
mod thread;
mod unused_answers;
mod world;
