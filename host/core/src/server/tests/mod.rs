//! The whole server: scenarios, refusals, properties, and its thread.

mod bytes;
mod callbacks;
mod invokes;
mod lifecycle;
mod limits;
mod properties;
mod refusals;
mod thread;
mod world;
