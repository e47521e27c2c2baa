//! Which piece of the handler's code runs now, and what belongs to it: random numbers, hash keys, the right to start
//! operations.
//!
//! A replay leaves out code: the bodies of steps, the code of contexts that are over, the inputs of combinators that
//! are over. So whatever code takes from something that all code shares shifts what the rest gets. A *section* is a
//! piece of code that a replay runs or leaves out as one.
//!
//! Always true here:
//! - All code of the handler's runs in a section: the handler's own and each child's in that of its context, each body
//!   in one of its own, each input of a combinator in one beside its context's. Sections nest; the innermost one
//!   counts.
//! - A section's hash keys go on where they were when it ran last, whatever ran meanwhile, and the host is told whose
//!   random numbers come next. Both depend on the section's place among all sections, and on nothing else.
//! - Operations of a context are started by code of that context only.

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
    /// The section whose random numbers the host gives out, by its number; 0 for none yet.
    static SELECTED: Cell<u64> = const { Cell::new(0) };
    static SECTIONS: Cell<u64> = const { Cell::new(0) };
    /// The hash keys of code that belongs to no section and is not replayed: that of plugins.
    static OBSERVER_KEY: Cell<u64> = const { Cell::new(0) };
    #[cfg(target_family = "wasm")]
    static HASH_KEYS: Cell<Option<HashKeys>> = const { Cell::new(None) };
}

/// Takes charge of the keys of hash maps. `drawn` are those that the instance drew.
#[cfg(target_family = "wasm")]
pub(crate) fn install(drawn: Option<(u64, u64)>) {
    HASH_KEYS.set(drawn.and_then(HashKeys::locate));
    OBSERVER_KEY.set(mix(next_key(), 0));
}

#[cfg(target_family = "wasm")]
fn next_key() -> u64 {
    HASH_KEYS.get().map_or(0, |keys| keys.next())
}

/// Sets the key, and returns what it was.
#[cfg(target_family = "wasm")]
fn replace_next_key(key: u64) -> u64 {
    HASH_KEYS.get().map_or(0, |keys| keys.replace_next(key))
}

/// Natively maps are the machine's affair.
#[cfg(not(target_family = "wasm"))]
fn next_key() -> u64 {
    0
}

#[cfg(not(target_family = "wasm"))]
fn replace_next_key(_: u64) -> u64 {
    0
}

/// Spreads a number over all others (the finalizer of `SplitMix64`), so that the keys of two sections do not meet.
fn mix(key: u64, number: u64) -> u64 {
    let mut z = key ^ number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A piece of the handler's code.
pub(crate) struct Section {
    number: u64,
    role: Role,
    /// Whose random numbers it gets; none in a body, where they are live.
    random: Option<Random>,
    /// No code that may draw random numbers has run in it yet: the host is told of it when some is about to.
    deferred: AtomicBool,
    /// Where its keys began.
    seed: u64,
    /// The first key of its next map, while it does not run.
    next_key: AtomicU64,
}

struct Random {
    scope: Arc<dyn Scope>,
    stream: u64,
}

/// What a section is of a context or a body.
enum Role {
    Main(Owner),
    /// Some code beside that of this section.
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

    /// The context or the body that it is of.
    fn owner(&self) -> &Owner {
        match &self.role {
            Role::Main(owner) => owner,
            Role::Input(section) => section.owner(),
        }
    }

    /// Of the execution's own context. Its keys go on where they are.
    pub(crate) fn root(scope: Arc<dyn Scope>) -> Arc<Self> {
        let owner = Owner::new(OwnerKind::Execution, None);
        Self::new(Role::Main(owner), Some(Random { scope, stream: 0 }), false, next_key())
    }

    /// Of a context at a place of this one's.
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

    /// Of the body of an attempt, at a place of this one's context.
    pub(crate) fn body(&self, position: Position, attempt: u32, name: Option<Arc<str>>) -> Arc<Self> {
        let owner = Owner::new(OwnerKind::Body, name);
        let seed = mix(mix(self.seed, u64::from(position)), u64::from(attempt));
        Self::new(Role::Main(owner), None, false, seed)
    }

    /// Beside this one's code and of the same context: what a combinator at this place runs for one of its inputs.
    pub(crate) fn input(self: &Arc<Self>, position: Position, index: usize) -> Arc<Self> {
        self.part(position, index, false)
    }

    /// The same for code of this crate: before any other runs in it, there is a call of [`select_random_stream`].
    pub(crate) fn deferred_input(self: &Arc<Self>, position: Position, index: usize) -> Arc<Self> {
        self.part(position, index, true)
    }

    fn part(self: &Arc<Self>, position: Position, index: usize, deferred: bool) -> Arc<Self> {
        let stream = u64::from(position) << 32 | (index as u64 + 1);
        let random = self.random.as_ref().map(|random| Random { scope: Arc::clone(&random.scope), stream });
        Self::new(Role::Input(Arc::clone(self)), random, deferred, mix(self.seed, stream))
    }

    /// Whether operations of this section's context may be started now.
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

    /// Its context's code has ended.
    pub(crate) fn end(&self) {
        self.owner().ended.store(true, Ordering::Relaxed);
    }

    /// Runs something as a part of the section.
    pub(crate) fn within<T>(self: &Arc<Self>, run: impl FnOnce() -> T) -> T {
        if CURRENT.with_borrow(|current| current.as_ref().is_some_and(|current| Arc::ptr_eq(current, self))) {
            return run();
        }
        let _previous = Previous::enter(Arc::clone(self));
        run()
    }

    /// Polls a future as a part of the section.
    pub(crate) fn run<F: Future>(self: Arc<Self>, future: F) -> Within<F> {
        Within { section: self, future }
    }

    /// Tells the host whose random numbers come next, unless it knows.
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

/// Code that may draw random numbers is about to run in the innermost section: from now on the host is told of that.
pub(crate) fn select_random_stream() {
    CURRENT.with_borrow(|current| {
        if let Some(section) = current {
            section.deferred.store(false, Ordering::Relaxed);
            section.select_stream();
        }
    });
}

pin_project! {
    /// A future that is polled as a part of a section.
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

/// What ran before a section, and goes on after it.
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
        // Where a run is unwound, natively, nothing comes next.
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

/// Runs code that is no part of the handler, and that no replay repeats: the handler's hash keys stay where they were.
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
    fn the_keys_of_sections_do_not_meet() {
        let mut seen = HashSet::new();
        for seed in [0, 1, u64::MAX] {
            for number in 0..1000 {
                let key = mix(seed, number);
                // A section has room for some thousand maps before another's.
                assert!(seen.insert(key >> 12), "{seed} {number}");
            }
        }
    }
}
