//! The resources of the WIT.
//!
//! Invariants: the number of a handle is the key of its object, so the host stores nothing for a handle, and dropping
//! one has no cost. wasmtime ensures that a guest uses only handles that it was given, with their types.

use wasmtime::component::Resource;
use wasmtime_wasi::p2::DynPollable;

use durawasm_core::replay::{Interest, Key, ScopeKey};

/// A scope of operation ids.
pub struct Context;
/// A step.
pub struct Step;
/// A wait.
pub struct Wait;
/// A callback.
pub struct Callback;
/// An invocation of another function.
pub struct ChainedInvoke;
/// A child context.
pub struct ChildContext;
/// A condition.
pub struct Condition;
/// A set of operations that a guest waits for.
pub struct WaitSet;

pub(super) fn own<T: 'static>(key: Key) -> Resource<T> {
    Resource::new_own(key.to_number())
}

pub(super) fn key<T: 'static>(handle: &Resource<T>) -> Key {
    Key::from_number(handle.rep())
}

pub(super) fn own_scope(scope: ScopeKey) -> Resource<Context> {
    Resource::new_own(scope.to_number())
}

pub(super) fn scope(handle: &Resource<Context>) -> ScopeKey {
    ScopeKey::from_number(handle.rep())
}

/// The kinds of pollables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PollableKind {
    /// A durable event: the guest can be suspended while it waits for it.
    Durable(Key, Interest),
    /// A timer, as an index into the invocation's timers.
    Timer(u32),
    /// A live resource, in the resource table.
    Live,
}

// The two top bits of a pollable's number encode its kind. The resource table counts from 0 and does not reach them.
const DURABLE: u32 = 0x8000_0000;
const TIMER: u32 = 0x4000_0000;

/// The largest key or timer that fits into the remaining bits.
pub(super) const MAX_NUMBER: u32 = (TIMER >> 1) - 1;

impl PollableKind {
    pub(super) fn of(handle: &Resource<DynPollable>) -> Self {
        let number = handle.rep();
        if number & DURABLE != 0 {
            let interest = if number & 1 == 0 { Interest::Change } else { Interest::CallbackId };
            Self::Durable(Key::from_number((number & !DURABLE) >> 1), interest)
        } else if number & TIMER != 0 {
            Self::Timer(number & !TIMER)
        } else {
            Self::Live
        }
    }

    /// The handle for this kind; `None` for live pollables, which have a number already, and for numbers that are too
    /// large.
    pub(super) fn handle(self) -> Option<Resource<DynPollable>> {
        match self {
            Self::Durable(key, interest) => Some(Resource::new_own(
                DURABLE | (key.to_number() << 1) | u32::from(interest == Interest::CallbackId),
            )),
            Self::Timer(index) => Some(Resource::new_own(TIMER | index)),
            Self::Live => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pollables_keep_what_they_stand_for() {
        for number in [0, 1, 77, MAX_NUMBER] {
            for kind in [
                PollableKind::Durable(Key::from_number(number), Interest::Change),
                PollableKind::Durable(Key::from_number(number), Interest::CallbackId),
                PollableKind::Timer(number),
            ] {
                assert_eq!(PollableKind::of(&kind.handle().unwrap()), kind);
            }
        }
        assert_eq!(PollableKind::of(&Resource::new_own(12)), PollableKind::Live);
    }
}
