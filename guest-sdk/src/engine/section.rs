//! Sections of the handler's code, with their own random numbers, hash keys and right to start operations.
//!
//! A replay leaves out code: the bodies of steps, the code of contexts that have ended, the inputs of combinators that
//! have ended. If code that a replay leaves out takes values from a sequence that all code shares, all later code gets
//! other values. A *section* is code that a replay runs or leaves out as a whole.
//!
//! Invariants:
//! - All code of the handler runs in a section: the handler and each child in the section of their context, each body
//!   in its own, and each input of a combinator in its own section of the same context. Sections nest; the innermost
//!   one applies.
//! - The hash keys of a section continue where they were when it ran last, and the host knows whose random numbers are
//!   drawn next. Both depend only on the position of the section among all sections.
//! - Only code of a context can start operations in it.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::contract::{Position, Scope};
use crate::error::InvalidArgument;

#[cfg(target_family = "wasm")]
use durawasm_hash_keys::HashKeys;

thread_local! {
    static CURRENT: RefCell<Option<Arc<Section>>> = const { RefCell::new(None) };
    /// The number of the section whose random stream the host uses; 0 for none.
    static SELECTED: Cell<u64> = const { Cell::new(0) };
    static SECTIONS: Cell<u64> = const { Cell::new(0) };
    /// The hash key of code outside of sections, which is not replayed: that of plugins.
    static OBSERVER_KEY: Cell<u64> = const { Cell::new(0) };
    #[cfg(target_family = "wasm")]
    static HASH_KEYS: Cell<Option<HashKeys>> = const { Cell::new(None) };
}

/// Takes control of the keys of hash maps. `drawn` are the keys that the instance drew.
#[cfg(target_family = "wasm")]
pub(crate) fn install(drawn: Option<(u64, u64)>) {
    HASH_KEYS.set(drawn.and_then(HashKeys::locate));
    OBSERVER_KEY.set(mix(next_key(), 0));
}

#[cfg(target_family = "wasm")]
fn next_key() -> u64 {
    HASH_KEYS.get().map_or(0, |keys| keys.next())
}

/// Sets the key, and returns the previous one.
#[cfg(target_family = "wasm")]
fn replace_next_key(key: u64) -> u64 {
    HASH_KEYS.get().map_or(0, |keys| keys.replace_next(key))
}

/// Natively the keys of maps are not controlled.
#[cfg(not(target_family = "wasm"))]
fn next_key() -> u64 {
    0
}

#[cfg(not(target_family = "wasm"))]
fn replace_next_key(_: u64) -> u64 {
    0
}

