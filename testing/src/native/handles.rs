//! What a handler holds of its run: contexts, operations, and events that it waits for. Each is a key of the engine.
//!
//! Invariants: positions are counted in a context, consecutively; the engine receives a position when an operation uses
//! it.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use durawasm_core::replay::{self, Engine, Interest, Key, ReplayError, ScopeKey};
use durawasm_guest::runtime::{Identity, InvalidArgument, Pollable, Position};

use super::{convert, shared_run::SharedRun};

/// A scope of one run.
pub(super) struct Context {
    pub(super) run: Arc<SharedRun>,
    pub(super) scope: ScopeKey,
    claimed: AtomicU32,
}

impl Context {
    pub(super) fn new(run: &Arc<SharedRun>, scope: ScopeKey) -> Arc<Self> {
        Arc::new(Self { run: Arc::clone(run), scope, claimed: AtomicU32::new(0) })
    }

    /// Takes the next position.
    pub(super) fn claim(&self) -> Position {
        self.claimed.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Starts an operation. An invalid argument is returned to the handler as an error.
    pub(super) fn start(
        &self,
        identity: Identity,
        start: impl FnOnce(&mut Engine, Option<Position>, replay::Identity) -> Result<Key, ReplayError>,
    ) -> Result<Arc<Handle>, InvalidArgument> {
        let late = || {
            let reason = "the invocation is over, and nothing can be started any more".to_owned();
            Err(InvalidArgument { argument: "context".to_owned(), reason })
        };
        let (position, identity) = convert::identity(identity);
        let started = self.run.call(late, |durable| {
            Ok(durable
                .driver
                .start(|engine| start(engine, position, identity))?
                .map_err(convert::invalid_argument))
        })?;
        Ok(Arc::new(Handle::new(&self.run, started)))
    }
}

/// An operation of one run.
pub(super) struct Handle {
    pub(super) run: Arc<SharedRun>,
    pub(super) key: Key,
}

impl Handle {
    pub(super) fn new(run: &Arc<SharedRun>, key: Key) -> Self {
        Self { run: Arc::clone(run), key }
    }

    /// Reports an outcome that has no argument which could be invalid.
    pub(super) fn close(&self, close: impl FnOnce(&mut Engine, Key) -> Result<(), ReplayError>) {
        self.run.call(|| (), |durable| durable.close(self.key, close));
    }

    /// Reports an outcome. An invalid argument is returned to the handler as an error.
    pub(super) fn report(
        &self,
        report: impl FnOnce(&mut Engine, Key) -> Result<(), ReplayError>,
    ) -> Result<(), InvalidArgument> {
        self.run.call(
            || Ok(()),
            |durable| Ok(durable.report(self.key, report)?.map_err(convert::invalid_argument)),
        )
    }
}

/// An awaited event of an operation.
pub(super) struct AwaitedEvent(pub(super) Key, pub(super) Interest);

impl Pollable for AwaitedEvent {}
