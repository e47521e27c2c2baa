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

/// The futures, with the places of all operations that they would start.
pub(super) struct Inputs<O> {
    pub(super) engine: Arc<Engine>,
    pub(super) places: Vec<Place>,
    /// The context's; each input's is beside it.
    pub(super) section: Arc<Section>,
    pub(super) position: Position,
    pub(super) all: Vec<(usize, DurableFuture<O>)>,
}

impl<O: Serialize + DeserializeOwned + Send + 'static> Inputs<O> {
    /// Keeps only what the result comes from.
    pub(super) fn keep(&mut self, winner: Option<&Winner>) {
        if let Some(Winner { index: winner }) = winner {
            self.all.retain(|(index, _)| index == winner);
        }
    }

    /// Runs them side by side until it is decided; then drops those that are left. `over` is whether that is on record.
    /// Where it is decided now, the inputs have asked for all that is on record of them: what they leave out is found.
    pub(super) async fn decide(self, kind: CombinatorKind, count: usize, over: bool) -> CombinatorOutcome {
        let Self { engine, places, section, position, all } = self;
        let mut group = Group::new(&engine);
        for (index, input) in all {
            // A replay of a combinator that is over leaves them out.
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
        if over || engine.delivers_unrecorded() {
            give_up(&engine, &places);
        }
        outcome
    }

    /// Drops them without running them.
    pub(super) fn give_up(self) {
        let Self { engine, places, all, .. } = self;
        drop(all);
        give_up(&engine, &places);
    }
}

/// Says of all operations of the inputs that they are not needed any more.
fn give_up(engine: &Engine, places: &[Place]) {
    if engine.runtime().is_replaying() {
        places.iter().for_each(Place::skip);
    }
}
