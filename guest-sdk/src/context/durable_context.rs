//! The context of a handler or of a part of it.
//!
//! Invariants: clones of a context share its sequence of positions, its section and its state. Children have their own.

use std::fmt;
use std::sync::{Arc, OnceLock};

use super::compensations::Compensations;
use super::place::Place;
use super::values::Values;
use crate::contract::{Operation, Position, Scope};
use crate::engine::{Engine, Section};
use crate::error::InvalidArgument;
use crate::output;
use crate::serdes::SerdesContext;

/// The durable operations: the second argument of a handler, after its event.
///
/// Each method returns a builder. Awaiting the builder runs the operation; on a replay it returns the recorded outcome.
/// `future()` makes a [`DurableFuture`](crate::DurableFuture) that runs when it is polled, `spawn()` one that runs at
/// once.
///
/// **Requirements for replays.** A handler runs from its beginning after each suspension. It must call the same
/// operations in the same order each time, so its decisions must depend only on the event and on what operations
/// returned. In a component, clocks, random numbers, thread sleep and the environment are the same on every replay,
/// outside of step bodies. State that step bodies leave behind is not the same, because bodies do not run on replays.
///
/// Cloning is cheap. A clone is the same context, with the same sequence of operations.
///
/// # Examples
///
/// ```
/// use durawasm_guest::{BoxError, DurableContext};
/// use std::time::Duration;
///
/// async fn remind(name: String, ctx: DurableContext) -> Result<String, BoxError> {
///     let text = ctx.step(move |_| async move { Ok(format!("Time is up, {name}")) }).name("text").await?;
///     ctx.wait(Duration::from_secs(24 * 60 * 60)).name("a-day").await?;
///     Ok(text)
/// }
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct DurableContext {
    engine: Arc<Engine>,
    scope: Arc<dyn Scope>,
    section: Arc<Section>,
    state: Arc<ContextState>,
}

/// The state of one context, without that of its children. Clones of the context share it.
#[derive(Default)]
pub(crate) struct ContextState {
    id: OnceLock<Option<String>>,
    pub(crate) values: Values,
    pub(crate) compensations: Compensations<DurableContext>,
}

impl DurableContext {
    /// The root context of the execution.
    pub(crate) fn new(engine: Arc<Engine>, scope: Arc<dyn Scope>) -> Self {
        let section = Section::root(Arc::clone(&scope));
        Self { engine, scope, section, state: Arc::default() }
    }

    /// The context at a position of this one, with this name: of a child, or of a scope without an operation.
    pub(crate) fn nested(&self, position: Position, scope: Arc<dyn Scope>, name: Option<Arc<str>>) -> Self {
        let section = self.section.context(position, Arc::clone(&scope), name);
        let values = self.state.values.nested(position);
        let state = ContextState { values, ..ContextState::default() };
        Self { engine: Arc::clone(&self.engine), scope, section, state: Arc::new(state) }
    }

    pub(crate) fn state(&self) -> &ContextState {
        &self.state
    }

    /// The id of the operation that the context belongs to, requested from the host once.
    pub(crate) fn scope_id(&self) -> Option<&str> {
        self.state.id.get_or_init(|| self.scope.id()).as_deref()
    }

    pub(crate) fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    pub(crate) fn scope(&self) -> &dyn Scope {
        &*self.scope
    }

    /// The scope, for starting an operation in it.
    ///
    /// # Errors
    /// If code of another context is about to start the operation, or if the code of this context has ended.
    pub(crate) fn checked_scope(&self) -> Result<&dyn Scope, InvalidArgument> {
        self.section.check_start()?;
        // Output is attributed to the code that ran until now: it may be replayed code, while the code that follows may
        // not be.
        output::flush();
        Ok(&*self.scope)
    }

    /// The section in which the code of the context runs.
    pub(crate) fn section(&self) -> &Arc<Section> {
        &self.section
    }

    /// The place at a position of this context, whether or not an operation is there.
    pub(crate) fn place(&self, position: Position) -> Place {
        Place::new(Arc::clone(&self.scope), position)
    }

    pub(crate) fn serdes_context(&self, operation: Arc<dyn Operation>) -> SerdesContext {
        SerdesContext::of(operation, Arc::clone(self.engine.execution()))
    }
}

impl fmt::Debug for DurableContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DurableContext").finish_non_exhaustive()
    }
}