/// Maps a number to a pseudo-random one (the finalizer of `SplitMix64`), so that the keys of different sections do not
/// overlap.
fn mix(key: u64, number: u64) -> u64 {
    let mut z = key ^ number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A section of the handler's code.
pub(crate) struct Section {
    number: u64,
    role: Role,
    /// The source of its random numbers; `None` in a body, where they are live.
    random: Option<Random>,
    /// The random stream is not selected when the section is entered: no code that may draw random numbers has run in
    /// it. [`select_random_stream`] ends that state.
    deferred: AtomicBool,
    /// Its first hash key.
    seed: u64,
    /// The key of its next map, while the section does not run.
    next_key: AtomicU64,
}

struct Random {
    scope: Arc<dyn Scope>,
    stream: u64,
}

/// The relation of a section to its context or body.
enum Role {
    Main(Owner),
    /// An input of a combinator, next to the code of this section.
    Input(Arc<Section>),
}

/// A context or a body.
#[derive(Debug)]
struct Owner {
    kind: OwnerKind,
    name: Option<Arc<str>>,
    /// Its code has ended.
    ended: AtomicBool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OwnerKind {
    Execution,
    Context,
    Body,
}

impl Owner {
    fn new(kind: OwnerKind, name: Option<Arc<str>>) -> Self {
        Self { kind, name, ended: AtomicBool::new(false) }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.kind, &self.name) {
            (OwnerKind::Execution, _) => f.write_str("the execution's own context"),
            (OwnerKind::Context, Some(name)) => write!(f, "the context {name:?}"),
            (OwnerKind::Context, None) => f.write_str("a context without a name"),
            (OwnerKind::Body, Some(name)) => write!(f, "the body of {name:?}"),
            (OwnerKind::Body, None) => f.write_str("the body of an operation without a name"),
        }
    }
}

impl Section {
    fn new(role: Role, random: Option<Random>, deferred: bool, seed: u64) -> Arc<Self> {
        let number = SECTIONS.get() + 1;
        SECTIONS.set(number);
        let (deferred, next_key) = (AtomicBool::new(deferred), AtomicU64::new(seed));
        Arc::new(Self { number, role, random, deferred, seed, next_key })
    }

    /// The context or body that the section belongs to.
    fn owner(&self) -> &Owner {
        match &self.role {
            Role::Main(owner) => owner,
            Role::Input(section) => section.owner(),
        }
    }

    /// The section of the root context. Its hash keys continue where they are.
    pub(crate) fn root(scope: Arc<dyn Scope>) -> Arc<Self> {
        let owner = Owner::new(OwnerKind::Execution, None);
        Self::new(Role::Main(owner), Some(Random { scope, stream: 0 }), false, next_key())
    }

    /// The section of the context at a position of this section's context.
    pub(crate) fn context(
        &self,
        position: Position,
        scope: Arc<dyn Scope>,
        name: Option<Arc<str>>,
    ) -> Arc<Self> {
        let owner = Owner::new(OwnerKind::Context, name);
        let seed = mix(self.seed, u64::from(position));
        Self::new(Role::Main(owner), Some(Random { scope, stream: 0 }), false, seed)
    }

    /// The section of the body of an attempt, at a position of this section's context.
    pub(crate) fn body(&self, position: Position, attempt: u32, name: Option<Arc<str>>) -> Arc<Self> {
        let owner = Owner::new(OwnerKind::Body, name);
        let seed = mix(mix(self.seed, u64::from(position)), u64::from(attempt));
        Self::new(Role::Main(owner), None, false, seed)
    }

    /// The section of one input of the combinator at a position of this section's context.
    pub(crate) fn input(self: &Arc<Self>, position: Position, index: usize) -> Arc<Self> {
        self.part(position, index, false)
    }

    /// The same for code of this crate, whose random stream is selected later: it calls [`select_random_stream`] before
    /// it runs other code.
    pub(crate) fn deferred_input(self: &Arc<Self>, position: Position, index: usize) -> Arc<Self> {
        self.part(position, index, true)
    }

    fn part(self: &Arc<Self>, position: Position, index: usize, deferred: bool) -> Arc<Self> {
        let stream = u64::from(position) << 32 | (index as u64 + 1);
        let random = self.random.as_ref().map(|random| Random { scope: Arc::clone(&random.scope), stream });
        Self::new(Role::Input(Arc::clone(self)), random, deferred, mix(self.seed, stream))
    }

    /// Checks whether the current code may start operations in the context of this section.
    pub(crate) fn check_start(&self) -> Result<(), InvalidArgument> {
        let refused = |reason| Err(InvalidArgument { argument: "context".to_owned(), reason });
        let owner = self.owner();
        if owner.ended.load(Ordering::Relaxed) {
            return refused(format!(
                "{owner} is over, so nothing can be started in it any more: a replay does not run its code, and would \
                 not start this either. Start it in the context that is still open",
            ));
        }
        CURRENT.with_borrow(|current| match current.as_deref().map(Self::owner) {
            Some(current) if !std::ptr::eq(current, owner) => refused(format!(
                "{owner} was used in {current}: {}",
                match current.kind {
                    OwnerKind::Body => "operations do not nest in bodies; make it a child context",
                    OwnerKind::Execution | OwnerKind::Context =>
                        "a replay that finds the one over would not start this in the other. Use the context that the \
                         code around the operation was given",
                }
            )),
            _ => Ok(()),
        })
    }

    /// The code of the section's context has ended.
    pub(crate) fn end(&self) {
        self.owner().ended.store(true, Ordering::Relaxed);
    }

    /// Runs a function in the section.
    pub(crate) fn within<T>(self: &Arc<Self>, run: impl FnOnce() -> T) -> T {
        if CURRENT.with_borrow(|current| current.as_ref().is_some_and(|current| Arc::ptr_eq(current, self))) {
            return run();
        }
        let _previous = Previous::enter(Arc::clone(self));
        run()
    }

    /// Polls a future in the section.
    pub(crate) fn run<F: Future>(self: Arc<Self>, future: F) -> Within<F> {
        Within { section: self, future }
    }

    /// Makes the host use the section's random stream, unless it does so already.
    fn select_stream(&self) {
        if let Some(Random { scope, stream }) = &self.random
            && SELECTED.get() != self.number
            && !self.deferred.load(Ordering::Relaxed)
        {
            SELECTED.set(self.number);
            scope.enter(*stream);
        }
    }
}

/// Code that may draw random numbers is about to run in the innermost section: makes the host use the section's random
/// stream.
pub(crate) fn select_random_stream() {
    CURRENT.with_borrow(|current| {
        if let Some(section) = current {
            section.deferred.store(false, Ordering::Relaxed);
            section.select_stream();
        }
    });
}

pin_project! {
    /// A future that is polled in a section.
    pub(crate) struct Within<F> {
        section: Arc<Section>,
        #[pin]
        future: F,
    }
}

impl<F: Future> Future for Within<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        this.section.within(|| this.future.poll(cx))
    }
}

/// The section that was current before, and its hash key; restored on drop.
struct Previous {
    section: Option<Arc<Section>>,
    next_key: u64,
}

impl Previous {
    fn enter(section: Arc<Section>) -> Self {
        section.select_stream();
        let next_key = replace_next_key(section.next_key.load(Ordering::Relaxed));
        Self { section: CURRENT.replace(Some(section)), next_key }
    }
}

impl Drop for Previous {
    fn drop(&mut self) {
        let outer = self.section.take();
        // When a native run is unwound, no code follows.
        if let Some(outer) = &outer
            && !std::thread::panicking()
        {
            outer.select_stream();
        }
        let next_key = replace_next_key(self.next_key);
        if let Some(section) = CURRENT.replace(outer) {
            section.next_key.store(next_key, Ordering::Relaxed);
        }
    }
}

/// Runs code that does not belong to the handler and is not replayed. The hash keys of the handler's code do not
/// change.
pub(crate) fn in_observer_section<T>(run: impl FnOnce() -> T) -> T {
    struct Back(u64);
    impl Drop for Back {
        fn drop(&mut self) {
            OBSERVER_KEY.set(replace_next_key(self.0));
        }
    }
    let _back = Back(replace_next_key(OBSERVER_KEY.get()));
    run()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_keys_of_sections_do_not_overlap() {
        let mut seen = HashSet::new();
        for seed in [0, 1, u64::MAX] {
            for number in 0..1000 {
                let key = mix(seed, number);
                // The keys of two sections are at least some thousand maps apart.
                assert!(seen.insert(key >> 12), "{seed} {number}");
            }
        }
    }
}
