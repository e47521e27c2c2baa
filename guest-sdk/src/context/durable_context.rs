//! The handles that handlers and step bodies get.
//!
//! Always true here: an operation's place in the history is claimed by the call of the method, in the order of the
//! calls, whatever becomes of the builder.

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

/// The durable operations: what a handler is given beside its event.
///
/// Each method returns a builder. Awaiting the builder runs the operation: the first time for real, on a replay from
/// the record. `future()` makes a [`DurableFuture`](crate::DurableFuture) that runs when it is polled, `spawn()` one
/// that runs at once.
///
/// **What replays need.** A handler runs from its beginning after each suspension. It must call the same operations in
/// the same order each time: decide by the event and by what operations returned. Clocks, random numbers, thread sleeps
/// and the environment are the same on every replay in a component, outside of step bodies; what is not is state that
/// step bodies leave behind, since bodies do not run on replays.
///
/// Cloning is cheap. A clone is the same context, with the same sequence of places.
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

/// What belongs to one context, and not to its children. Clones share it.
#[derive(Default)]
pub(crate) struct ContextState {
    id: OnceLock<Option<String>>,
    pub(crate) values: Values,
    pub(crate) compensations: Compensations<DurableContext>,
}

impl DurableContext {
    /// The execution's own context.
    pub(crate) fn new(engine: Arc<Engine>, scope: Arc<dyn Scope>) -> Self {
        let section = Section::root(Arc::clone(&scope));
        Self { engine, scope, section, state: Arc::default() }
    }

    /// The context of what stands at a place of this one, under this name: a child, or a scope without an operation.
    pub(crate) fn nested(&self, position: Position, scope: Arc<dyn Scope>, name: Option<Arc<str>>) -> Self {
        let section = self.section.context(position, Arc::clone(&scope), name);
        let values = self.state.values.nested(position);
        let state = ContextState { values, ..ContextState::default() };
        Self { engine: Arc::clone(&self.engine), scope, section, state: Arc::new(state) }
    }

    pub(crate) fn state(&self) -> &ContextState {
        &self.state
    }

    /// The id of the operation that the context belongs to, asked for once.
    pub(crate) fn scope_id(&self) -> Option<&str> {
        self.state.id.get_or_init(|| self.scope.id()).as_deref()
    }

    pub(crate) fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    pub(crate) fn scope(&self) -> &dyn Scope {
        &*self.scope
    }

    /// The scope, to start an operation in.
    ///
    /// # Errors
    /// When code of another context is about to start it, or this one's has ended.
    pub(crate) fn checked_scope(&self) -> Result<&dyn Scope, InvalidArgument> {
        self.section.check_start()?;
        // What was printed until now belongs to what ran until now: that may be a replay, and what comes may be none.
        output::flush();
        Ok(&*self.scope)
    }

    /// What the context's code runs in.
    pub(crate) fn section(&self) -> &Arc<Section> {
        &self.section
    }

    /// What stands, or would stand, at a place of this context.
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
