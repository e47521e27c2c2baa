//! Runs a combinator, from its start to its recorded outcome.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::inputs::Inputs;
use super::record::{RecordedInput, Winner, failed, internal};
use super::results::{CombinatorKind, CombinatorOutcome, CombinatorValue};
use crate::context::{DurableContext, DurableFuture, Place, Settled};
use crate::contract::{Child, ChildResult, ChildState, Identity, Position};
use crate::error::OperationError;
use crate::operations::child::INLINE_LIMIT;

/// A combinator with its inputs.
pub(crate) struct CombinatorRun<O> {
    ctx: DurableContext,
    position: Position,
    pub(crate) name: Option<String>,
    inputs: Vec<DurableFuture<O>>,
}

impl<O: Serialize + DeserializeOwned + Send + 'static> CombinatorRun<O> {
    pub(crate) fn new(
        ctx: DurableContext,
        position: Position,
        inputs: impl IntoIterator<Item = DurableFuture<O>>,
    ) -> Self {
        Self { ctx, position, name: None, inputs: inputs.into_iter().collect() }
    }

    pub(crate) fn ctx(&self) -> &DurableContext {
        &self.ctx
    }

    pub(crate) fn try_join_all(self) -> DurableFuture<Vec<O>> {
        self.future(CombinatorKind::TryJoinAll, |json| serde_json::from_str(json))
    }

    pub(crate) fn join_all(self) -> DurableFuture<Vec<Settled<O>>> {
        self.future(CombinatorKind::JoinAll, |json| {
            let written: Vec<RecordedInput<O>> = serde_json::from_str(json)?;
            written.into_iter().map(RecordedInput::into_settled).collect()
        })
    }

    pub(crate) fn select_ok(self) -> DurableFuture<O> {
        self.future(CombinatorKind::SelectOk, |json| serde_json::from_str(json))
    }

    pub(crate) fn race(self) -> DurableFuture<O> {
        self.future(CombinatorKind::Race, |json| serde_json::from_str(json))
    }

    /// The future of the combinator. `read` deserializes its result.
    fn future<T: Send + 'static>(mut self, kind: CombinatorKind, read: Read<T>) -> DurableFuture<T> {
        let changes_context = self.inputs.iter().any(DurableFuture::changes_context);
        let places: Vec<Place> = self.inputs.iter_mut().flat_map(DurableFuture::take_places).collect();
        let own = self.ctx.place(self.position);
        let all = std::iter::once(own).chain(places.iter().cloned()).collect();
        let name = self.name.clone();
        DurableFuture::of_several(all, changes_context, self.execute(kind, read, places, changes_context))
            .named(name)
    }

    async fn execute<T>(
        self,
        kind: CombinatorKind,
        read: Read<T>,
        places: Vec<Place>,
        changes_context: bool,
    ) -> Result<T, OperationError> {
        let Self { ctx, position, name, inputs } = self;
        let count = inputs.len();
        let child = ctx.checked_scope()?.child(Identity { position, name, sub_type: None })?;
        let inputs = Inputs {
            engine: Arc::clone(ctx.engine()),
            places,
            section: Arc::clone(ctx.section()),
            position,
            all: inputs.into_iter().enumerate().collect(),
        };
        let mut inputs = Some(inputs);
        let changed = || ctx.engine().changed(child.clone());
        loop {
            let recorded = match child.state() {
                ChildState::Pending => {
                    match inputs.take() {
                        Some(inputs) if changes_context => {
                            first_of(inputs.decide(kind, count, true), changed()).await;
                        }
                        Some(inputs) => inputs.skip(),
                        None => changed().await,
                    }
                    continue;
                }
                ChildState::Done(outcome) => {
                    if let Some(inputs) = inputs.take() {
                        inputs.skip();
                    }
                    return match outcome {
                        Ok(json) => read(&json.unwrap_or_default()).map_err(internal),
                        Err(wire) => Err(failed(&*child, wire, count)),
                    };
                }
                ChildState::Run => None,
                ChildState::Rebuild(summary) => Some(summary),
            };
            let Some(mut inputs) = inputs.take() else {
                return Err(internal("a combinator was closed, and is open again"));
            };
            if let Some(summary) = &recorded
                && !changes_context
            {
                inputs.keep(Winner::read(summary.as_deref()).map_err(internal)?.as_ref());
            }
            let outcome = inputs.decide(kind, count, recorded.is_some()).await;
            close(&*child, &outcome);
            changed().await;
            // A result is recorded as it is. The record of an error may be shorter: deliver only what is recorded.
            if let Ok(CombinatorValue { json, .. }) = outcome {
                return read(&json).map_err(internal);
            }
        }
    }
}

type Read<T> = fn(&str) -> Result<T, serde_json::Error>;

/// Closes the context. If the result is too large, replays compute it again, from the input that won or from all.
fn close(child: &dyn Child, outcome: &CombinatorOutcome) {
    match outcome {
        Ok(CombinatorValue { json, winner }) if json.len() > INLINE_LIMIT => {
            let summary = winner.map(|index| Winner { index }.write());
            child.succeed(ChildResult::ReplayChildren(summary.as_deref()));
        }
        Ok(CombinatorValue { json, .. }) => child.succeed(ChildResult::Inline(json)),
        Err(wire) => child.fail(wire),
    }
}

/// Waits for the first of two futures.
async fn first_of<T>(one: impl Future<Output = T>, other: impl Future<Output = ()>) {
    let (mut one, mut other) = (pin!(one), pin!(other));
    poll_fn(|cx| {
        let is_ready = one.as_mut().poll(cx).is_ready() || other.as_mut().poll(cx).is_ready();
        if is_ready { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}
