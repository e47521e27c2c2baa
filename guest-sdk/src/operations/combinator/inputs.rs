//! The inputs of a combinator.

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::record::Winner;
use super::results::{CombinatorKind, CombinatorOutcome, InputResults};
use crate::context::{DurableFuture, Place};
use crate::contract::Position;
use crate::engine::{Engine, Group, Section};
use crate::serdes::json;

/// The futures, and the places of all operations that they would start.
pub(super) struct Inputs<O> {
    pub(super) engine: Arc<Engine>,
    pub(super) places: Vec<Place>,
    /// The section of the context. Each input has its own section next to it.
    pub(super) section: Arc<Section>,
    pub(super) position: Position,
    pub(super) all: Vec<(usize, DurableFuture<O>)>,
}

impl<O: Serialize + DeserializeOwned + Send + 'static> Inputs<O> {
    /// Keeps only the input that won.
    pub(super) fn keep(&mut self, winner: Option<&Winner>) {
        if let Some(Winner { index: winner }) = winner {
            self.all.retain(|(index, _)| index == winner);
        }
    }

    /// Runs the inputs concurrently until the outcome is decided, then drops the remaining ones. `is_recorded` is
    /// whether the outcome is already recorded. If it is decided now, the inputs have started all their recorded
    /// operations, so that the host can detect missing ones.
    pub(super) async fn decide(
        self,
        kind: CombinatorKind,
        count: usize,
        is_recorded: bool,
    ) -> CombinatorOutcome {
        let Self { engine, places, section, position, all } = self;
        let mut group = Group::new(&engine);
        for (index, input) in all {
            // A replay of a combinator that has ended leaves the inputs out.
            let section = section.input(position, index);
            let input = async move { input.await.map(|value| json::readable(&value)) };
            group.spawn(index, section.run(input));
        }
        let mut results = InputResults::new(kind, count);
        let outcome = loop {
            let Some((index, outcome)) = group.next().await else { break results.all_ended() };
            if let Some(outcome) = results.ended(index, outcome) {
                break outcome;
            }
        };
        drop(group);
        if is_recorded || engine.delivers_unrecorded() {
            skip(&engine, &places);
        }
        outcome
    }

    /// Drops the inputs without running them.
    pub(super) fn skip(self) {
        let Self { engine, places, all, .. } = self;
        drop(all);
        skip(&engine, &places);
    }
}

/// Tells the host that the operations of the inputs are not needed any more.
fn skip(engine: &Engine, places: &[Place]) {
    if engine.runtime().is_replaying() {
        places.iter().for_each(Place::skip);
    }
}
