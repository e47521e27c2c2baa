//! `serve --watch`: functions are served as their files are by now.
//!
//! The system tells that something may have changed ([`events`]). Then files are looked at until they rest ([`look`]), and
//! what changed is built or read, and offered ([`rebuild`]).
//!
//! Invariants:
//! - what is served is what was last found good: code that cannot be built or loaded replaces nothing;
//! - a change that comes while something is built is looked at afterwards;
//! - what the system tells takes no memory, however much it is;
//! - the end of the server does not wait for a build.

mod error;
mod events;
mod look;
mod rebuild;
mod watched;
mod watcher;

pub(super) use self::{
    rebuild::Rebuild,
    watcher::{Watch, WatchArgs},
};
